from typing import Any

import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.stability import Stability
from gradtag_core.report.findings import Gains, find, metric_title, stability_of
from gradtag_core.runs.record import RunRecord


def test_a_run_without_an_estimate_has_no_findings(make_record, tmp_path):
    with pytest.raises(InvalidInput, match="an estimate"):
        find(RunRecord(tmp_path / "empty"))
    record = make_record()
    (record.folder / "estimated.parquet").unlink()
    with pytest.raises(InvalidInput, match="an estimate"):
        find(RunRecord(record.folder))


def test_a_metric_that_not_every_task_has_is_refused(make_record):
    with pytest.raises(InvalidInput, match="`metric`"):
        find(make_record(numeric=True), "f1")


def test_the_order_keeps_groups_together(make_record):
    found: Any = find(make_record())
    assert (np.diff(found.grouping.labels[found.order]) != 0).sum() == 1


def test_the_stability_of_other_groups_is_not_told(make_record):
    first, second = make_record(), make_record(n_groups=3)
    stability = stability_of(first)
    assert isinstance(stability, Stability) and stability.agreement > 0.9
    assert find(first, stability=stability).stability is stability
    assert find(second, stability=stability).stability is None


def test_groups_that_cannot_change_have_no_stability(make_record):
    assert stability_of(make_record(n_groups=1)) is None
    assert stability_of(make_record(n_groups=6)) is None


def test_gains_leave_out_tasks_without_the_metric():
    gains = Gains(np.array([0.6, np.nan, 0.8]), np.array([0.5, 0.5, 0.5]))
    assert gains.mean == pytest.approx(0.2)
    assert gains.standard_error == pytest.approx(0.1)
    assert not gains.is_clear
    assert Gains(np.array([0.6]), np.array([0.5])).standard_error is None
    assert not Gains(np.array([0.6]), np.array([0.5])).is_clear


def test_titles_tell_numeric_targets(make_record):
    assert metric_title(make_record(), "auc") == "area under the ROC curve"
    assert metric_title(make_record(numeric=True), "auc").startswith("concordance")


def test_a_pair_that_never_met_leaves_nothing_to_draw_from(make_record):
    record = make_record(n=8, m=2, truth=0)
    assert not np.isfinite(record.affinity().values).all()
    assert stability_of(record) is None
