from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from gradtag_core.config import read_config
from gradtag_core.runs.command import python_call
from gradtag_core.runs.record import RunRecord


def test_an_empty_store_says_what_to_do(open_page):
    assert "There are no runs yet" in open_page("runs").info[0].value


def test_every_run_is_a_line_with_its_state_and_accuracy(open_page, make_run):
    make_run(truth=True)
    make_run(state="cancelled")
    make_run(state="running")
    page = open_page("runs")
    table = page.dataframe[0].value
    assert list(table["State"]) == ["running", "cancelled", "done"]
    assert list(table["m"]) == [None, 36, 36] or table["m"].isna().tolist() == [True, False, False]
    assert table["Row Spearman"].iloc[2] > 0.7
    assert page.get("progress")


def test_a_damaged_run_does_not_hide_the_others(open_page, make_run, store):
    make_run()
    row = make_run()
    (store.run_folder(row.id) / "run.json").write_text("{")
    assert list(open_page("runs").dataframe[0].value["State"]) == ["done, damaged", "done"]


def test_problems_of_the_store_are_told(app, make_run, monkeypatch, tmp_path):
    samples = tmp_path / "samples"
    (samples / "broken").mkdir(parents=True)
    monkeypatch.setattr("gradtag_core.runs.start.SAMPLE_FOLDERS", (samples,))
    make_run()
    app.run().switch_page("pages/runs.py").run()
    assert "The sample run `broken` was skipped" in app.warning[0].value


def actions(run_id):
    """The panel of one run, as a page of its own: tests cannot click into a table."""
    from pages.parts.run_actions import show_actions
    from pages.parts.state import store

    show_actions(store().get(run_id), ["kept", "old"])


@pytest.fixture
def panel(store, make_run):
    def opened(**facts):
        row = make_run(**facts)
        return row, AppTest.from_function(actions, args=(row.id,), default_timeout=100).run()

    return opened


def test_a_finished_run_can_be_renamed(panel, store):
    row, page = panel()
    page.text_input(key=f"name_{row.id}").set_value("my best run").run()
    page.button(key="save_name").click().run()
    assert store.get(row.id).name == "my best run"


def test_an_empty_name_is_one_sentence(panel, store):
    row, page = panel()
    page.text_input(key=f"name_{row.id}").set_value("  ").run()
    page.button(key="save_name").click().run()
    assert "`name` must have 1 to 200 characters; found 0." in page.error[0].value
    assert store.get(row.id).name == "a run"


def test_a_run_is_not_deleted_before_a_second_click(panel, store):
    row, page = panel(state="cancelled")
    page.button(key="delete_run").click().run()
    assert page.button(key="confirm_delete").label == "Delete"
    assert store.get(row.id)


def test_an_open_run_cannot_be_deleted(panel):
    _, page = panel(state="running")
    assert page.button(key="delete_run").disabled


def test_the_command_and_the_log_are_shown(panel, store):
    row, page = panel(state="failed")
    assert page.code[-2].value == row.command
    assert page.button[0].label == "Resume"


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_a_run_made_in_code_is_not_resumed_here(panel, state):
    row, page = panel(state=state, in_code=True)
    assert "Resume" not in [button.label for button in page.button]
    assert any("call `gradtag_core.run` again there" in text.value for text in page.markdown)
    assert page.caption[-1].value == "The call that repeats this run, in the code where it began:"
    assert (page.code[-1].value, page.code[-1].language) == (row.command, "python")


def test_a_run_is_copied_as_a_command_and_as_python(panel):
    row, page = panel()
    command, python = page.code
    assert (command.value, command.language) == (row.command, "bash")
    assert (python.value.strip(), python.language) == (python_call(read_config(row.config)).strip(), "python")
    assert [tab.label for tab in page.tabs] == ["Copy as command", "Copy as Python"]


def test_a_note_and_tags_are_kept_with_the_run(panel, store):
    row, page = panel()
    page.text_area[0].set_value("the one\nfor the talk").run()
    page.multiselect[0].set_value(["kept"]).run()
    page.button(key="save_note").click().run()
    found = store.get(row.id)
    assert (found.note, found.tags) == ("the one\nfor the talk", ("kept",))


def test_archiving_hides_a_run_until_archived_ones_are_asked_for(panel, store, app):
    row, page = panel()
    page.button(key="archive_run").click().run()
    assert store.get(row.id).archived
    app.run().switch_page("pages/runs.py").run()
    assert app.info[0].value == "No run fits the filters."
    app.toggle(key="archived").set_value(True).run()
    assert list(app.dataframe[0].value["State"]) == ["done, archived"]


def test_the_list_is_filtered_by_every_word_and_choice(open_page, make_run, store):
    first, _, third = (make_run(state=state).id for state in ("done", "cancelled", "done"))
    store.rename(first, "wide model")
    store.annotate(first, note="For the <b>talk</b>", tags=["good"])
    store.annotate(third, tags=["good", "late"])
    page = open_page("runs")

    def listed():
        return list(page.dataframe[0].value["Name"]) if page.dataframe else []

    assert len(listed()) == 3
    page.text_input(key="q").set_value("TALK wide").run()
    assert listed() == ["wide model"]
    page.text_input(key="q").set_value("talk narrow").run()
    assert page.info[0].value == "No run fits the filters."
    page.text_input(key="q").set_value("").run()
    page.multiselect(key="tags").set_value(["good"]).run()
    assert listed() == ["a run", "wide model"]
    page.multiselect(key="tags").set_value(["good", "late"]).run()
    assert listed() == ["a run"]
    page.multiselect(key="tags").set_value([]).run()
    page.multiselect(key="states").set_value(["cancelled"]).run()
    assert list(page.dataframe[0].value["State"]) == ["cancelled"]


def test_filters_are_in_the_address(app, make_run, store):
    store.rename(make_run().id, "wanted")
    make_run()
    app.query_params["q"] = "wanted"
    app.run().switch_page("pages/runs.py").run()
    app.query_params["q"] = "wanted"
    app.run()
    assert list(app.dataframe[0].value["Name"]) == ["wanted"]


def test_figures_of_older_runs_wait_until_they_are_asked_for(open_page, make_run, store, monkeypatch):
    monkeypatch.setattr("pages.parts.run_findings.BUDGET", 0.0)
    make_run(truth=True)
    ready = RunRecord(store.run_folder(make_run(truth=True).id))
    ready.write_summary(replace(ready.summary, n_subsets=7, row_spearman=0.25))
    page = open_page("runs")
    table = page.dataframe[0].value
    assert table["m"].tolist()[0] == 7 and table["Row Spearman"].tolist()[0] == 0.25
    assert table["Row Spearman"].isna().tolist() == [False, True]
    (button,) = (each for each in page.button if each.label == "Compute the row Spearman of 1 older runs")
    button.click().run()
    assert page.dataframe[0].value["Row Spearman"].tolist()[1] > 0.7
    assert page.dataframe[0].value["m"].tolist() == [7, 36]


def bulk(run_ids):
    """The panel of several runs, as a page of its own."""
    from pages.parts.run_bulk import show_bulk_actions
    from pages.parts.state import store

    show_bulk_actions([store().get(run_id) for run_id in run_ids], ["good"])


def confirmed(run_ids):
    """What the dialog holds: tests cannot click into one."""
    from pages.parts.run_bulk import _confirm_delete
    from pages.parts.state import store

    rows = [row for row in store().list() if row.id in run_ids]
    if rows:
        _confirm_delete(rows)


@pytest.fixture
def selected(store, make_run):
    def opened(*states):
        ids = [make_run(state=state).id for state in states]
        return ids, AppTest.from_function(bulk, args=(ids,), default_timeout=100).run()

    return opened


def test_several_runs_are_archived_tagged_and_deleted_at_once(selected, store):
    ids, page = selected("done", "cancelled")
    page.button(key="archive_selected").click().run()
    assert all(store.get(run_id).archived for run_id in ids)
    assert page.button(key="archive_selected").label == "Take out of the archive"
    page.multiselect[0].set_value(["good"]).run()
    page.button(key="apply_tags").click().run()
    assert [store.get(run_id).tags for run_id in ids] == [("good",)] * 2
    page.button(key="delete_selected").click().run()
    assert page.button(key="confirm_delete_selected").label == "Delete"
    assert len(store.list()) == 2  # not before a second click
    AppTest.from_function(confirmed, args=(ids,), default_timeout=100).run().button[0].click().run()
    assert store.list() == []


def test_what_is_at_work_is_not_deleted_and_a_study_is_not_compared(selected, store):
    _, page = selected("done", "running")
    assert page.button(key="delete_selected").disabled
    assert not page.button(key="compare_selected").disabled
    study = store.create({"suite": "yeast"}, "a study", "yeast", "python", "study")
    ids = [study.id, store.list("run")[0].id]
    page = AppTest.from_function(bulk, args=(ids,), default_timeout=100).run()
    assert page.button(key="compare_selected").disabled
