"""The Sweep page over sweeps written by hand: nothing is computed here."""

import os
import shutil
from collections.abc import Callable

import pytest

from gradtag_core.config import make_config
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.sweep_measures import CellResult
from gradtag_core.runs.sweep_plan import sweep_command_line
from gradtag_core.runs.sweep_record import SweepRecord, SweepSummary, cell_record
from gradtag_core.sweep_config import make_sweep_config, read_sweep_config

GRID = {"proj_dim": (50, 100), "n_inits": (1, 2)}
FIRST = (0.30, 0.35, 0.40)  # of the tasks, in the first cell


@pytest.fixture
def make_sweep(store, make_run) -> Callable[..., RunRow]:
    """Makes a sweep whose later cells rank better; `runs`: with the runs behind the cells."""

    def made(
        *, vary=GRID, state="done", failed=None, truth=True, truths="a", done=None, runs=False
    ) -> RunRow:
        config = make_sweep_config(make_config("quick", suite="yeast", n_tasks=6), vary)
        row = store.create(config.to_json(), "a sweep", "yeast", sweep_command_line(config), "sweep")
        if state != "queued":
            store.mark_running(row.id, os.getpid())
        cells = range(config.n_cells if done is None else done)
        results = {index: result(index, truth) for index in cells if index not in (failed or {})}
        names = tuple((truths * config.n_cells)[: config.n_cells]) if truth else (None,) * config.n_cells
        folder = store.run_folder(row.id)
        SweepRecord(folder).write(
            SweepSummary(
                row.id, row.name, row.suite, row.command, row.created, row.config, "0" * 32, {}, "cpu", 0, names,
                failed=failed or {},
            ),
            results,
        )  # fmt: skip
        if runs:
            made_run = make_run()
            for index in results:
                shutil.copytree(store.run_folder(made_run.id), cell_record(folder, index).folder)
        if state in ("queued", "running"):
            return store.get(row.id)
        return store.finish(row.id, state, None, 3.0)

    return made


def result(index: int, truth: bool) -> CellResult:
    scores = tuple(value + 0.1 * index - 0.005 * (index == 3) * place for place, value in enumerate(FIRST))
    return CellResult(
        1e9 * (index + 1), 1.0 + index, 2, 0.7, 0.05, scores if truth else None, 0.8 if truth else None,
        (0.01, 0.02, 0.03), (1.0, 0.9, 0.8), 0.5,
    )  # fmt: skip


def words(page):
    return " ".join(text.value for text in [*page.markdown, *page.caption])


def button(page, label):
    return next(found for found in page.button if found.label == label)


def test_an_empty_store_teaches_and_offers_an_example(open_page):
    page = open_page("sweep")
    assert "There are no sweeps yet." in page.info[0].value
    assert page.selectbox(key="sweep_base").value == "example"
    assert "**9 cells**: at most" in words(page)
    assert not button(page, "Start the sweep").disabled
    assert page.code[0].value.startswith(
        "python -m gradtag_core sweep --suite yeast --proxies-per-task 0 --truth 40"
    )
    assert page.code[0].value.endswith("--vary proj_dim=100,200,400 --vary n_inits=1,2,3")


def test_the_best_cell_is_named_with_those_that_are_as_good(open_page, make_sweep):
    make_sweep()
    page = open_page("sweep")
    assert page.query_params["sweep"]
    assert "Best row Spearman: **Projected dimension (d) 100, Initialisations (M) 2**, 0.645" in words(page)
    assert "No other cell is as good, beyond two standard errors" in words(page)
    assert page.get("plotly_chart")
    page.selectbox(key="sweep_measure").select("gain").run()
    assert "3 of the other 3 cells are not told apart from it" in words(page)
    page.selectbox(key="sweep_measure").select("agreement").run()
    assert "Best" not in words(page) and not page.exception


def test_a_cell_shows_its_results_and_fills_the_knobs(open_page, make_sweep):
    make_sweep(runs=True)
    page = open_page("sweep")
    page.selectbox(key="sweep_cell").select("1").run()
    assert ":small[Row Spearman]  \n**0.450 ± 0.024**" in words(page)
    assert "**Projected dimension (d) 50, Initialisations (M) 2**" in words(page)
    assert "`alpha` `bravo` `charlie`" in words(page)
    button(page, "Use these knobs on Estimate").click().run()
    assert not page.exception
    assert page.number_input(key="knob_proj_dim").value == 50
    assert page.number_input(key="knob_n_inits").value == 2


def test_a_cell_can_be_kept_as_a_run(open_page, make_sweep, store):
    make_sweep(runs=True)
    before = {row.id for row in store.list("run")}
    page = open_page("sweep")
    button(page, "Keep as a run").click().run()
    assert not page.exception and not page.error
    assert len(before) <= len(store.list("run")) and page.query_params["run"]


def test_a_click_on_the_map_picks_the_cell(open_page, make_sweep):
    from pages.parts import sweep_view

    row = make_sweep()
    drawn = {}
    original = sweep_view.draw
    try:
        sweep_view.draw = lambda figure, **given: drawn.update(given)  # type: ignore[assignment]
        open_page("sweep")
    finally:
        sweep_view.draw = original
    assert drawn["key"] == f"surface_{row.id}_row_spearman"
    assert "The best: Projected dimension (d) 100, Initialisations (M) 2." in drawn["alt"]
    assert list(drawn["table"]().columns)[:3] == ["cell", "proj_dim", "n_inits"]


def test_one_knob_is_a_line(open_page, make_sweep):
    make_sweep(vary={"seed": (0, 1, 2)})
    page = open_page("sweep")
    assert page.get("plotly_chart") and not page.exception
    assert page.selectbox(key="sweep_cell").value == "2"


def test_failed_cells_are_told_and_do_not_stop_the_others(open_page, make_sweep):
    make_sweep(failed={1: "The model <b>diverged*."})
    page = open_page("sweep")
    assert "1 cell failed" in page.warning[0].value and "\\<b\\>diverged\\*" in page.warning[0].value
    page.selectbox(key="sweep_cell").select("1").run()
    assert page.error[0].value == "The model <b>diverged*."
    assert not page.exception


def test_cells_without_truth_say_so(open_page, make_sweep):
    make_sweep(truth=False)
    assert "No cell is judged by real training" in words(open_page("sweep"))


def test_cells_that_different_trainings_judge_say_so(open_page, make_sweep):
    make_sweep(truths="ab")
    assert "judged by 2 different sets of real trainings" in words(open_page("sweep"))


def test_a_sweep_at_work_shows_its_progress_and_the_cells_it_has(open_page, make_sweep, store):
    row = make_sweep(state="running", done=2)
    store.update_progress(row.id, "Cell 3 of 4, proj_dim = 100, n_inits = 1: grouping tasks", 0, 1, 0.5, 3.0)
    page = open_page("sweep")
    assert page.get("progress") and page.get("plotly_chart")
    assert "1 of the other 1" in words(page) or "No other cell is as good" in words(page)


def test_a_sweep_is_launched_from_the_knobs_on_estimate(open_page, make_sweep, store, monkeypatch):
    monkeypatch.setattr("pages.parts.state.launch", lambda store, run_id: None)
    page = open_page("sweep")
    page.selectbox(key="sweep_base").select("estimate").run()
    page.selectbox(key="sweep_knob_0").select("l2").run()
    page.selectbox(key="sweep_knob_1").select("none").run()
    (values,) = [found for found in page.text_input if found.label == "Values of Ridge penalty"]
    assert values.value == "1e-07, 1e-06, 1e-05, 0.0001"
    values.set_value("1e-5, 0.1").run()
    button(page, "Start the sweep").click().run()
    assert not page.exception
    (row,) = store.list("sweep")
    config = read_sweep_config(row.config)
    assert config.vary == {"l2": (1e-5, 0.1)} and config.base.suite == "yeast"
    assert page.query_params["sweep"] == row.id


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("1, x", "`proj_dim`: input should be a valid integer"),
        ("5, 5", "`proj_dim` must have different values; found 5 twice."),
        ("", "`proj_dim` must have different values; found none."),
        ("0", "The cell `proj_dim` = 0, `n_inits` = 1 cannot be run"),
        (", ".join(map(str, range(1, 30))), "`vary` must make 2 to 64 cells; found 87."),
    ],
)
def test_bad_values_are_one_sentence_and_stop_the_launch(open_page, written, sentence):
    page = open_page("sweep")
    (values,) = [found for found in page.text_input if found.label == "Values of Projected dimension (d)"]
    values.set_value(written).run()
    assert not page.exception
    assert page.error[0].value.startswith(sentence)
    assert button(page, "Start the sweep").disabled


def test_choices_are_picked_from_a_list(open_page):
    page = open_page("sweep")
    page.selectbox(key="sweep_knob_0").select("scoring").run()
    assert page.multiselect(key="sweep_values_scoring").value == ["linear", "representer", "paper"]
    assert "--vary scoring=linear,representer,paper" in page.code[0].value
