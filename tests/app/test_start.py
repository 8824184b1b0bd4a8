import json
import subprocess
import sys
from pathlib import Path

from gradtag_core.config import make_config

ROOT = Path(__file__).parents[2]


def test_an_empty_store_says_what_to_do(app):
    app.run()
    assert not app.exception
    assert "run the quick preset" in app.info[0].value
    assert not app.get("plotly_chart")


def test_the_newest_finished_run_is_shown_in_the_order_of_its_groups(app, make_run):
    make_run()
    row = make_run()
    app.run()
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert len(figure["layout"]["shapes"]) == 2
    assert set(figure["data"][0]["y"][:3]) == {"alpha", "bravo", "charlie"}
    assert any("`alpha` `bravo` `charlie`" in text.value for text in app.markdown)
    assert app.query_params["run"] == row.id


def test_the_run_in_the_address_comes_before_the_newest(app, make_run):
    first = make_run()
    make_run()
    app.query_params["run"] = first.id
    app.run()
    assert app.query_params["run"] == first.id


def test_a_run_that_is_gone_is_said_and_replaced(app, make_run):
    row = make_run()
    app.query_params["run"] = "yeast-19700101-0000-aaaa"
    app.run()
    assert "There is no run `yeast-19700101-0000-aaaa`" in app.warning[0].value
    assert app.query_params["run"] == row.id


def test_that_a_run_is_gone_stays_until_another_is_shown(app, make_run):
    first, second = make_run(), make_run()
    app.query_params["run"] = "yeast-19700101-0000-aaaa"
    app.run()
    shown = app.query_params["run"]
    app.run()  # as a page does by itself when something has become ready
    assert "There is no run `yeast-19700101-0000-aaaa`" in app.warning[0].value
    other = first if shown == second.id else second
    for run_id in (other.id, shown):
        app.query_params["run"] = run_id
        app.run()
        assert not app.warning


def test_an_open_run_shows_its_progress_above_the_last_result(app, make_run, store):
    make_run()
    row = make_run(state="running")
    store.update_progress(row.id, "Estimating subsets", 3, 7, 0.5, 12.0)
    app.run()
    assert not app.exception
    (bar,) = app.get("progress")
    assert bar.proto.value == 50
    assert bar.proto.text == "Estimating subsets: 3 of 7, about 12 s left"
    assert len(app.get("plotly_chart")) == 1


def test_a_failed_run_shows_its_sentence_its_log_and_a_way_on(app, make_run, store):
    row = make_run(state="failed")
    (store.run_folder(row.id) / "log.txt").write_text("the last line\n")
    app.query_params["run"] = row.id
    app.run()
    assert app.error[0].value == "The data ran out."
    assert app.code[0].value == "the last line"
    assert [button.label for button in app.button] == ["Run the quick preset", "Resume"]


def test_the_button_launches_the_quick_preset(app, store, monkeypatch):
    launched = []
    monkeypatch.setattr("pages.parts.state.launch", lambda store, run_id: launched.append(run_id))
    app.run()
    app.selectbox(key="quick_suite").select("digits").run()
    app.button[0].click().run()
    (row,) = store.list()
    assert launched == [row.id]
    assert row.config == make_config("quick", suite="digits").model_dump()
    assert app.query_params["run"] == row.id


def test_resume_queues_the_run_again(app, make_run, store, monkeypatch):
    launched = []
    monkeypatch.setattr("pages.parts.state.launch", lambda store, run_id: launched.append(run_id))
    row = make_run(state="cancelled")
    app.query_params["run"] = row.id
    app.run()
    app.button(key=f"resume_{row.id}").click().run()
    assert launched == [row.id]
    assert store.get(row.id).state == "queued"


def test_the_first_page_needs_no_heavy_import(own_home):
    script = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "app = AppTest.from_file('app.py', default_timeout=100).run()\n"
        "assert not app.exception\n"
        "print([name for name in ('torch', 'cvxpy', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
