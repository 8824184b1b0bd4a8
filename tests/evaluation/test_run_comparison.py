import numpy as np
import pytest

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.config import make_config
from gradtag_core.errors import InvalidInput
from gradtag_core.evaluation.run_comparison import (
    ComparedRun,
    RunFigures,
    compare_runs,
    parameters,
    shared_metrics,
)
from gradtag_core.grouping.result import Grouping

NAMES = ("a", "b", "c", "d", "e")


def compared(names=NAMES, fingerprint="0", labels=None, **knobs):
    n_tasks = len(names)
    values = np.random.default_rng(0).normal(size=(n_tasks, n_tasks))
    affinity = AffinityMatrix(names, values, np.full(values.shape, 3), np.full(values.shape, 0.1), "auc")
    groups = np.arange(n_tasks) % 2 if labels is None else np.array(labels)
    grouping = Grouping(groups, names, 1.0, 2.0, 0.5, "solved", "SCS", "spectral", None, None, 0.1)
    return ComparedRun("run", make_config(**knobs), fingerprint, affinity, grouping, RunFigures())


def test_a_run_and_itself_have_nothing_to_tell():
    found = compare_runs(compared(), compared())
    assert found.remarks == ()
    assert found.groups
    assert (found.groups.adjusted_rand, found.groups.moved_names) == (1, ())
    assert found.to_json()["affinity"]["row_spearman"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"fingerprint": "1"}, "The data called `yeast` is not the same in both"),
        ({"suite": "debian", "fingerprint": "1"}, "two data sets, `yeast`, `debian`"),
        ({"metric": "f1"}, "grouped by area under the ROC curve, the other by F1"),
        (
            {"names": ("b", "c", "d", "x"), "fingerprint": "1"},
            "the 3 tasks of both; 2 are only in the reference and 1",
        ),
        ({"names": ("x", "y", "z"), "fingerprint": "1"}, "no task of the same name"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(other, told):
    (remark,) = compare_runs(compared(), compared(**other)).remarks
    assert told in remark


def test_only_parameters_that_differ_are_listed_unless_all_are_asked_for():
    configs = [make_config(), make_config(proj_dim=100, seed=3), make_config(proj_dim=100)]
    listed = {found.name: found for found in parameters(configs)}
    assert list(listed) == ["seed", "proj_dim"]
    assert listed["proj_dim"].values == (200, 100, 100)
    assert listed["proj_dim"].title == "Projected dimension (d)"
    everything = parameters(configs, everything=True)
    assert len(everything) == len(type(configs[0]).model_fields)
    assert [found.name for found in everything if found.differs] == ["seed", "proj_dim"]
    assert parameters(configs[:1] * 2) == []


def test_runs_are_compared_in_a_metric_that_all_have():
    assert shared_metrics([("loss", "f1", "auc"), ("auc", "loss")]) == ("loss", "auc")
    with pytest.raises(InvalidInput, match="no metric in common"):
        shared_metrics([("f1",), ("auc",)])


def test_a_run_without_groups_is_compared_all_the_same():
    first = compared()
    second = ComparedRun("other", first.config, "0", first.affinity, None, RunFigures())
    assert compare_runs(first, second).groups is None
