import inspect
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gradtag_core.errors import StoreError
from gradtag_core.runs.process import KILL_SECONDS, LOG_FILE, cancel, launch, log_tail
from gradtag_core.runs.row import OPEN, RunRow, RunState, process_identity
from gradtag_core.runs.store import RunStore

PATIENCE = 60.0  # seconds: a busy machine is no failure

WORKER = """
import os, signal, subprocess, sys, time
from gradtag_core.progress import Progress, Reporter
from gradtag_core.runs.session import RunSession
from gradtag_core.runs.store import RunStore
store = RunStore()
run_id, behaviour = sys.argv[1:]
if behaviour == "silent death":
    sys.exit("no such library")
with RunSession(store, run_id, beat_seconds=0.1, write_seconds=0.02) as session:
    print("working on", run_id, "in", os.getcwd(), flush=True)
    if behaviour == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        session.on_progress(Progress("deaf", 1, 2))
        time.sleep(600)
    if behaviour == "with child":
        stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-S", "-c", stubborn], stdout=subprocess.PIPE)
        child.stdout.readline()
        session.on_progress(Progress(str(child.pid), 1, 2))
        session.cancel.wait(600)
    if behaviour == "bug":
        raise KeyError("bug")
    reporter = Reporter(session.on_progress, session.cancel)
    steps = 5 if behaviour == "short" else 30000
    for step in reporter.track("stepping", range(steps), steps):
        time.sleep(0.02)
sys.exit(session.state != "done")
"""

LAUNCHER = """
import sys, time
from gradtag_core.runs.process import launch
from gradtag_core.runs.store import RunStore
print(launch(RunStore(), sys.argv[1], argv=sys.argv[2:]), flush=True)
time.sleep(600)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    store = RunStore(tmp_path / "home")
    yield store
    for row in store.list():  # leave no process behind, whatever failed
        if row.state in OPEN and row.pid not in (None, os.getpid()):
            cancel(store, row.id, grace=0.0)


@pytest.fixture
def worker(tmp_path: Path) -> Callable[[str, str], list[str]]:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    return lambda run_id, behaviour: [sys.executable, str(script), run_id, behaviour]


def queued(store: RunStore) -> str:
    return store.create({}, "A run", "yeast", "gradtag run yeast").id


def wait_for(store: RunStore, run_id: str, condition: Callable[[RunRow], bool]) -> RunRow:
    deadline = time.monotonic() + PATIENCE
    while not condition(row := store.get(run_id)):
        assert time.monotonic() < deadline, f"{row}\n{log_tail(store, run_id)}"
        time.sleep(0.02)
    return row


def launched(store: RunStore, run_id: str, command: list[str]) -> int:
    """The process of a run that starts at once."""
    pid = launch(store, run_id, command)
    assert pid is not None
    return pid


def in_state(state: RunState) -> Callable[[RunRow], bool]:
    return lambda row: row.state == state


def stepping(row: RunRow) -> bool:
    return row.done > 1


def comes_true(condition: Callable[[], bool]) -> bool:
    """Whether it does while one can wait for it."""
    deadline = time.monotonic() + PATIENCE
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return met


def gone(pid: int) -> bool:
    """Whether the process leaves, not even a zombie staying."""
    return comes_true(lambda: not Path(f"/proc/{pid}").exists())


def test_launched_run_shows_progress_and_ends_done(store: RunStore, worker: Callable[..., list[str]]) -> None:
    run_id = queued(store)
    pid = launched(store, run_id, worker(run_id, "short"))
    row = wait_for(store, run_id, in_state("done"))
    assert (row.pid, row.stage, row.done, row.total, row.fraction) == (pid, "stepping", 5, 5, 1.0)
    assert row.seconds >= 0.1
    assert row.error is None
    assert gone(pid)
    assert f"working on {run_id}" in log_tail(store, run_id)
    for again in (launch, cancel):
        with pytest.raises(StoreError, match="done"):
            again(store, run_id)


def test_run_is_its_own_session_and_can_only_be_launched_once(
    store: RunStore, worker: Callable[..., list[str]]
) -> None:
    run_id = queued(store)
    pid = launched(store, run_id, worker(run_id, "long"))
    assert os.getsid(pid) == os.getpgid(pid) == pid
    assert store.get(run_id).pid == pid
    with pytest.raises(StoreError, match="only a queued run"):
        launch(store, run_id, worker(run_id, "long"))
    first = wait_for(store, run_id, stepping)
    later = wait_for(store, run_id, lambda row: row.heartbeat > first.heartbeat and row.done > first.done)
    assert 0 < later.fraction < 1
    with pytest.raises(StoreError, match="cancel it"):
        store.delete(run_id)


def test_cancel_ends_a_listening_run(store: RunStore, worker: Callable[..., list[str]]) -> None:
    run_id = queued(store)
    pid = launched(store, run_id, worker(run_id, "long"))
    wait_for(store, run_id, stepping)
    begun = time.monotonic()
    row = cancel(store, run_id, grace=PATIENCE)
    assert time.monotonic() - begun < PATIENCE  # it heard SIGTERM: nothing had to be killed
    assert (row.state, row.error, row.cancel_requested) == ("cancelled", None, True)
    assert 0 < row.fraction < 1
    assert gone(pid)


def test_cancel_ends_a_run_that_ignores_it(store: RunStore, worker: Callable[..., list[str]]) -> None:
    run_id = queued(store)
    pid = launched(store, run_id, worker(run_id, "deaf"))
    wait_for(store, run_id, lambda row: row.stage == "deaf")
    begun = time.monotonic()
    row = cancel(store, run_id)
    assert time.monotonic() - begun < PATIENCE  # the worker would sleep for longer
    assert row.state == "cancelled"
    assert gone(pid)


def test_cancel_ends_children_that_ignore_it(store: RunStore, worker: Callable[..., list[str]]) -> None:
    run_id = queued(store)
    launch(store, run_id, worker(run_id, "with child"))
    row = wait_for(store, run_id, lambda row: row.stage.isdigit())
    child = int(row.stage)
    assert process_identity(child) is not None
    assert cancel(store, run_id).state == "cancelled"
    assert comes_true(lambda: process_identity(child) is None)


def test_cancel_takes_less_than_two_seconds() -> None:
    grace: float = inspect.signature(cancel).parameters["grace"].default
    assert grace + KILL_SECONDS < 2  # not timed: on a busy machine the clock proves nothing


def test_cancel_before_the_worker_has_begun(store: RunStore) -> None:
    waiting = queued(store)
    assert cancel(store, waiting).state == "cancelled"
    importing = queued(store)
    pid = launched(store, importing, [sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    assert cancel(store, importing).state == "cancelled"
    assert gone(pid)


def test_request_in_the_store_alone_stops_a_run(store: RunStore, worker: Callable[..., list[str]]) -> None:
    run_id = queued(store)
    launch(store, run_id, worker(run_id, "long"))
    wait_for(store, run_id, stepping)
    store.request_cancel(run_id)
    row = wait_for(store, run_id, in_state("cancelled"))
    assert (row.cancel_requested, row.error) == (True, None)
    assert 0 < row.done < row.total


def test_killed_run_is_interrupted_and_can_be_resumed(
    store: RunStore, worker: Callable[..., list[str]]
) -> None:
    run_id = queued(store)
    pid = launched(store, run_id, worker(run_id, "long"))
    before = wait_for(store, run_id, lambda row: row.seconds > 0)
    os.kill(pid, signal.SIGKILL)
    row = wait_for(store, run_id, in_state("interrupted"))
    assert row.error is not None
    assert "resume" in row.error
    assert row.seconds >= before.seconds
    assert gone(pid)
    store.reopen(run_id)
    launch(store, run_id, worker(run_id, "short"))
    resumed = wait_for(store, run_id, in_state("done"))
    assert resumed.seconds >= row.seconds + 0.1  # of both sessions
    assert (store.run_folder(run_id) / LOG_FILE).read_text().count("working on") == 2


def test_worker_that_dies_before_the_run_begins(store: RunStore, worker: Callable[..., list[str]]) -> None:
    run_id = queued(store)
    launch(store, run_id, worker(run_id, "silent death"))
    row = wait_for(store, run_id, in_state("interrupted"))
    assert row.error is not None
    assert "log" in row.error
    assert log_tail(store, run_id) == "no such library"


def test_bug_in_the_worker_is_told_and_logged(store: RunStore, worker: Callable[..., list[str]]) -> None:
    run_id = queued(store)
    launch(store, run_id, worker(run_id, "bug"))
    row = wait_for(store, run_id, in_state("failed"))
    assert row.error == "internal error: KeyError: 'bug'"
    assert gone(row.pid or 0)
    assert "Traceback" in log_tail(store, run_id)
    assert log_tail(store, run_id, lines=1) == "KeyError: 'bug'"


def test_run_outlives_its_launcher(store: RunStore, worker: Callable[..., list[str]]) -> None:
    run_id = queued(store)
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, run_id, *worker(run_id, "long")],
        env={**os.environ, "GRADTAG_HOME": str(store.home)},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert launcher.stdout is not None
    pid = int(launcher.stdout.readline())
    row = wait_for(store, run_id, stepping)
    os.killpg(launcher.pid, signal.SIGKILL)
    launcher.communicate(timeout=PATIENCE)
    later = wait_for(store, run_id, lambda later: later.done > row.done + 2)
    assert (later.state, later.pid) == ("running", pid)
    assert cancel(store, run_id).state == "cancelled"


def test_worker_that_cannot_be_started(store: RunStore, tmp_path: Path) -> None:
    run_id = queued(store)
    with pytest.raises(StoreError, match="could not be started"):
        launch(store, run_id, [str(tmp_path / "nothing")])
    row = store.get(run_id)
    assert row.state == "failed"
    assert row.error is not None
    assert log_tail(store, queued(store)) == ""


def test_default_command_is_the_worker_module(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def refuse(command: list[str], **options: object) -> None:
        commands.append((command, options))
        raise OSError("not now")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    run_id = queued(store)
    with pytest.raises(StoreError, match="not now"):
        launch(store, run_id)
    ((command, options),) = commands
    assert command == [sys.executable, "-m", "gradtag_core.runs.worker", run_id]
    environment = options["env"]
    assert isinstance(environment, dict)
    assert environment["GRADTAG_HOME"] == str(store.home)
    assert environment["PYTHONPATH"].split(os.pathsep)[0] == str(Path(__file__).parents[2])


def test_run_of_another_machine_is_only_asked(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = queued(store)
    monkeypatch.setattr("gradtag_core.runs.store.process_identity", lambda pid: "another-boot pid:[1] 5")
    store.mark_running(run_id, os.getppid())
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a process of this machine was signalled"))
    monkeypatch.setattr(os, "killpg", lambda *_: pytest.fail("a process of this machine was signalled"))
    row = cancel(store, run_id, grace=0.1)
    assert (row.state, row.cancel_requested) == ("running", True)
    store.finish(run_id, "cancelled")


def test_long_log_is_cut_to_its_end(store: RunStore) -> None:
    run_id = queued(store)
    lines = [f"line {number}" for number in range(1000)]
    (store.run_folder(run_id) / LOG_FILE).write_bytes("\n".join(lines).encode() + b"\xff\n")
    assert log_tail(store, run_id, lines=3) == "line 997\nline 998\nline 999\N{REPLACEMENT CHARACTER}"
