import pytest

from gradtag_core.config import METRICS
from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.kind_checks import metrics_of, require_binary, require_metric

NAMES = ("a", "b", "c")
MIXED = ("binary", "multiclass", "regression")


def test_only_numeric_targets_have_fewer_metrics():
    assert metrics_of(("binary", "multiclass")) == METRICS
    assert metrics_of(MIXED) == ("loss", "auc")


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_that_a_task_does_not_have_is_refused(metric):
    require_metric(metric, ("binary", "multiclass", "binary"), NAMES)
    if metric in ("loss", "auc"):
        require_metric(metric, MIXED, NAMES)
        return
    with pytest.raises(
        InvalidInput, match=rf"found `{metric}`, .*\(`c`\)\. Choose `loss` or `auc`, or leave them"
    ):
        require_metric(metric, MIXED, NAMES)


def test_what_needs_binary_tasks_names_the_others():
    require_binary(("binary",) * 3, NAMES, "`x`")
    with pytest.raises(InvalidInput, match="`x` needs binary tasks; `b`, `c` are of another kind"):
        require_binary(MIXED, NAMES, "`x`")
    with pytest.raises(InvalidInput, match="`x` needs binary tasks; `c` is of another kind"):
        require_binary(("binary", "binary", "regression"), NAMES, "`x`")
