import base64
import json

import numpy as np
import pytest

from gradtag_core.runs.record import RunRecord


def figures(app):
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def decoded(array):
    """Plotly's packed form of a matrix."""
    shape = [int(size) for size in array["shape"].split(",")]
    return np.frombuffer(base64.b64decode(array["bdata"]), array["dtype"]).reshape(shape)


def test_without_a_run_the_page_says_what_to_do(open_page):
    page = open_page("affinity")
    assert "There is no finished run yet" in page.info[0].value


def test_without_truth_the_page_says_how_to_get_it_and_leads_there(open_page, make_run):
    make_run()
    page = open_page("affinity")
    assert len(figures(page)) == 1
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


def test_all_maps_share_their_order_and_range(open_page, make_run):
    make_run(truth=True)
    page = open_page("affinity")
    estimated, true, *accuracy = figures(page)
    assert estimated["data"][0]["y"] == true["data"][0]["y"]
    assert estimated["data"][0]["zmax"] == true["data"][0]["zmax"] > 0
    assert len(accuracy) == 3


def test_the_order_can_be_chosen(open_page, make_run):
    make_run()
    page = open_page("affinity")
    for order in ("suite", "name", "group", "similarity"):
        page.selectbox(key="order").select(order).run()
        names = figures(page)[0]["data"][0]["y"]
        assert set(names) == {"alpha", "bravo", "charlie", "delta", "echo", "foxtrot"}
        assert (names == sorted(names)) or order not in ("suite", "name")


def test_metric_colours_and_difference_answer_to_their_widgets(open_page, make_run, store):
    row = make_run(truth=True)
    page = open_page("affinity")
    page.selectbox(key="metric").select("f1").run()
    page.selectbox(key="colours").select("raw").run()
    trace = figures(page)[0]["data"][0]
    raw = RunRecord(store.run_folder(row.id)).affinity("f1")
    assert raw
    names = list(raw.task_names)
    evaluated, co_task = (names.index(trace[axis][index]) for axis, index in (("y", 1), ("x", 2)))
    assert decoded(trace["z"])[1, 2] == pytest.approx(raw.values[evaluated, co_task])
    page.selectbox(key="beside").select("difference").run()
    assert [text.value for text in page.subheader][:2] == ["Estimated affinity", "Estimated minus true"]
    assert not page.exception


def test_a_pair_is_shown_in_both_directions(open_page, make_run, store):
    row = make_run(truth=True)
    page = open_page("affinity")
    page.selectbox(key="pair_first").select("bravo").run()
    page.selectbox(key="pair_second").select("echo").run()
    table = page.dataframe[0].value
    record = RunRecord(store.run_folder(row.id))
    estimated, true = record.affinity(), record.true_affinity()
    assert estimated and true
    assert list(table["Evaluated task"]) == ["bravo", "echo"]
    np.testing.assert_allclose(table["Affinity"], [estimated.values[1, 4], estimated.values[4, 1]])
    np.testing.assert_allclose(table["True affinity"], [true.values[1, 4], true.values[4, 1]])
    assert list(table["Subsets"]) == [estimated.counts[1, 4], estimated.counts[4, 1]]


def test_one_task_twice_is_no_pair(open_page, make_run):
    make_run()
    page = open_page("affinity")
    page.selectbox(key="pair_second").select("alpha").run()
    assert not page.exception
    assert "Choose two different tasks." in [text.value for text in page.caption]


def test_the_table_holds_the_estimate_and_every_reference_line(open_page, make_run):
    make_run(truth=True)
    table = open_page("affinity").dataframe[1].value.set_index("")
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
    table = open_page("affinity").dataframe[1].value.set_index("")
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
