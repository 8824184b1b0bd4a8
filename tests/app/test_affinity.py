import base64
import json

import numpy as np
import pandas as pd
import pytest

from gradtag_core.affinity.pair_evidence import pair_effect
from gradtag_core.figures.relative import relative_to_task_mean
from gradtag_core.runs.record import RunRecord
from pages.parts.cell_selection import cell_selection
from tests.app.conftest import NAMES

ORDERS = ("group", "similarity", "name", "difficulty", "suite")


def figures(app):
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def map_of(app):
    """{(evaluated task, co-task): colour value} of the map, and the tasks along its axes."""
    trace = figures(app)[0]["data"][0]
    cells = decoded(trace["z"])
    assert trace["x"] == trace["y"]
    pairs = {
        (row, column): cells[i, j] for i, row in enumerate(trace["y"]) for j, column in enumerate(trace["x"])
    }
    return pairs, trace["x"]


def selected(app):
    return app.selectbox(key="evaluated").value, app.selectbox(key="co_task").value


def numbers(app):
    """The table of the selected pair."""
    return app.table[0].value


def pairs_table(app):
    return next(frame.value for frame in app.dataframe if "Evaluated task" in frame.value)


def accuracy_table(app):
    return next(frame.value for frame in app.dataframe if "Row Spearman" in frame.value).set_index("Line")


@pytest.fixture
def click(monkeypatch):
    """Clicks a cell, by its position, of the map of the last run: the component that tells a click needs a browser."""
    handlers = {}

    def caught(chart, shape, on_cell, selected=()):
        handlers[chart] = on_cell
        cell_selection(chart, shape, on_cell, selected)

    monkeypatch.setattr("pages.parts.cell_selection.cell_selection", caught)
    return lambda row, column: handlers["affinity_map"](row, column)


def marked(app):
    """The cells that are marked on the map."""
    (found,) = (
        each.proto
        for each in app.get("bidi_component")
        if each.proto.component_name == "gradtag_cell_selection"
    )
    return json.loads(found.json)["selected"]


def decoded(array):
    """Plotly's packed form of a matrix."""
    shape = [int(size) for size in array["shape"].split(",")]
    return np.frombuffer(base64.b64decode(array["bdata"]), array["dtype"]).reshape(shape)


def decoded_line(array):
    return np.frombuffer(base64.b64decode(array["bdata"]), array["dtype"])


def test_without_a_run_the_page_says_what_to_do(open_page):
    page = open_page("affinity")
    assert "There is no finished run yet" in page.info[0].value


def test_without_truth_the_page_says_how_to_get_it_and_leads_there(make_run, app):
    make_run()
    app.query_params["order"] = "by name"  # what is bound to a widget must not keep one on the page
    page = app.run().switch_page("pages/affinity.py").run()
    assert not any("Row Spearman" in frame.value for frame in page.dataframe)
    assert page.segmented_control(key="map").options == ["Estimate", "Uncertainty"]
    assert "--truth 36" in page.code[0].value
    next(button for button in page.button if button.label == "Estimate with real training").click().run()
    assert not page.exception
    values = {found.key: found.value for found in page.number_input}
    assert values["knob_truth"] == 36
    assert values["knob_n_tasks"] == 6


def test_without_truth_a_run_made_in_code_is_to_be_called_again_there(open_page, make_run):
    make_run(in_code=True)
    page = open_page("affinity")
    (told,) = (text.value for text in page.markdown if "It began in code" in text.value)
    assert "`gradtag_core.run`" in told and "`truth=36`" in told
    assert not page.code
    assert "Estimate with real training" not in [button.label for button in page.button]


def test_all_maps_share_their_order_and_range_unless_fitted(open_page, make_run):
    make_run(truth=True)
    page = open_page("affinity")
    estimated = figures(page)[0]["data"][0]
    page.segmented_control(key="map").select("true").run()
    true = figures(page)[0]["data"][0]
    assert estimated["y"] == true["y"]
    assert estimated["zmax"] == true["zmax"] > 0
    page.selectbox(key="limits").select("fitted").run()
    fitted = figures(page)[0]["data"][0]
    assert fitted["zmax"] == -fitted["zmin"] != true["zmax"]
    assert not page.exception


def test_no_order_and_no_pin_changes_a_value_and_a_tree_stands_over_similar_tasks_alone(open_page, make_run):
    make_run(truth=True)
    page = open_page("affinity")
    expected, _ = map_of(page)
    for order in ORDERS:
        page.selectbox(key="order").select(order).run()
        found, tasks = map_of(page)
        assert sorted(tasks) == sorted(NAMES)
        assert (tasks == sorted(tasks)) or order not in ("suite", "name")
        assert found == pytest.approx(expected, nan_ok=True)
        assert ("yaxis2" in figures(page)[0]["layout"]) == (order == "similarity")
    page.multiselect(key="pin").set_value(["echo", "bravo"]).run()
    found, tasks = map_of(page)
    assert tasks[:2] == ["echo", "bravo"]
    assert found == pytest.approx(expected, nan_ok=True)


def test_only_pinned_tasks_and_their_best_partners_can_be_shown(open_page, make_run, monkeypatch):
    monkeypatch.setattr("pages.parts.maps.PARTNERS", 1)
    make_run()
    page = open_page("affinity")
    expected, _ = map_of(page)
    page.multiselect(key="pin").set_value(["echo"]).run()
    page.toggle(key="only_pinned").set_value(True).run()
    found, tasks = map_of(page)
    best = max((co_task for co_task in NAMES if co_task != "echo"), key=lambda name: expected["echo", name])
    assert tasks == ["echo", best]
    assert found == pytest.approx({pair: expected[pair] for pair in found}, nan_ok=True)
    assert len(pairs_table(page)) == 2


@pytest.mark.parametrize("pin", [[], ["foxtrot", "bravo"]])
def test_a_click_selects_the_tasks_that_stand_there_under_every_order_and_pin(
    open_page, make_run, click, monkeypatch, pin
):
    make_run()
    page = open_page("affinity")
    page.multiselect(key="pin").set_value(pin).run()
    clicked: list[tuple[str, str]] = []
    monkeypatch.setattr("pages.parts.affinity_state.select_pair", lambda *pair: clicked.append(pair))
    expected = []
    for order in ORDERS:
        page.selectbox(key="order").select(order).run()
        _, tasks = map_of(page)
        expected.append((tasks[1], tasks[4]))
        click(1, 4)
    assert clicked == expected


def test_metric_colours_and_difference_answer_to_their_widgets(open_page, make_run, store):
    row = make_run(truth=True)
    page = open_page("affinity")
    page.selectbox(key="metric").select("f1").run()
    page.selectbox(key="colours").select("raw").run()
    record = RunRecord(store.run_folder(row.id))
    raw, comparison = record.affinity("f1"), record.comparison("f1")
    assert raw and comparison
    found, _ = map_of(page)
    assert found["bravo", "echo"] == pytest.approx(raw.values[1, 4])
    page.segmented_control(key="map").select("difference").run()
    found, _ = map_of(page)
    assert found["bravo", "echo"] == pytest.approx(
        comparison.estimated.values[1, 4] - comparison.trained.values[1, 4], rel=1e-4
    )
    page.segmented_control(key="map").select("error").run()
    found, _ = map_of(page)
    assert found["bravo", "echo"] == pytest.approx(raw.standard_errors[1, 4])
    assert not page.exception


def test_a_pair_is_shown_in_both_directions(open_page, make_run, store):
    row = make_run(truth=True)
    page = open_page("affinity")
    page.selectbox(key="evaluated").select("bravo").run()
    page.selectbox(key="co_task").select("echo").run()
    record = RunRecord(store.run_folder(row.id))
    estimated, true = record.affinity(), record.true_affinity()
    assert estimated and true
    for column, cell in (("bravo with echo", (1, 4)), ("echo with bravo", (4, 1))):
        found, effect = numbers(page)[column], pair_effect(estimated, *cell)
        assert found["Affinity"] == f"{estimated.values[cell]:.4f}"
        assert found["True affinity"] == f"{true.values[cell]:.4f}"
        assert found["Subsets"] == str(estimated.counts[cell])
        assert found["Rank of the co-task"] == f"{effect.rank} of 5"
    forward, backward = (text.value for text in page.markdown if " co-tasks; " in text.value)
    assert forward.startswith("**bravo** ") and "**echo**: rank" in forward
    assert backward.startswith("**echo** ") and "real training" in backward


def test_the_first_pair_is_the_largest_gain(open_page, make_run):
    make_run()
    page = open_page("affinity")
    found, _ = map_of(page)
    assert selected(page) == max((pair for pair in found if pair[0] != pair[1]), key=lambda pair: found[pair])


def test_a_link_shows_its_pair_view_and_pins(make_run, app):
    make_run(truth=True)
    asked = {"evaluated": "alpha", "co_task": "foxtrot", "map": "Truth", "order": "by difficulty"}
    for name, value in asked.items():
        app.query_params[name] = value
    app.query_params["pin"] = ["delta"]
    page = app.run().switch_page("pages/affinity.py").run()
    assert not page.exception
    assert selected(page) == ("alpha", "foxtrot")
    assert page.segmented_control(key="map").value == "true"
    assert page.selectbox(key="order").value == "difficulty"
    assert map_of(page)[1][0] == "delta"


def test_an_address_with_half_a_pair_is_completed(make_run, store, app):
    estimated = RunRecord(store.run_folder(make_run().id)).affinity()
    assert estimated
    co_task = NAMES[int(np.nanargmax(relative_to_task_mean(estimated.values))) % len(NAMES)]
    other = next(name for name in NAMES if name != co_task)
    app.query_params["evaluated"], app.query_params["co_task"] = other, "of another run"
    page = app.run().switch_page("pages/affinity.py").run()
    assert not page.exception
    assert selected(page) == (other, co_task)
    assert "co_task = of another run: no task of this run has that name" in page.toast[0].value
    assert not page.run().toast


def test_one_task_twice_is_no_pair_and_swapping_turns_the_pair(open_page, make_run):
    make_run(truth=True)
    page = open_page("affinity")
    first, second = selected(page)
    page.button(key="swap_pair").click().run()
    assert selected(page) == (second, first)
    page.selectbox(key="co_task").select(second).run()
    assert not page.exception
    assert "Choose two different tasks." in [text.value for text in page.caption]


def test_every_part_shows_the_selected_pair(open_page, make_run):
    make_run(truth=True)
    page = open_page("affinity")
    page.selectbox(key="evaluated").select("bravo").run()
    page.selectbox(key="co_task").select("echo").run()
    _, forward, _, backward, _, scatter, *_ = figures(page)
    _, tasks = map_of(page)
    place = [tasks.index("bravo"), tasks.index("echo")]
    assert marked(page) == [place, place[::-1]]
    assert forward["layout"]["annotations"][0]["text"].startswith("<b>echo</b>")
    assert backward["layout"]["annotations"][0]["text"].startswith("<b>bravo</b>")
    assert scatter["data"][-1]["customdata"][0][:4] == [1, 4, "bravo", "echo"]
    chosen = next(frame for frame in page.dataframe if "Evaluated task" in frame.value)
    default = json.loads(chosen.proto.selection_default)
    line = chosen.value.iloc[default["selection"]["rows"][0]]
    assert (line["Evaluated task"], line["Co-task"]) == ("bravo", "echo")


def test_the_subsets_behind_a_pair_average_to_its_affinity(open_page, make_run, store):
    row = make_run(truth=True)
    page = open_page("affinity")
    record = RunRecord(store.run_folder(row.id))
    estimated, true = record.affinity(), record.true_affinity()
    assert estimated and true
    for strip, matrix in ((0, estimated), (4, true)):
        relative = relative_to_task_mean(matrix.values)
        task, co_task = (NAMES.index(name) for name in selected(page))
        points = decoded_line(figures(page)[2]["data"][strip]["x"])
        assert points.mean() == pytest.approx(relative[task, co_task], abs=1e-6)
        assert len(points) == matrix.counts[task, co_task]


def test_the_table_of_pairs_holds_the_largest_effects_and_can_be_searched(
    open_page, make_run, store, monkeypatch
):
    row = make_run(truth=True)
    page = open_page("affinity")
    record = RunRecord(store.run_folder(row.id))
    estimated, true = record.affinity(), record.true_affinity()
    assert estimated and true
    table = pairs_table(page)
    assert len(table) == 30
    assert table["Estimate"].abs().is_monotonic_decreasing
    line = table.set_index(["Evaluated task", "Co-task"]).loc["bravo", "echo"]
    assert line["Truth"] == pytest.approx(relative_to_task_mean(true.values)[1, 4])
    assert line["Standard error"] == pytest.approx(estimated.standard_errors[1, 4])
    assert line["Subsets"] == estimated.counts[1, 4]
    page.text_input(key="find").input("RAV").run()
    assert len(pairs_table(page)) == 10
    monkeypatch.setattr("pages.parts.affinity_pairs.MOST_ROWS", 4)
    page.text_input(key="find").input("").run()
    pd.testing.assert_frame_equal(pairs_table(page), table.head(4))
    assert "The 4 of 30 pairs" in " ".join(text.value for text in page.caption)


def test_the_table_holds_the_estimate_and_every_reference_line(open_page, make_run):
    make_run(truth=True)
    table = accuracy_table(open_page("affinity"))
    assert list(table.index) == [
        "this estimate", "real training at the same FLOPs", "label similarity", "the co-task's size",
        "constant predictor", "random order",
    ]  # fmt: skip
    assert table.loc["this estimate", "Row Spearman"] > 0.7
    assert table.loc["constant predictor", "Row Spearman"] == 0


def test_an_estimate_of_two_sources_is_shown_beside_each(open_page, make_run, store):
    record = RunRecord(store.run_folder(make_run(truth=True).id))
    assert record.estimated and record.trained
    record.write_scores(record.estimated, "gradients")
    record.write_scores(record.trained.of_seed_only(10), "proxies")
    table = accuracy_table(open_page("affinity"))
    assert list(table.index)[:3] == ["this estimate", "its small models alone", "its gradients alone"]
    gradients, estimate = (
        table.loc[name, "Row Spearman"] for name in ("its gradients alone", "this estimate")
    )
    assert gradients == pytest.approx(estimate)


def test_an_open_run_without_an_estimate_shows_its_progress(open_page, make_run, app):
    row = make_run(state="running")
    app.query_params["run"] = row.id
    page = open_page("affinity")
    assert page.get("progress")
    assert not page.exception


def test_a_damaged_run_is_one_sentence(open_page, make_run, store):
    row = make_run()
    (store.run_folder(row.id) / "run.json").write_text('{"format": 99}')
    page = open_page("affinity")
    assert "must have `format` 2; found 99" in page.error[0].value


def test_a_pair_that_is_not_on_the_map_is_not_marked(open_page, make_run, monkeypatch):
    monkeypatch.setattr("pages.parts.maps.PARTNERS", 1)
    make_run()
    page = open_page("affinity")
    page.multiselect(key="pin").set_value(["echo"]).run()
    page.toggle(key="only_pinned").set_value(True).run()
    _, tasks = map_of(page)
    other = next(name for name in NAMES if name not in tasks)
    page.selectbox(key="evaluated").select(other).run()
    assert marked(page) == []
    page.selectbox(key="evaluated").select(tasks[0]).run()
    page.selectbox(key="co_task").select(tasks[1]).run()
    assert marked(page) == [[0, 1], [1, 0]]
