"""What a run at work, in line or ended shows, and what a second window may do meanwhile."""

import os
import shutil
import sqlite3
from contextlib import closing

import pytest
from streamlit.testing.v1 import AppTest

from gradtag_core.runs import process
from gradtag_core.runs.process import launch
from gradtag_core.runs.queue import start_next, wait_in_line
from gradtag_core.runs.row import ENDED_EARLY, RunRow
from pages.parts.progress import waiting_text


def followed(run_id):
    """One run as a page of its own."""
    from pages.parts.progress import follow_run
    from pages.parts.state import store

    follow_run(store().get(run_id))


def kept(run_id):
    """The same by a page that has its row from before, as a fragment has."""
    import streamlit as st

    from pages.parts.progress import follow_run
    from pages.parts.state import store

    if "row" not in st.session_state:
        st.session_state["row"] = store().get(run_id)
    follow_run(st.session_state["row"])


def results(run_id):
    """The results of a run, asked for by a page that has its row from before."""
    import streamlit as st

    from pages.parts.errors import shown_errors
    from pages.parts.results import affinity_of
    from pages.parts.state import store

    if "row" not in st.session_state:
        st.session_state["row"] = store().get(run_id)
    with shown_errors():
        affinity_of(st.session_state["row"], "f1")
        st.markdown("read")


@pytest.fixture
def show(store):
    return lambda run_id, page=followed: AppTest.from_function(
        page, args=(run_id,), default_timeout=100
    ).run()


@pytest.fixture
def line(store, make_run, monkeypatch):
    """One run at work and three in line, whom nobody starts behind the test's back."""
    monkeypatch.setenv("GRADTAG_MAX_RUNS", "1")
    monkeypatch.setattr(process, "tend_queue", lambda store: None)
    asked = []
    monkeypatch.setattr("pages.parts.progress.tend_queue", asked.append)
    ids = [make_run(state=state).id for state in ("running", "queued", "queued", "queued")]
    for run_id in ids[1:]:
        launch(store, run_id)
    return ids, asked


def place(page):
    return [text.value for text in page.markdown if text.value.startswith("Waiting")]


def test_a_run_in_line_tells_its_place_and_when_it_goes_on(show, store, line):
    (first, second, third, _), asked = line
    page = show(second)
    assert place(page) == ["Waiting, first in line."]
    store.update_progress(first, "Estimating", 3, 7, 0.5, 40.0)
    page = show(third)
    assert place(page) == ["Waiting, second in line. The run at work ends in about 40 s."]
    assert any("waiting" in badge.value for badge in page.markdown)
    assert len(asked) == 2  # to look after the queue


def test_a_run_in_line_is_cancelled_by_its_button(show, store, line):
    (_, second, _, fourth), _ = line
    page = show(second)
    page.button(key=f"cancel_{second}").click().run()
    assert not page.exception
    assert store.get(second).state == "cancelled"
    assert place(show(fourth)) == ["Waiting, second in line."]


def test_the_text_counts_the_runs_at_work():
    beside = {"pid": os.getpid(), "heartbeat": 9e9}
    busy = [
        RunRow(f"b{left}", "", "", "running", {}, "", 0.0, seconds_left=left, **beside)
        for left in (90.0, 20.0)
    ]
    line = [
        RunRow(f"w{place}", "", "", "queued", {}, "", 0.0, waiting_since=float(place)) for place in range(12)
    ]
    text = "number 12 in line. The first of 2 runs at work ends in about 20 s."
    assert waiting_text(line[-1], [*line, *busy]) == f"Waiting, {text}"
    assert waiting_text(line[0], line) == "Waiting, first in line."


@pytest.mark.usefixtures("line")
def test_runs_in_line_come_after_those_at_work(app):
    app.run()
    assert len(app.get("progress")) == 1
    assert place(app) == [f"Waiting, {number} in line." for number in ("first", "second", "third")]


def test_a_worker_that_died_shows_the_end_of_its_log(show, store, make_run):
    row = make_run(state="queued")
    (store.run_folder(row.id) / "log.txt").write_text("importing\nno such library\n")
    wait_in_line(store, row.id)
    start_next(store, lambda _: 2**22 + 1)  # no process has this number
    page = show(row.id)
    assert not page.exception
    assert page.info[0].value == ENDED_EARLY
    assert page.code[0].value == "importing\nno such library"


def test_a_run_that_another_window_deleted_is_a_sentence(show, store, make_run):
    row = make_run(state="cancelled")
    page = show(row.id, kept)
    store.delete(row.id)
    page.button(key=f"resume_{row.id}").click().run()
    assert not page.exception
    assert f"There is no run `{row.id}`" in page.error[0].value


@pytest.mark.parametrize("what", ["run", "folder", "file"])
def test_results_that_vanish_while_they_are_looked_at_are_a_sentence(show, store, make_run, what):
    row = make_run()
    page = show(row.id, results)
    assert page.markdown[0].value == "read"
    if what == "run":
        store.delete(row.id)
    elif what == "folder":
        shutil.rmtree(store.run_folder(row.id))
    else:
        (store.run_folder(row.id) / "run.json").unlink()
    page.run()
    assert not page.exception
    assert len(page.error) == 1
    assert row.id in page.error[0].value


@pytest.mark.parametrize("page", ["start", "runs", "estimate", "affinity"])
def test_a_store_with_foreign_things_stays_usable(open_page, store, make_run, page):
    row, broken, damaged = make_run(), make_run(), make_run()
    (store.home / "runs" / "foreign").mkdir()
    (store.home / "runs" / "file.txt").touch()
    (store.run_folder(broken.id) / "run.json").write_text("{")
    with closing(sqlite3.connect(store.home / "runs.sqlite", isolation_level=None)) as database:
        database.execute("UPDATE runs SET config = '{' WHERE id = ?", (damaged.id,))
    shown = open_page(page)
    if page == "runs":
        told = " ".join(warning.value for warning in shown.warning)
        for name in ("foreign", "file.txt", broken.id, damaged.id):
            assert name in told
    assert store.get(row.id).state == "done"


@pytest.mark.parametrize("content", [b"this is no database" * 100, None])
def test_a_store_that_cannot_be_used_is_one_sentence_on_every_page(app, own_home, content, monkeypatch):
    monkeypatch.setattr("gradtag_core.runs.start.SAMPLE_FOLDERS", ())
    path = own_home / "runs.sqlite"
    if path.exists():
        path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    app.run()
    assert not app.exception
    assert "runs.sqlite` could not be used" in app.error[0].value
