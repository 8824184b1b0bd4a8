"""The Pareto page over studies written by hand."""

import json
import os
from collections.abc import Callable

import numpy as np
import pytest

from gradtag_core.config import METRICS
from gradtag_core.cost import Cost
from gradtag_core.methods.protocol import MethodResult
from gradtag_core.runs.command import study_command_line
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.study_record import StudyRecord, StudySummary
from gradtag_core.study_config import StudyConfig, make_study_config
from pages.parts.pareto_answer import group_rows

TASKS = ("alpha", "bravo", "charlie")
TOGETHER = ((0, 1, 2),)
NAIVE_FLOPS = 1e9
# method: (score of the first seed, FLOPs, seconds, groups); the second seed scores 0.02 more
METHODS = {
    "naive_mtl": (0.50, NAIVE_FLOPS, 4.0, TOGETHER),
    "single_task": (0.60, 3e9, 1.0, ((0,), (1,), (2,))),
    "tag": (0.61, 8e9, 2.0, ((0, 1), (1, 2))),
    "pcgrad": (0.40, 5e9, 3.0, None),
}


@pytest.fixture
def make_study(store) -> Callable[..., RunRow]:
    """Makes a study of METHODS over two seeds; `methods` are those that have results."""

    def made(*, state="done", methods=tuple(METHODS), failed=None, estimated=()) -> RunRow:
        config = make_study_config(suite="yeast", n_tasks=len(TASKS), seeds=2, metric="f1")
        row = store.create(config.model_dump(), "a study", "yeast", study_command_line(config), "study")
        if state != "queued":
            store.mark_running(row.id, os.getpid())
        results = {
            method: {seed: result_of(method, seed, estimated) for seed in (0, 1)} for method in methods
        }
        StudyRecord(store.run_folder(row.id)).write(
            StudySummary(
                row.id, row.name, row.suite, row.command, row.created, row.config, TASKS, "0" * 32, {}, "cpu",
                tuple(METHODS), NAIVE_FLOPS, left_out={"dmon": "`dmon` needs a graph; `yeast` has none."},
                failed=failed or {},
            ),
            results,
        )  # fmt: skip
        if state in ("queued", "running"):
            return store.get(row.id)
        return store.finish(row.id, state, "The data ran out." if state == "failed" else None, 3.0)

    return made


def result_of(method, seed, estimated=()):
    score, flops, seconds, groups = METHODS[method]
    scores = np.full((len(TASKS), len(METRICS)), score + 0.02 * seed)
    scores[0] -= 0.01 * (method == "tag")
    served = np.array([0, 1, 1]) if method == "tag" else None
    return MethodResult(
        method, TASKS, scores, scores, Cost(flops, seconds, 2_000_000), groups, served,
        estimated=method in estimated, sample="3 of 9 trained." if method in estimated else None,
    )  # fmt: skip


def words(page):
    return " ".join(text.value for text in page.markdown)


def test_the_best_method_is_recommended_with_its_gain_and_a_cheaper_one(open_page, make_study):
    make_study()
    page = open_page("pareto")
    assert "Within **8.2 GFLOP** (8.25 naive trainings): train with **TAG**." in words(page)
    assert (
        "Error 0.3833 ± 0.0100 (1 − F1), 0.1067 ± 0.0000 lower than naive multitask (paired over seeds)."
        in words(page)
    )
    assert (
        "The cheapest method within one standard error of it is **Single-task**: error 0.3900 ± 0.0100"
        in words(page)
    )
    assert "1. `alpha` `bravo`\n2. `bravo` `charlie`" in words(page)
    assert page.get("plotly_chart")


def test_a_smaller_budget_buys_another_method(open_page, make_study):
    make_study()
    page = open_page("pareto")
    page.select_slider[0].set_value(1e9).run()
    assert "train with **Naive multitask**" in words(page)
    assert page.query_params["budget"] == "1e+09"
    assert "It trains one model on all tasks." in [text.value for text in page.caption]
    page.select_slider[0].set_value(8.25e9).run()
    assert "budget" not in page.query_params  # the first one again


def test_another_axis_has_another_front_and_budget(open_page, make_study):
    make_study()
    page = open_page("pareto")
    assert list(table(page)["On front"]) == [True, True, False, True]
    page.segmented_control(key="axis").set_value("seconds").run()
    assert "train with **TAG**" in words(page)
    found = table(page)
    assert list(found["Method"]) == ["Single-task", "TAG", "PCGrad", "Naive multitask"]
    assert list(found["On front"]) == [True, True, False, False]
    page.segmented_control(key="axis").set_value("gpu_hours").run()
    before = words(page)
    page.number_input(key="teraflops").set_value(0.01).run()
    assert "GPU-hours" in before and words(page) != before


def table(page):
    return next(each.value for each in page.dataframe if "On front" in each.value)


def test_another_metric_is_kept_in_the_address(open_page, make_study):
    make_study()
    page = open_page("pareto")
    page.selectbox[1].select("accuracy").run()
    assert "1 − accuracy" in words(page)
    assert page.query_params["error_metric"] == "accuracy"
    assert not page.toast


def test_a_metric_that_the_study_has_not_is_said_and_replaced(app, make_study):
    make_study()
    app.query_params["error_metric"] = "nonsense"
    page = app.run().switch_page("pages/pareto.py").run()
    assert "error_metric = nonsense: this study has " in page.toast[0].value
    assert page.query_params["error_metric"] != "nonsense"


def test_the_address_names_the_study_the_metric_and_the_budget(app, make_study):
    first = make_study()
    make_study()
    app.run()
    app.query_params.update({"study": first.id, "error_metric": "auc", "budget": "1.21e+09"})
    app.switch_page("pages/pareto.py").run()
    assert app.selectbox[0].value == first.id
    assert "Within **1.2 GFLOP**" in words(app)


def test_an_estimated_method_is_never_recommended_and_is_marked(open_page, make_study):
    make_study(estimated=("tag",))
    page = open_page("pareto")
    assert "train with **Single-task**" in words(page)
    assert list(table(page)["Search"]) == ["measured", "measured", "measured", "estimated"]


def test_a_study_at_work_shows_what_it_has_and_what_is_missing(open_page, make_study):
    make_study(state="running", methods=("naive_mtl",), failed={"tag": "It diverged."})
    page = open_page("pareto")
    assert page.get("progress")
    assert "train with **Naive multitask**" in words(page)
    assert "**TAG**: It diverged." in words(page)
    assert "**Single-task**: not run yet." in words(page)
    assert "**DMoN**: `dmon` needs a graph; `yeast` has none." in words(page)
    assert "1 of the methods failed" in page.warning[0].value


def test_a_failed_study_keeps_its_results_and_can_be_resumed(open_page, make_study, store, monkeypatch):
    monkeypatch.setattr("pages.parts.state.launch", lambda store, run_id: None)
    row = make_study(state="failed", methods=("naive_mtl", "tag"))
    page = open_page("pareto")
    page.query_params["study"] = row.id
    page.run()
    assert page.error[0].value == "The data ran out."
    assert "train with **TAG**" in words(page)
    page.button(key=f"resume_{row.id}").click().run()
    assert store.get(row.id).state == "queued"


def test_a_study_without_results_says_so(open_page, make_study):
    make_study(methods=())
    page = open_page("pareto")
    assert page.info[0].value == "This study has no results yet."


def test_an_empty_store_offers_a_new_study(open_page):
    page = open_page("pareto")
    assert page.info[0].value == "There are no studies yet."
    assert page.expander[0].label == "New study"


def test_a_run_in_the_place_of_a_study_is_told_and_the_other_way_round(open_page, make_run, make_study):
    run, study = make_run(), make_study()
    page = open_page("pareto")
    page.query_params["study"] = run.id
    page.run()
    assert page.warning[0].value == f"`{run.id}` is a run, not a study: the Affinity page shows it."
    page.query_params["run"] = study.id
    page.switch_page("pages/groups.py").run()
    assert page.warning[0].value == f"`{study.id}` is a study, not a run: the Pareto page shows it."


def test_task_by_task_is_made_when_it_is_opened(open_page, make_study):
    make_study()
    page = open_page("pareto")
    assert len(page.get("plotly_chart")) == 1
    page.session_state["by_task"] = True
    page.run()
    figure = json.loads(page.get("plotly_chart")[1].proto.spec)
    assert figure["data"][0]["y"] == list(TASKS)
    assert figure["data"][0]["x"] == ["Single-task", "PCGrad", "TAG"]


def test_the_groups_file_says_which_group_serves_a_task(make_study, store):
    record = StudyRecord(store.run_folder(make_study().id))
    assert group_rows(record, "tag") == [
        {"task": "alpha", "group": 1, "serves": True}, {"task": "bravo", "group": 1, "serves": False},
        {"task": "bravo", "group": 2, "serves": True}, {"task": "charlie", "group": 2, "serves": True},
    ]  # fmt: skip


@pytest.fixture
def form(open_page, make_study):
    """The page with the form of a new study open."""
    make_study()
    page = open_page("pareto")
    page.session_state["new_study"] = True
    return page.run()


def knob(page, name):
    kinds = ("number_input", "selectbox", "text_input", "multiselect")
    return next(found for kind in kinds for found in getattr(page, kind) if found.key == f"study_knob_{name}")


def test_every_knob_of_a_study_has_its_help_and_default(form):
    for name, field in StudyConfig.model_fields.items():
        assert knob(form, name).help.startswith(field.description)
    assert "python -m gradtag_core pareto --suite yeast --seeds 1" in form.code[0].value
    assert knob(form, "methods").value == []
    assert "methods, 1 seed**: about **" in words(form)


def test_methods_that_do_not_apply_are_left_out_with_the_reason(form):
    assert "DMoN" not in knob(form, "methods").options
    (caption,) = [text for text in form.caption if "do not apply" in text.value]
    assert "`dmon` needs a graph; `yeast` has none." in caption.help


def test_a_bad_value_shows_one_sentence_and_stops_the_start(form):
    knob(form, "n_groups").set_value(40).run()
    assert form.error[0].value == "`n_groups` must be at most the number of tasks, 14; found 40."
    assert form.button(key="start_study").disabled


def test_a_started_study_becomes_the_current_one(form, store, monkeypatch):
    monkeypatch.setattr("pages.parts.state.launch", lambda store, run_id: None)
    knob(form, "suite").select("planted").run()
    knob(form, "methods").select("tag").run()
    form.button(key="start_study").click().run()
    row = store.list("study")[0]
    assert row.state == "queued"
    assert row.config["suite"] == "planted" and list(row.config["methods"]) == ["tag"]
    assert form.query_params["study"] == row.id
    assert form.get("progress")
    assert knob(form, "suite").value == "planted" and knob(form, "seeds").value == 1
    store.request_cancel(row.id)


def test_studies_stand_among_the_runs(open_page, make_study, make_run):
    make_run()
    make_study()
    lines = open_page("runs").dataframe[0].value
    assert list(lines["Kind"]) == ["study", "run"]
