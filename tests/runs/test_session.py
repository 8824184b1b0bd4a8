import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gradtag_core.errors import Cancelled, InvalidInput, StoreError
from gradtag_core.progress import Progress, Reporter
from gradtag_core.runs import session as sessions
from gradtag_core.runs.process import cancel, log_tail
from gradtag_core.runs.queue import start_next, wait_in_line
from gradtag_core.runs.row import RunRow, RunState
from gradtag_core.runs.session import RunSession
from gradtag_core.runs.store import RunStore

PATIENCE = 60.0  # seconds: a busy machine is no failure


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "home")


def queued(store: RunStore) -> str:
    return store.create({}, "A run", "yeast", "gradtag run yeast").id


def wait_for(store: RunStore, run_id: str, condition: Callable[[RunRow], bool]) -> RunRow:
    deadline = time.monotonic() + PATIENCE
    while not condition(row := store.get(run_id)):
        assert time.monotonic() < deadline, f"{row}\n{log_tail(store, run_id)}"
        time.sleep(0.02)
    return row


def in_state(state: RunState) -> Callable[[RunRow], bool]:
    return lambda row: row.state == state


def comes_true(condition: Callable[[], bool]) -> bool:
    """Whether it does while one can wait for it."""
    deadline = time.monotonic() + PATIENCE
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return met


@pytest.mark.parametrize(
    ("error", "state", "sentence"),
    [
        (None, "done", None),
        (Cancelled("stop"), "cancelled", None),
        (InvalidInput("`n_groups` must be 2."), "failed", "`n_groups` must be 2."),
        (ZeroDivisionError("by zero"), "failed", "internal error: ZeroDivisionError: by zero"),
        (KeyboardInterrupt(), "cancelled", None),
    ],
)
def test_session_closes_the_run_as_it_ended(
    store: RunStore, error: BaseException | None, state: str, sentence: str | None
) -> None:
    run_id = queued(store)
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    session = RunSession(store, run_id)
    raised = None
    try:
        with session:
            assert store.get(run_id).pid == os.getpid()
            assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] != before
            if error is not None:
                raise error
    except BaseException as caught:
        raised = caught
    assert raised is (error if isinstance(error, ZeroDivisionError | KeyboardInterrupt) else None)
    row = store.get(run_id)
    assert (row.state, row.error, session.state) == (state, sentence, state)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    assert not [thread for thread in threading.enumerate() if "heartbeat" in thread.name]


@pytest.mark.parametrize("trouble", [None, OSError("no"), StoreError("no")])
def test_the_seconds_are_heard_before_anybody_sees_the_run_closed(
    store: RunStore, trouble: Exception | None
) -> None:
    run_id, heard = queued(store), []

    def hear(seconds: float) -> None:
        heard.append((store.get(run_id).state, seconds))
        if trouble is not None:
            raise trouble

    with RunSession(store, run_id, before_closing=hear):
        pass
    row = store.get(run_id)
    assert heard == [("running", row.seconds)] and row.seconds > 0
    assert row.state == "done"


def test_second_worker_does_not_disturb_the_first(store: RunStore) -> None:
    run_id = queued(store)
    with RunSession(store, run_id), pytest.raises(StoreError, match="is running"), RunSession(store, run_id):
        pytest.fail("two sessions on one run")
    assert store.get(run_id).state == "done"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_the_work_at_its_next_check(store: RunStore, number: signal.Signals) -> None:
    run_id = queued(store)
    with RunSession(store, run_id) as session:
        for step in Reporter(session.on_progress, session.cancel).track("stage", range(5), 5):
            if step == 2:
                os.kill(os.getpid(), number)
    row = store.get(run_id)
    assert (row.state, row.done) == ("cancelled", 3)


def test_second_interrupt_does_not_wait_for_a_check(store: RunStore) -> None:
    run_id = queued(store)
    with pytest.raises(KeyboardInterrupt), RunSession(store, run_id):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    assert store.get(run_id).state == "cancelled"


def test_session_outside_the_main_thread(store: RunStore) -> None:
    run_id = queued(store)
    before = signal.getsignal(signal.SIGTERM)

    def work() -> None:
        with RunSession(store, run_id, beat_seconds=0.02) as session:
            session.cancel.wait(PATIENCE)
            Reporter(cancel=session.cancel).check()

    thread = threading.Thread(target=work)
    thread.start()
    wait_for(store, run_id, in_state("running"))
    assert (
        cancel(store, run_id, grace=PATIENCE).state == "cancelled"
    )  # in this very process: asked, never killed
    thread.join()
    assert signal.getsignal(signal.SIGTERM) == before


def test_progress_is_throttled_and_the_last_is_kept(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[int, float]] = []
    update = store.update_progress

    def count(
        run_id: str, stage: str, done: int, total: int, fraction: float, seconds_left: float | None
    ) -> None:
        written.append((done, fraction))
        update(run_id, stage, done, total, fraction, seconds_left)

    monkeypatch.setattr(store, "update_progress", count)
    run_id = queued(store)
    overall = lambda progress: (0.5 + progress.fraction / 2, 9.0)  # noqa: E731
    with RunSession(store, run_id, overall=overall, beat_seconds=600.0, write_seconds=600.0) as session:
        for done in range(1, 1001):
            session.on_progress(Progress("stage", done, 1000, 1.0))
    assert written == [(1, 0.5005), (1000, 1.0)]


def test_progress_of_the_whole_run(store: RunStore) -> None:
    run_id = queued(store)
    with RunSession(store, run_id, overall=lambda _: (0.75, 9.0), write_seconds=0.0) as session:
        session.on_progress(Progress("stage", 1, 4, 3.0))
        row = store.get(run_id)
        assert (row.done, row.total, row.fraction, row.seconds_left) == (1, 4, 0.75, 9.0)
        session.on_progress(Progress("stage", 2, 4, 3.0), fraction=0.3, seconds_left=1.0)
        assert (store.get(run_id).fraction, store.get(run_id).seconds_left) == (0.3, 1.0)


def test_pending_progress_appears_with_the_next_sign_of_life(store: RunStore) -> None:
    run_id = queued(store)
    with RunSession(store, run_id, beat_seconds=0.05, write_seconds=600.0) as session:
        session.on_progress(Progress("stage", 1, 4))
        session.on_progress(Progress("stage", 2, 4))
        row = wait_for(store, run_id, lambda row: row.done == 2)
        assert (row.state, row.stage, row.total) == ("running", "stage", 4)  # long before `write_seconds`


def test_work_goes_on_when_progress_cannot_be_written(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise StoreError("The disk is full.")

    run_id = queued(store)
    with RunSession(store, run_id, beat_seconds=0.01) as session, monkeypatch.context() as patch:
        patch.setattr(store, "update_progress", full)
        patch.setattr(store, "heartbeat", full)
        session.on_progress(Progress("stage", 1, 4))
        assert comes_true(lambda: "No sign of life could be written: The disk is full." in caplog.text)
    assert store.get(run_id).state == "done"
    assert "The progress could not be written: The disk is full." in caplog.text


def test_request_made_before_the_start_is_heard(store: RunStore) -> None:
    run_id = queued(store)
    wait_in_line(store, run_id)
    assert start_next(store, lambda _: os.getpid()) == run_id
    store.request_cancel(run_id)
    with RunSession(store, run_id) as session:
        Reporter(cancel=session.cancel).check()
        pytest.fail("the request was not heard")
    assert store.get(run_id).state == "cancelled"


def locked(store: RunStore) -> sqlite3.Connection:
    """Another program's lock on the database."""
    database = sqlite3.connect(store.home / "runs.sqlite", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    return database


def test_work_goes_on_while_the_store_is_locked(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gradtag_core.runs.database.BUSY_SECONDS", 0.05)
    monkeypatch.setattr("gradtag_core.runs.store.PROGRESS_PATIENCE", 0.05)
    run_id = queued(store)
    with RunSession(store, run_id, beat_seconds=0.02, write_seconds=0.0) as session:
        with closing(locked(store)):
            begun = time.monotonic()
            for step in range(1000):
                session.on_progress(Progress("stage", step, 1000))
            assert time.monotonic() - begun < 0.05 * 1000 / 10  # it did not wait each time
            assert comes_true(lambda: "No sign of life could be written" in caplog.text)
            assert comes_true(lambda: "The progress could not be written" in caplog.text)
            assert store.get(run_id).state == "running"
        wait_for(store, run_id, lambda row: row.done == 999)  # the last is not lost
    assert store.get(run_id).state == "done"
    assert caplog.text.count("No sign of life could be written") < 3  # not once a beat


def test_closing_waits_for_a_locked_store(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = queued(store)
    monkeypatch.setattr("gradtag_core.runs.database.BUSY_SECONDS", 0.05)
    monkeypatch.setattr("gradtag_core.runs.store.PATIENT_SECONDS", 0.05)
    monkeypatch.setattr(sessions, "CLOSE_PAUSE", 0.02)
    with RunSession(store, run_id):
        database = sqlite3.connect(store.home / "runs.sqlite", isolation_level=None, check_same_thread=False)
        database.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.5, database.close)
        timer.start()
    timer.join()
    assert store.get(run_id).state == "done"


def test_a_run_that_cannot_be_closed_says_so(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = queued(store)
    for name in ("gradtag_core.runs.database.BUSY_SECONDS", "gradtag_core.runs.store.PATIENT_SECONDS"):
        monkeypatch.setattr(name, 0.02)
    for name in ("CLOSE_SECONDS", "CLOSE_PAUSE"):
        monkeypatch.setattr(sessions, name, 0.02)
    before = signal.getsignal(signal.SIGTERM)
    with closing(sqlite3.connect(store.home / "runs.sqlite", isolation_level=None)) as database:
        with pytest.raises(StoreError, match="locked"), RunSession(store, run_id):
            database.execute("BEGIN IMMEDIATE")
        assert "The run ended as done, which could not be written" in caplog.text
    assert signal.getsignal(signal.SIGTERM) == before
    store.finish(run_id, "done")


def test_a_run_that_was_deleted_meanwhile_is_not_closed_for_long(store: RunStore) -> None:
    run_id = queued(store)
    begun = time.monotonic()
    with (
        pytest.raises(StoreError, match="There is no run"),
        RunSession(store, run_id),
        store.transaction(write=True) as database,
    ):
        database.execute("DELETE FROM runs")
    assert time.monotonic() - begun < sessions.CLOSE_SECONDS


def test_too_little_memory_is_said(store: RunStore) -> None:
    run_id = queued(store)
    with pytest.raises(MemoryError), RunSession(store, run_id):
        raise MemoryError
    row = store.get(run_id)
    assert (row.state, row.error) == (
        "failed", "The run needs more memory than this machine has: choose smaller settings.",
    )  # fmt: skip
