"""Runs in processes of their own: launch one when it is its turn, cancel one, and read its log."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gradtag_core.errors import GradTagError, StoreError
from gradtag_core.runs.disk import make_folder, refused
from gradtag_core.runs.queue import start_next, wait_in_line
from gradtag_core.runs.row import OPEN, RunRow, process_ended, runs_here
from gradtag_core.runs.store import RunStore

LOG_FILE = "log.txt"
POLL_SECONDS = 0.02
TEND_SECONDS = 1.0
TAIL_BYTES = 64 * 1024  # the end of a log, however long it is
KILL_SECONDS = 0.4  # how long to wait for the kernel after SIGKILL

logger = logging.getLogger(__name__)
_TENDED = threading.Lock()
_tended: set[Path] = set()  # the homes whose queue a thread of this process looks after


def launch(store: RunStore, run_id: str, argv: Sequence[str] | None = None) -> int | None:
    """Start a queued run, or leave it waiting while as many run as may (`concurrent_limit`); returns its pid if it
    was started.

    It waits for as long as it takes, also when this process ends: whatever worker ends starts the next, and so does
    every process that asks (`tend_queue`). `argv` replaces the worker's command line if it starts at once.
    """
    wait_in_line(store, run_id)
    start_waiting(store, {} if argv is None else {run_id: argv})
    row = store.get(run_id)
    if row.state == "failed":
        raise StoreError(row.error or f"The run `{run_id}` could not be started.")
    tend_queue(store)
    return row.pid


def start_waiting(store: RunStore, commands: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """Start the runs that wait longest while there is room; returns their ids. `commands`: in place of the worker's."""
    own = commands or {}
    started: list[str] = []
    while run_id := start_next(store, lambda each: _spawn(store, each, own.get(each))):
        started.append(run_id)
    return started


def tend_queue(store: RunStore) -> None:
    """While runs wait, look again and again in a thread of this process whether there is room: the worker that should
    start them may have been killed."""
    with _TENDED:
        if store.home in _tended or not any(row.waiting for row in store.open_rows()):
            return
        _tended.add(store.home)
    threading.Thread(target=_tend, args=(store,), name=f"queue {store.home}", daemon=True).start()


def _tend(store: RunStore) -> None:
    try:
        while True:
            start_waiting(store)
            with _TENDED:  # whoever waits from now on asks for a thread of their own
                if not any(row.waiting for row in store.open_rows()):
                    _tended.discard(store.home)
                    return
            time.sleep(TEND_SECONDS)
    except GradTagError as error:  # the next one who asks tries again
        logger.warning("The queue could not be looked at: %s", error)
        with _TENDED:
            _tended.discard(store.home)


def free_place(store: RunStore) -> None:
    """A run has ended: start what waited for it. A failure is logged alone, since others look at the queue too."""
    try:
        start_waiting(store)
    except GradTagError as error:
        logger.warning("The next run could not be started: %s", error)


def worker_command(run_id: str) -> list[str]:
    return [sys.executable, "-m", "gradtag_core.runs.worker", run_id]


def _spawn(store: RunStore, run_id: str, argv: Sequence[str] | None) -> int:
    """Start the worker of a run in a session of its own, which outlives this process; returns its pid.

    A thread waits for the child, so that it leaves no zombie: a double fork would hide the pid, and forking a
    process with threads is unsafe.
    """
    package_parent = str(Path(__file__).resolve().parents[2])
    search_path = os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH")]))
    path = make_folder(store.home / "runs" / run_id) / LOG_FILE
    try:
        log = path.open("ab")
    except OSError as error:
        raise refused(path, error) from error
    try:
        with log:
            process = subprocess.Popen(
                argv or worker_command(run_id),
                cwd=package_parent,
                env={**os.environ, "GRADTAG_HOME": str(store.home), "PYTHONPATH": search_path},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise StoreError(f"The worker process could not be started: {error}.") from error
    threading.Thread(target=process.wait, name=f"reap {run_id}", daemon=True).start()
    return process.pid


def cancel(store: RunStore, run_id: str, grace: float = 1.5) -> RunRow:
    """Stop a run: asked first (SIGTERM to its process group), killed after `grace` seconds; the next one may start.

    A run that finishes meanwhile stays finished. A run of this very process, or of another machine or
    container, is only asked: it stops at its next check, at the latest a heartbeat later.
    """
    row = store.request_cancel(run_id)
    if row.state in OPEN and row.pid is not None:
        row = _stopped(store, row, grace)
    free_place(store)
    return row


def _stopped(store: RunStore, row: RunRow, grace: float) -> RunRow:
    pid = row.pid or 0
    here = runs_here(row) and pid != os.getpid()
    leader = here and _leads_group(pid)
    if here:
        _signal(pid, leader, signal.SIGTERM)
    _wait_for_end(store, row, grace)
    if here and (leader or not process_ended(row)):  # children may outlive the leader of their group
        _signal(pid, leader, signal.SIGKILL)
        _wait_for_end(store, row, KILL_SECONDS)
    row = store.get(row.id)
    return store.finish(row.id, "cancelled") if here and row.state in OPEN else row


def log_tail(store: RunStore, run_id: str, lines: int = 20) -> str:
    """The last lines that the worker printed, "" if it printed nothing."""
    path = store.run_folder(run_id) / LOG_FILE
    try:
        with path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise refused(path, error, "read") from error
    return "\n".join(text.rstrip().splitlines()[-lines:])


def _leads_group(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid != os.getpgrp()
    except ProcessLookupError:
        return False


def _signal(pid: int, group: bool, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        try:
            (os.killpg if group else os.kill)(pid, number)
        except PermissionError as error:
            raise StoreError(f"The process {pid} belongs to another user: cancel it as that user.") from error


def _wait_for_end(store: RunStore, row: RunRow, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended = process_ended(row) if runs_here(row) and row.pid != os.getpid() else None
        if ended or (ended is None and store.get(row.id).state not in OPEN):
            return
        time.sleep(POLL_SECONDS)
