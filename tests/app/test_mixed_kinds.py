"""Pages of a run whose tasks do not all have every metric."""

from dataclasses import replace

import numpy as np
import pytest

from gradtag_core.config import METRICS, make_config
from gradtag_core.runs.record import RunRecord
from tests.app.test_affinity import figures

UNDEFINED = [METRICS.index(metric) for metric in ("accuracy", "f1", "average_precision")]


@pytest.fixture
def mixed_run(make_run, store):
    """A run by AUC of which the third task has numeric targets."""
    row = make_run(truth=True)
    record = RunRecord(store.run_folder(row.id))
    config = make_config("quick", suite="yeast", n_tasks=6, truth=15, metric="auc")
    record.write_summary(replace(record.summary, config=config.model_dump()))
    for scores in (record.estimated, record.trained):
        assert scores is not None
        values = scores.values.copy()
        values[np.ix_(scores.task == 2, UNDEFINED)] = np.nan
        record.write_scores(replace(scores, values=values))
    groups = record.group_scores
    assert groups is not None
    for values in (groups.grouped, groups.together):
        values[2, UNDEFINED] = np.nan
    record.write_group_scores(groups)
    return row


@pytest.mark.parametrize("page", ["affinity", "groups"])
def test_only_metrics_that_all_tasks_have_are_offered(open_page, mixed_run, page):
    shown = open_page(page)
    metric = shown.selectbox(key="metric")
    assert (metric.options, metric.value) == (["negated log loss", "area under the ROC curve"], "auc")
    assert figures(shown)
    metric.select("loss").run()
    assert not shown.exception


def test_a_metric_chosen_for_another_run_is_not_asked_of_this_one(app, make_run, mixed_run, store):
    other = make_run(truth=True)
    app.query_params["run"] = other.id
    app.run().switch_page("pages/affinity.py").run()
    app.selectbox(key="metric").select("f1").run()
    assert not app.exception
    app.selectbox(key="run_picker").select(mixed_run.id).run()
    assert not app.exception, [found.message for found in app.exception]
    assert app.selectbox(key="metric").value in ("auc", "loss")
