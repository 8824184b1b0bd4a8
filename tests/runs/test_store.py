import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.errors import GradTagError, InvalidInput, StoreError
from gradtag_core.runs import row as rows
from gradtag_core.runs import store as stores
from gradtag_core.runs.database import SCHEMA_VERSION
from gradtag_core.runs.files import content_key, write_json
from gradtag_core.runs.queue import start_next, wait_in_line
from gradtag_core.runs.row import NEXT_STATES, RUN_ID, RunRow, RunState, process_identity
from gradtag_core.runs.store import RunStore
from gradtag_core.tasks import stored

PACKAGE_PARENT = Path(stores.__file__).parents[2]
FINAL: tuple[RunState, ...] = ("done", "failed", "cancelled", "interrupted")


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "home")


def queued(store: RunStore, suite: str = "yeast") -> str:
    return store.create({"n_groups": 3, "metric": "f1"}, "A run", suite, "gradtag run yeast").id


def started(store: RunStore) -> str:
    return store.mark_running(queued(store), os.getpid()).id


def launched(store: RunStore, run_id: str, pid: int) -> None:
    """As after `launch`, with the pid of some process."""
    wait_in_line(store, run_id)
    assert start_next(store, lambda _: pid) == run_id


def ended_process() -> int:
    child = subprocess.Popen([sys.executable, "-S", "-c", ""])
    child.wait()
    return child.pid


def in_state(store: RunStore, state: RunState) -> str:
    run_id = queued(store)
    if state != "queued":
        store.mark_running(run_id, os.getpid())
    if state in FINAL:
        store.finish(run_id, state)
    return run_id


def change_database(store: RunStore, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(store.home / "runs.sqlite", isolation_level=None)) as database:
        database.execute(statement, values)


def test_created_run_is_queued_and_reads_back(store: RunStore) -> None:
    before = time.time()
    row = store.create({"b": [1, None], "a": "ä"}, "  My run ", "Yeast (14 labels)", "gradtag run x")
    assert row.id.startswith("yeast-14-labels-")
    assert RUN_ID.fullmatch(row.id)
    assert (row.state, row.name, row.config) == ("queued", "My run", {"b": [1, None], "a": "ä"})
    assert before <= row.created <= time.time()
    assert store.get(row.id) == row == RunStore(store.home).get(row.id)
    assert store.run_folder(row.id).is_dir()


@given(st.text(max_size=80))
@settings(max_examples=25, deadline=None)
def test_any_suite_name_gives_a_valid_id(tmp_path_factory: pytest.TempPathFactory, suite: str) -> None:
    store = RunStore(tmp_path_factory.getbasetemp() / "suites")
    row = store.create({}, "run", suite, "")
    assert RUN_ID.fullmatch(row.id)
    assert store.get(row.id).suite == suite


def test_ids_sort_by_time_and_differ(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = []
    for minute in range(3):
        monkeypatch.setattr(time, "time", lambda moment=60.0 * minute: moment)
        ids.append(store.create({}, "run", "yeast", "").id)
    assert sorted(ids) == ids
    assert len(set(ids)) == 3


def test_home_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADTAG_HOME", str(tmp_path / "here"))
    assert RunStore().home == tmp_path / "here"
    monkeypatch.delenv("GRADTAG_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(stored, "user_data_dir", lambda name: str(tmp_path / "data" / name))
    assert RunStore().home == tmp_path / "data" / "gradtag"


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
def test_bad_names_and_configurations_are_refused(store: RunStore, name: str) -> None:
    with pytest.raises(InvalidInput, match="`name`"):
        store.create({}, name, "yeast", "")
    with pytest.raises(InvalidInput, match="`name`"):
        store.rename(queued(store), name)
    with pytest.raises(InvalidInput, match="`value`"):
        store.create({"l2": float("nan")}, "run", "yeast", "")
    assert len(store.list()) == 1


@pytest.mark.parametrize("target", ["running", *FINAL, "queued"])
@pytest.mark.parametrize("state", NEXT_STATES)
def test_only_legal_changes_of_state(store: RunStore, state: RunState, target: RunState) -> None:
    run_id = in_state(store, state)
    legal = target in NEXT_STATES[state] or (target == state and target in FINAL)
    try:
        if target == "running":
            store.mark_running(run_id, os.getpid())
        elif target == "queued":
            store.reopen(run_id)
        else:
            store.finish(run_id, target)
    except StoreError as error:
        assert not legal
        assert f"is {state}" in str(error)
        assert store.get(run_id).state == state
    else:
        assert legal
        assert store.get(run_id).state == target


def test_life_of_a_run(store: RunStore) -> None:
    run_id = queued(store)
    row = store.mark_running(run_id, os.getpid())
    assert (row.state, row.pid) == ("running", os.getpid())
    assert row.started is not None
    store.update_progress(run_id, "Training", 3, 10, 0.25, 7.5)
    assert store.heartbeat(run_id, seconds=2.0) is False
    row = store.get(run_id)
    assert (row.stage, row.done, row.total, row.fraction, row.seconds_left) == ("Training", 3, 10, 0.25, 7.5)
    assert row.seconds == 2.0
    row = store.finish(run_id, "failed", "No labels.", seconds=4.0)
    assert (row.state, row.error, row.seconds, row.seconds_left) == ("failed", "No labels.", 4.0, None)
    assert row.fraction == 0.25
    row = store.reopen(run_id)
    assert (row.state, row.error, row.pid, row.fraction, row.finished) == ("queued", None, None, 0.0, None)
    assert row.seconds == 4.0
    store.mark_running(run_id, os.getpid())
    row = store.finish(run_id, "done")
    assert (row.state, row.fraction, row.seconds) == ("done", 1.0, 4.0)
    store.update_progress(run_id, "Late", 1, 1, 0.5, None)
    store.heartbeat(run_id, 99.0)
    assert store.get(run_id) == row


@pytest.mark.parametrize(
    ("given_fraction", "kept"), [(1.0000001, 1.0), (-0.1, 0.0), (float("nan"), 0.0), (0.5, 0.5)]
)
def test_fraction_is_clipped(store: RunStore, given_fraction: float, kept: float) -> None:
    run_id = started(store)
    store.update_progress(run_id, "x", 1, 2, given_fraction, None)
    assert store.get(run_id).fraction == kept


def test_lost_process_becomes_interrupted_and_resumable(store: RunStore) -> None:
    run_id = queued(store)
    store.mark_running(run_id, ended_process())
    (row,) = store.list()
    assert row.state == "interrupted"
    assert row.error is not None
    assert "resume" in row.error
    assert row.finished == row.heartbeat
    assert store.get(run_id) == row
    assert store.reopen(run_id).state == "queued"


def test_recycled_pid_is_not_the_worker(store: RunStore) -> None:
    run_id = started(store)
    assert store.get(run_id).state == "running"
    change_database(store, "UPDATE runs SET process = process || '1' WHERE id = ?", run_id)
    assert store.get(run_id).state == "interrupted"


def test_queued_run_is_lost_with_its_launcher(store: RunStore) -> None:
    never, early, fresh = queued(store), queued(store), queued(store)
    change_database(store, "UPDATE runs SET heartbeat = heartbeat - 31 WHERE id != ?", fresh)
    launched(store, early, ended_process())
    assert (store.get(never).state, store.get(never).error) == ("interrupted", rows.NEVER_LAUNCHED)
    assert (store.get(early).state, store.get(early).error) == ("interrupted", rows.ENDED_EARLY)
    assert store.get(fresh).state == "queued"


def test_lost_run_that_was_to_be_cancelled_is_cancelled(store: RunStore) -> None:
    run_id = queued(store)
    launched(store, run_id, os.getpid())
    assert store.request_cancel(run_id).state == "queued"  # it has a process: only asked
    change_database(store, "UPDATE runs SET process = process || '1'")
    row = store.get(run_id)
    assert (row.state, row.error) == ("cancelled", None)


def test_sign_of_life_takes_back_a_wrong_interrupted(store: RunStore) -> None:
    run_id = started(store)
    store.finish(run_id, "interrupted", "wrong")
    store.heartbeat(run_id)
    row = store.get(run_id)
    assert (row.state, row.error, row.finished) == ("running", None, None)
    store.finish(run_id, "interrupted", "right")
    other = os.getppid()
    change_database(store, "UPDATE runs SET pid = ?, process = ?", other, process_identity(other))
    store.heartbeat(run_id)  # of a process that is not the run's
    assert store.get(run_id).state == "interrupted"


def test_cancel_requests(store: RunStore) -> None:
    waiting, working = queued(store), started(store)
    assert store.request_cancel(waiting).state == "cancelled"
    assert store.cancel_requested(working) is False
    assert store.request_cancel(working).state == "running"
    assert store.cancel_requested(working) is True
    assert store.heartbeat(working) is True
    store.finish(working, "cancelled")
    with pytest.raises(StoreError, match="already cancelled"):
        store.request_cancel(working)
    assert store.reopen(working).cancel_requested is False


def test_unknown_runs_are_answered_with_the_known(store: RunStore) -> None:
    with pytest.raises(StoreError, match="The store is empty"):
        store.get("yeast-1")
    ids = [queued(store) for _ in range(7)]
    for ask in (
        store.get,
        store.run_folder,
        store.delete,
        store.reopen,
        store.cancel_requested,
        store.resolve,
    ):
        with pytest.raises(StoreError, match=r"no run `yeast-1`.* and 2 more") as caught:
            ask("yeast-1")
        assert any(run_id in str(caught.value) for run_id in ids)


@pytest.mark.parametrize("bad", ["../x", "..", "a/b", "/etc", "", "A", "a\n"])
def test_malformed_ids_are_refused_everywhere(store: RunStore, bad: str) -> None:
    asks = [
        store.get, store.run_folder, store.resolve, store.delete, store.reopen, store.request_cancel,
        store.cancel_requested, store.heartbeat, lambda run_id: store.rename(run_id, "x"),
        lambda run_id: store.finish(run_id, "done"), lambda run_id: store.mark_running(run_id, 1),
        lambda run_id: store.record_unit(run_id, "a", "b"),
    ]  # fmt: skip
    for ask in asks:
        with pytest.raises(InvalidInput, match="`run_id`"):
            ask(bad)


def test_resolve_accepts_a_unique_beginning(store: RunStore) -> None:
    yeast, other = queued(store), queued(store, suite="debian")
    assert store.resolve("ye") == store.resolve(yeast) == store.resolve("yeast-") == yeast
    another = queued(store)
    with pytest.raises(StoreError, match="2 run ids begin with `yeast`"):
        store.resolve("yeast")
    assert store.resolve(another) == another
    assert store.resolve("d") == other


def test_list_is_newest_first(store: RunStore) -> None:
    ids = [queued(store) for _ in range(3)]
    assert [row.id for row in store.list()] == ids[::-1]


def test_delete_removes_only_what_no_other_run_uses(store: RunStore) -> None:
    first, second = started(store), started(store)
    own, shared = content_key("own"), content_key("shared")
    for key in (own, shared):
        store.cache.put_json("trained", key, 1)
        store.cache.put_json("features", key, 1)
        store.record_unit(first, "trained", key)
        store.record_unit(first, "trained", key)
    store.record_units(second, [("trained", shared), ("features", own)])
    folder = store.run_folder(first)
    write_json(folder / "deep" / "run.json", {})
    with pytest.raises(StoreError, match="running: cancel it"):
        store.delete(first)
    assert folder.exists()
    store.finish(first, "failed")
    store.delete(first)
    assert not folder.exists()
    assert [row.id for row in store.list()] == [second]
    assert not store.cache.has("trained", own, "json")
    assert store.cache.has("features", own, "json")
    assert store.cache.has("trained", shared, "json")
    store.finish(second, "done")
    store.delete(second)
    assert not store.cache.has("trained", shared, "json")
    assert store.cache.has("features", shared, "json")  # recorded by nobody


def test_delete_survives_a_folder_that_is_gone_and_refuses_a_link(store: RunStore, tmp_path: Path) -> None:
    gone, linked = in_state(store, "done"), in_state(store, "done")
    store.run_folder(gone).rmdir()
    store.delete(gone)
    outside = tmp_path / "outside"
    outside.mkdir()
    store.run_folder(linked).rmdir()
    (store.home / "runs" / linked).symlink_to(outside)
    with pytest.raises(StoreError, match="could not be deleted"):
        store.delete(linked)
    assert outside.is_dir()
    assert store.get(linked).state == "done"  # nothing half-deleted: it can be tried again


def test_samples_are_listed_and_cannot_be_changed(tmp_path: Path) -> None:
    sample = {
        "id": "yeast-sample",
        "name": "Yeast",
        "suite": "yeast",
        "config": {},
        "command": "gradtag run yeast",
    }
    write_json(tmp_path / "samples" / "one" / "run.json", {**sample, "created": 1.0, "seconds": 2})
    (tmp_path / "samples" / "two").mkdir()
    store = RunStore(tmp_path / "home", samples=[tmp_path / "samples"])
    own = queued(store)
    assert [(row.id, row.sample) for row in store.list()] == [(own, False), ("yeast-sample", True)]
    assert len(store.problems) == 1
    assert store.resolve("yeast-s") == "yeast-sample"
    assert store.run_folder("yeast-sample") == tmp_path / "samples" / "one"
    assert store.cancel_requested("yeast-sample") is False
    changes = [
        store.delete, store.reopen, store.request_cancel, store.heartbeat,
        lambda run_id: store.rename(run_id, "x"), lambda run_id: store.mark_running(run_id, 1),
        lambda run_id: store.finish(run_id, "failed"), lambda run_id: store.record_unit(run_id, "a", "b"),
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(StoreError, match="read-only sample"):
            change("yeast-sample")
    assert (tmp_path / "samples" / "one" / "run.json").exists()


def test_a_store_of_the_first_version_is_brought_up_to_date(store: RunStore) -> None:
    run_id = queued(store)
    for change in ("DROP COLUMN kind", "DROP COLUMN waiting_since"):
        change_database(store, f"ALTER TABLE runs {change}")
    change_database(store, "DROP TABLE annotations")
    change_database(store, "PRAGMA user_version = 1")
    with ThreadPoolExecutor(4) as pool:  # whoever comes first
        stores_open = list(pool.map(RunStore, [store.home] * 4))
    assert [row.id for row in stores_open[0].list("run")] == [run_id]
    study = stores_open[1].create({}, "All methods", "yeast", "python -m gradtag_core pareto", "study")
    assert (study.kind, store.get(run_id).kind) == ("study", "run")
    assert store.annotate(run_id, note="kept").note == "kept"


def test_a_store_of_the_second_version_is_brought_up_to_date(store: RunStore) -> None:
    row = store.get(in_state(store, "done"))
    change_database(store, "ALTER TABLE runs DROP COLUMN waiting_since")
    change_database(store, "DROP TABLE annotations")
    change_database(store, "PRAGMA user_version = 2")
    again = RunStore(store.home)
    assert again.list() == [row]
    assert again.annotate(row.id, tags=["old"]).tags == ("old",)


def test_runs_and_studies_are_told_apart(store: RunStore) -> None:
    run_id = queued(store)
    study = store.create({}, "All methods", "yeast", "python -m gradtag_core pareto", "study")
    assert [row.id for row in store.list("study")] == [study.id]
    assert [row.id for row in store.list("run")] == [run_id]
    assert {row.id for row in store.list()} == {study.id, run_id}


def test_newer_store_is_refused(store: RunStore) -> None:
    change_database(store, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(StoreError, match="newer version"):
        RunStore(store.home)
    with pytest.raises(StoreError, match="newer version"):
        store.list()


def test_store_that_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "runs.sqlite").write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreError, match=r"runs\.sqlite` could not be used"):
        RunStore(tmp_path)


def test_a_store_with_damaged_text_is_refused_in_words(store: RunStore) -> None:
    store.annotate(store.create({}, "one", "yeast", "run").id, note="zebra")
    with closing(sqlite3.connect(store.home / "runs.sqlite")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = store.home / "runs.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"zebra", b"z\xffbra"))
    with pytest.raises(StoreError, match="damaged or no database"):
        store.list()
    path.write_bytes(whole.replace(b"CREATE TABLE annotations", b"CREATE TABLE\xffannotations"))
    with pytest.raises(StoreError, match="damaged or no database"):
        RunStore(store.home)
    path.write_bytes(whole.replace(b"heartbeat REAL", b"heartBEAU REAL"))
    assert store.list() == []
    assert "table of runs has no `heartbeat`" in " ".join(RunStore(store.home).problems)


def test_home_that_is_a_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    for home in (tmp_path / "home", tmp_path / "home" / "inner"):
        with pytest.raises(StoreError, match="could not be made"):
            RunStore(home)
    store = RunStore(tmp_path / "other")
    (tmp_path / "other" / "runs").touch()  # a file in place of the folder of runs
    with pytest.raises(StoreError, match="could not be made"):
        queued(store)
    assert store.list() == []  # no row without a folder


def test_home_that_vanished_is_told(store: RunStore) -> None:
    store.home.rename(store.home.with_name("moved"))
    with pytest.raises(StoreError, match="could not be used"):
        store.list()


def test_locked_store_is_told(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = queued(store)
    monkeypatch.setattr("gradtag_core.runs.database.BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(store.home / "runs.sqlite", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.rename(run_id, "x")
        assert store.get(run_id).name == "A run"  # readers do not wait for writers


WRITER = """
import os, sys
from pathlib import Path
from gradtag_core.runs.store import RunStore
from gradtag_core.tasks import stored
store = RunStore(Path(sys.argv[1]))
run_id = store.create({}, "run", "yeast", "").id
store.mark_running(run_id, os.getpid())
for step in range(1, 41):
    store.update_progress(run_id, "stage", step, 40, step / 40, None)
    store.record_unit(run_id, "stage", f"{step:032x}")
    store.heartbeat(run_id)
store.finish(run_id, "done")
"""


def test_many_processes_write_at_once_from_an_empty_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "home")]
    writers = [
        subprocess.Popen(command, cwd=PACKAGE_PARENT, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    failures = [writer.communicate(timeout=60)[1] for writer in writers]
    assert failures == [""] * 4
    rows = RunStore(tmp_path / "home").list()
    assert [(row.state, row.done) for row in rows] == [("done", 40)] * 4


def test_threads_may_share_a_store(store: RunStore) -> None:
    run_id = started(store)

    def write(step: int) -> RunRow:
        store.record_unit(run_id, "stage", f"{step:032x}")
        return store.get(run_id)

    with ThreadPoolExecutor(8) as pool:
        assert {row.state for row in pool.map(write, range(40))} == {"running"}


def test_only_one_of_two_workers_wins(store: RunStore) -> None:
    run_id = queued(store)

    def start(_: int) -> bool:
        try:
            store.mark_running(run_id, os.getpid())
        except GradTagError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(start, range(4))) == 1
