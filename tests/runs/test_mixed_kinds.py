"""A run from a table to groups, with tasks of every kind in one suite."""

import json

import numpy as np
import pytest

import gradtag_core
from gradtag_core.config import METRICS
from gradtag_core.runs.suites import add_suite
from gradtag_core.tasks.suite import SplitRule
from gradtag_core.tasks.tabular import tabular_suite
from tests.mixed_suites import DECLARED, LABELS, two_factors

QUICK = {
    "suite": "mixed", "subset_size": 3, "n_subsets": 16, "n_groups": 2, "truth": 6, "width": 16, "epochs": 20,
    "proxies_per_task": 4, "batch_size": 32, "proj_dim": 50,
}  # fmt: skip
TARGETS = [index for index, name in enumerate(LABELS) if name.endswith("_number")]


@pytest.fixture
def suite(own_home):
    made = tabular_suite(
        two_factors(400), LABELS, kinds=DECLARED, name="mixed", split_rule=SplitRule(0.3, 0.4)
    )
    add_suite(made, origin=[], title=None, description="", options={})
    return made


def test_a_run_groups_the_tasks_of_each_factor(suite):
    record = gradtag_core.run(gradtag_core.make_config(**QUICK))
    assert record.grouping is not None and record.grouping.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert record.summary.task_names == tuple(LABELS) and record.metrics == ("loss", "auc")
    for metric in record.metrics:
        affinity, comparison = record.affinity(metric), record.comparison(metric)
        assert affinity is not None and np.isfinite(affinity.values).all()
        assert comparison is not None and np.isfinite(comparison.estimate.agreement.row_spearman)
    undefined = [METRICS.index(metric) for metric in ("accuracy", "f1", "average_precision")]
    scores = record.group_scores
    assert scores is not None
    for values in (scores.grouped, scores.together):
        assert np.isnan(values[np.ix_(TARGETS, undefined)]).all()
        assert np.isfinite(np.delete(values, TARGETS, axis=0)).all()
    stored = json.loads((record.folder / "groups.json").read_text())
    assert stored["grouped"][TARGETS[0]][METRICS.index("f1")] is None


@pytest.mark.parametrize(
    "values",
    [
        {"proxies_per_task": 0, "n_inits": 2, "scoring": "representer", "weighting": "tasks"},
        {"n_inits": 0, "metric": "loss"},
    ],
)
def test_each_way_of_estimating_takes_every_kind(suite, values):
    small = {**QUICK, "epochs": 2, "truth": 0, "train_groups": False, "n_subsets": 12, **values}
    record = gradtag_core.run(gradtag_core.make_config(**small))
    affinity = record.affinity()
    assert affinity is not None and np.isfinite(affinity.values).all()


def test_a_run_finds_what_an_earlier_one_stored(suite, monkeypatch):
    from gradtag_core.training.trainer import Trainer

    small = {**QUICK, "epochs": 2, "truth": 2, "n_subsets": 12}
    first = gradtag_core.run(gradtag_core.make_config(**small))
    monkeypatch.delattr(Trainer, "fit")
    second = gradtag_core.run(gradtag_core.make_config(**small))
    np.testing.assert_array_equal(second.estimated.values, first.estimated.values)
    np.testing.assert_array_equal(second.trained.values, first.trained.values)
    np.testing.assert_array_equal(second.group_scores.grouped, first.group_scores.grouped)
