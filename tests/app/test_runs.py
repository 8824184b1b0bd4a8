import pytest
from streamlit.testing.v1 import AppTest


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

    show_actions(store().get(run_id))


@pytest.fixture
def panel(store, make_run):
    def opened(**facts):
        row = make_run(**facts)
        return row, AppTest.from_function(actions, args=(row.id,), default_timeout=100).run()

    return opened


def test_a_finished_run_can_be_renamed(panel, store):
    row, page = panel()
    page.text_input[0].set_value("my best run").run()
    page.button(key="save_name").click().run()
    assert store.get(row.id).name == "my best run"


def test_an_empty_name_is_one_sentence(panel, store):
    row, page = panel()
    page.text_input[0].set_value("  ").run()
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
    assert page.code[-1].value == row.command
    assert page.button[0].label == "Resume"


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_a_run_made_in_code_is_not_resumed_here(panel, state):
    row, page = panel(state=state, in_code=True)
    assert "Resume" not in [button.label for button in page.button]
    assert any("call `gradtag_core.run` again there" in text.value for text in page.markdown)
    assert page.caption[-1].value == "The call that repeats this run, in the code where it began:"
    assert (page.code[-1].value, page.code[-1].language) == (row.command, "python")
