"""The queue with real processes: how many at once, in which order, and who starts the next one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.runs import process
from gradtag_core.runs.process import cancel, free_place, launch, start_waiting, tend_queue
from gradtag_core.runs.queue import LIMIT, concurrent_limit, is_busy, start_next, waiting_line
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.store import RunStore

PATIENCE = 60.0
PACKAGE_PARENT = Path(process.__file__).parents[2]
SLEEP = ["sleep", "600"]
WORKER = """
import sys, time
from gradtag_core.runs import process
from gradtag_core.runs.session import RunSession
from gradtag_core.runs.store import RunStore
process.worker_command = lambda run_id: [sys.executable, __file__, run_id]
store = RunStore()
with RunSession(store, sys.argv[1]):
    print("at work", len([row for row in store.open_rows() if row.state == "running"]), flush=True)
process.free_place(store)
"""
STARTER = """
import sys, time
from gradtag_core.runs import process
from gradtag_core.runs.store import RunStore
process.worker_command = lambda run_id: ["sleep", "600"]
store = RunStore()
print("ready", flush=True)
sys.stdin.readline()
print(*process.start_waiting(store), flush=True)
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    monkeypatch.setenv(LIMIT, "1")
    monkeypatch.setattr(process, "TEND_SECONDS", 0.02)
    monkeypatch.setattr(process, "worker_command", lambda run_id: SLEEP)
    store = RunStore(tmp_path / "home")
    yield store
    stop_all(store)


@pytest.fixture
def untended(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread looks after the queue: whatever starts, this test asked for."""
    monkeypatch.setattr(process, "tend_queue", lambda store: None)


def stop_all(store: RunStore) -> None:
    for row in waiting_line(store.open_rows()):
        store.request_cancel(row.id)
    for row in store.open_rows():
        if row.pid not in (None, os.getpid()):
            cancel(store, row.id, grace=0.0)


def queued(store: RunStore, count: int = 1) -> list[str]:
    return [store.create({}, f"Run {number}", "yeast", "run").id for number in range(count)]


def comes_true(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return met


def at_work(store: RunStore) -> list[str]:
    return [row.id for row in store.open_rows() if is_busy(row)]


def in_line(store: RunStore) -> list[str]:
    return [row.id for row in waiting_line(store.open_rows())]


def end(store: RunStore, run_id: str) -> None:
    """Kill the process of a run, as the system does when memory runs out."""
    pid = store.get(run_id).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert comes_true(lambda: store.get(run_id).state == "interrupted")


@pytest.mark.parametrize(("text", "limit"), [("3", 3), (" 12 ", 12), ("1000", 1000)])
def test_the_limit_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, text: str, limit: int) -> None:
    monkeypatch.setenv(LIMIT, text)
    assert concurrent_limit() == limit


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "1001", "³"])
def test_a_bad_limit_is_one_sentence_and_the_run_waits(
    store: RunStore, untended: None, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(LIMIT, text)
    (run_id,) = queued(store)
    with pytest.raises(InvalidInput, match="`GRADTAG_MAX_RUNS` must be a whole number from 1 to 1000"):
        launch(store, run_id)
    assert store.get(run_id).waiting
    monkeypatch.setenv(LIMIT, "1")
    assert start_waiting(store) == [run_id]


@pytest.mark.parametrize(("cores", "limit"), [(1, 1), (2, 1), (3, 1), (8, 4)])
def test_without_a_setting_half_of_the_cores_work(
    monkeypatch: pytest.MonkeyPatch, cores: int, limit: int
) -> None:
    monkeypatch.delenv(LIMIT, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    assert concurrent_limit() == limit


@pytest.mark.parametrize("limit", [1, 2])
def test_runs_beyond_the_limit_wait_in_the_order_of_their_launch(
    store: RunStore, untended: None, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setenv(LIMIT, str(limit))
    ids = queued(store, limit + 2)
    order = [*ids[:limit], ids[-1], ids[-2]]  # the last one made is launched before the one before it
    pids = [launch(store, run_id) for run_id in order]
    assert all(pids[:limit])
    assert pids[limit:] == [None, None]
    assert set(at_work(store)) == set(order[:limit])
    assert in_line(store) == order[limit:]
    end(store, order[0])
    assert start_waiting(RunStore(store.home)) == [order[limit]]
    assert in_line(store) == order[limit + 1 :]
    assert start_waiting(store) == []


def test_a_waiting_run_waits_for_ever_and_survives_a_restart(
    store: RunStore, untended: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = queued(store, 2)
    launch(store, first)
    launch(store, second)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1e6)
    again = RunStore(store.home)
    row = again.get(second)
    assert (row.state, row.waiting, row.error) == ("queued", True, None)
    assert [each.state for each in again.list()] == ["queued", "queued"]


def test_launching_twice_keeps_the_place(store: RunStore, untended: None) -> None:
    first, second, third = queued(store, 3)
    for run_id in (first, second, third, second):
        launch(store, run_id)
    assert in_line(store) == [second, third]
    with pytest.raises(StoreError, match="already launched: only a queued run can be launched"):
        launch(store, first)


def test_a_waiting_run_can_be_cancelled_and_resumed_at_the_end_of_the_line(
    store: RunStore, untended: None
) -> None:
    first, second, third = queued(store, 3)
    for run_id in (first, second, third):
        launch(store, run_id)
    row = cancel(store, second)
    assert (row.state, row.waiting, row.waiting_since) == ("cancelled", False, None)
    assert in_line(store) == [third]
    assert not store.reopen(second).waiting
    launch(store, second)
    assert in_line(store) == [third, second]


def test_cancelling_the_run_at_work_starts_the_next(store: RunStore, untended: None) -> None:
    first, second = queued(store, 2)
    launch(store, first)
    launch(store, second)
    assert cancel(store, first, grace=0.0).state == "cancelled"
    assert at_work(store) == [second]


def test_the_foreground_does_not_wait_but_counts(store: RunStore, untended: None) -> None:
    first, second, third = queued(store, 3)
    launch(store, first)
    launch(store, second)
    assert store.mark_running(second, os.getpid()).waiting_since is None  # `run` on the command line
    launch(store, third)
    end(store, first)
    assert start_waiting(store) == []
    store.finish(second, "done")
    assert start_waiting(store) == [third]


def test_a_run_that_is_not_launched_takes_no_place(store: RunStore, untended: None) -> None:
    _, second = queued(store, 2)
    assert launch(store, second)
    assert start_next(store, lambda _: pytest.fail("nothing waits")) is None


def test_runs_of_other_machines_take_no_place(
    store: RunStore, untended: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = queued(store, 2)
    with monkeypatch.context() as patch:
        patch.setattr("gradtag_core.runs.store.process_identity", lambda pid: "another-boot pid:[1] 5")
        store.mark_running(first, os.getppid())
    assert launch(store, second)
    store.finish(first, "cancelled")


def test_a_worker_that_ends_starts_the_next(
    store: RunStore, untended: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    monkeypatch.setattr(process, "worker_command", lambda run_id: [sys.executable, str(script), run_id])
    ids = queued(store, 3)
    for run_id in ids:
        launch(store, run_id)

    def rows() -> list[RunRow]:
        return [store.get(run_id) for run_id in ids]

    assert comes_true(lambda: all(row.state == "done" for row in rows())), rows()
    started = [row.started or 0.0 for row in rows()]
    assert started == sorted(started)
    logs = [(store.run_folder(run_id) / process.LOG_FILE).read_text() for run_id in ids]
    assert logs == ["at work 1\n"] * 3


def test_a_killed_worker_does_not_leave_the_queue_standing(store: RunStore) -> None:
    first, second, third = queued(store, 3)
    for run_id in (first, second, third):
        launch(store, run_id)
    assert in_line(store) == [second, third]
    end(store, first)
    assert comes_true(lambda: at_work(store) == [second])  # by the thread of `launch`
    end(store, second)
    assert comes_true(lambda: at_work(store) == [third])
    assert comes_true(lambda: store.home not in process._tended)  # nothing waits any more
    assert store.get(first).state == store.get(second).state == "interrupted"


def test_after_a_restart_whoever_looks_starts_the_next(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = queued(store, 2)
    with monkeypatch.context() as patch:
        patch.setattr(process, "tend_queue", lambda store: None)
        launch(store, first)
        launch(store, second)
    end(store, first)
    tend_queue(RunStore(store.home))
    tend_queue(store)
    assert comes_true(lambda: at_work(store) == [second])


def test_no_thread_where_nothing_waits(store: RunStore) -> None:
    queued(store)
    tend_queue(store)
    assert store.home not in process._tended


def test_trouble_in_the_thread_is_logged_and_ends_it(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = queued(store, 2)
    launch(store, first)
    monkeypatch.setenv(LIMIT, "many")
    with pytest.raises(InvalidInput):
        launch(store, second)
    tend_queue(store)
    assert comes_true(lambda: store.home not in process._tended)
    assert "The queue could not be looked at: `GRADTAG_MAX_RUNS`" in caplog.text
    free_place(store)
    assert "The next run could not be started: `GRADTAG_MAX_RUNS`" in caplog.text


def test_two_processes_never_start_the_same_run(
    store: RunStore, untended: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = queued(store, 5)
    monkeypatch.setenv(LIMIT, "1")
    holder = store.create({}, "Holder", "yeast", "run").id
    store.mark_running(holder, os.getpid())
    for run_id in ids:
        launch(store, run_id)
    environment = {**os.environ, "GRADTAG_HOME": str(store.home), LIMIT: "4"}
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER], cwd=PACKAGE_PARENT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    for starter in starters:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "ready\n"
    answers = [starter.communicate("go\n", timeout=PATIENCE)[0].split() for starter in starters]
    assert sorted(answers[0] + answers[1]) == sorted(ids[:3])  # beside the holder, each once
    assert set(at_work(store)) == {holder, *ids[:3]}
    assert in_line(store) == ids[3:]
    store.finish(holder, "done")


def test_two_stores_in_one_process_share_the_limit(
    store: RunStore, untended: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = queued(store, 4)
    monkeypatch.setenv(LIMIT, "2")
    stores = [store, RunStore(store.home)]
    with ThreadPoolExecutor(4) as pool:
        pids = list(pool.map(lambda number: launch(stores[number % 2], ids[number]), range(4)))
    assert len(at_work(store)) == len([pid for pid in pids if pid]) == 2
    assert set(at_work(store)) | set(in_line(store)) == set(ids)


def test_a_worker_that_cannot_start_does_not_stop_the_others(
    store: RunStore, untended: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = queued(store, 3)
    for run_id in (first, second, third):
        launch(store, run_id)
    end(store, first)
    nothing = str(store.home / "nothing")
    monkeypatch.setattr(process, "worker_command", lambda each: [nothing] if each == second else SLEEP)
    assert start_waiting(store) == [second, third]
    row = store.get(second)
    assert (row.state, row.waiting) == ("failed", False)
    assert row.error is not None
    assert "could not be started" in row.error
    assert at_work(store) == [third]
