import json

import numpy as np
import pytest

from gradtag_core.runs.record import RunRecord


@pytest.fixture
def compare(app):
    """Opens the page on runs of these ids."""

    def opened(*ids):
        app.run()
        app.switch_page("pages/compare.py")
        if ids:
            app.query_params["runs"] = ",".join(ids)
        app.run()
        assert not app.exception, [found.message for found in app.exception]
        return app

    return opened


@pytest.fixture
def changed(make_run, store):
    """A run that differs from those of `make_run` in a knob, its affinities, its groups and a name."""

    def made(**facts):
        row = make_run(**facts)
        record = RunRecord(store.run_folder(row.id))
        scores, grouping = record.estimated, record.grouping
        assert scores and grouping
        shaken = scores.values + 0.2 * np.random.default_rng(7).normal(size=scores.values.shape)
        record.write_scores(_with(scores, values=shaken))
        record.write_grouping(_with(grouping, labels=np.array([0, 0, 1, 1, 1, 1])))
        record.write_summary(_with(record.summary, config={**record.summary.config, "proj_dim": 50}))
        store.rename(row.id, "changed <b>")
        return row

    return made


def _with(value, **changes):
    from dataclasses import replace

    return replace(value, **changes)


def specs(page):
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def test_an_empty_store_teaches_and_leads_on(compare):
    page = compare()
    assert "Choose two or more runs" in page.info[0].value
    assert not page.get("plotly_chart")


def test_one_run_is_offered_others_to_compare_with(compare, make_run):
    first, second = make_run(), make_run()
    page = compare()
    assert page.multiselect(key="compare_picker").value == [second.id]
    page.button(key=f"suggested_{first.id}").click().run()
    assert not page.exception
    assert page.query_params["runs"] == f"{second.id},{first.id}"
    assert len(specs(page)) == 4


def test_a_run_beside_itself_again_differs_in_nothing(compare, make_run):
    first, second = make_run(truth=True), make_run(truth=True)
    page = compare(first.id, second.id)
    assert "All parameters agree." in [text.value for text in page.caption]
    assert any("**0 of 30** cells" in text.value for text in page.markdown)
    assert any("**0 of 6** tasks" in text.value for text in page.markdown)
    assert "No task moved." in [text.value for text in page.caption]
    assert not page.info


def test_differences_are_shown_in_every_part(compare, make_run, changed):
    first, second = make_run(truth=True), changed(truth=True)
    page = compare(first.id, second.id)
    parameters, results, pairs, moved = (frame.value for frame in page.dataframe)
    assert parameters.values.tolist() == [["Projected dimension (d)", "100", "50"]]
    assert list(results.columns) == ["Result", "A: a run", "B: changed <b>"]
    figures = results.set_index("Result")
    assert figures.loc["Tasks moved from A"].tolist() == ["", "1 of 6"]
    assert figures.loc["Row Spearman", "A: a run"].startswith("0.")
    assert moved.values.tolist() == [["charlie", 1, "2 (pairs with 2)"]]
    assert len(pairs) and pairs["Difference"].abs().max() > 0
    page.toggle(key="all_parameters").set_value(True).run()
    assert len(page.dataframe[0].value) > 20


def test_all_maps_share_one_order(compare, make_run, changed):
    first, second = make_run(), changed()
    page = compare(first.id, second.id)
    for order in ("group", "similarity", "name"):
        page.selectbox(key="order").select(order).run()
        for beside in ("reference", "other", "errors"):
            page.get_by_key("map_beside").set_value(beside).run()
            assert not page.exception
            difference, other, *_ = specs(page)
            assert difference["data"][0]["y"] == other["data"][0]["y"] == difference["data"][0]["x"]


def test_of_several_runs_each_can_be_set_against_the_reference(compare, make_run, changed):
    ids = [make_run().id, make_run().id, changed().id]
    page = compare(*ids)
    assert [frame.value.shape[1] for frame in page.dataframe[:2]] == [4, 4]
    page.selectbox(key="against").select("C").run()
    assert any("**1 of 6** tasks" in text.value for text in page.markdown)
    page.button(key="swap").click().run()
    assert page.query_params["runs"] == f"{ids[2]},{ids[0]},{ids[1]}"


def test_what_the_address_names_wrongly_is_told(compare, make_run, store):
    study = store.create({"suite": "yeast"}, "a study", "yeast", "python", "study")
    page = compare(make_run().id, "gone", study.id)
    assert "There is no run `gone` here" in page.warning[0].value
    assert f"`{study.id}` is a study: only runs have affinities" in page.warning[1].value
    assert "Choose two or more runs" in page.info[0].value


def test_a_run_without_an_estimate_is_one_sentence(compare, make_run):
    page = compare(make_run().id, make_run(state="running").id)
    assert "has no estimate yet, so it cannot be compared" in page.error[0].value
