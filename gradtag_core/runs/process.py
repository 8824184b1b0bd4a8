"""Runs in processes of their own: launch one, cancel one, read its log, and be one."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from gradtag_core.errors import Cancelled, GradTagError, StoreError
from gradtag_core.progress import Progress
from gradtag_core.runs.row import OPEN, RunRow, RunState, process_ended, runs_here
from gradtag_core.runs.store import RunStore

LOG_FILE = "log.txt"
POLL_SECONDS = 0.02
KILL_SECONDS = 0.4  # how long to wait for the kernel after SIGKILL

Overall = Callable[[Progress], tuple[float, float | None]]
logger = logging.getLogger(__name__)


def launch(store: RunStore, run_id: str, argv: Sequence[str] | None = None) -> int:
    """Start the worker of a queued run in a session of its own, which outlives this process; returns its pid.

    `argv` replaces the worker's command line. A thread waits for the child, so that it leaves no zombie: a
    double fork would hide the pid, and forking a process with threads is unsafe.
    """
    row = store.get(run_id)
    if row.state != "queued" or row.pid is not None:
        state = "already launched" if row.state == "queued" else row.state
        raise StoreError(f"The run `{run_id}` is {state}: only a queued run can be launched.")
    package_parent = str(Path(__file__).resolve().parents[2])
    search_path = os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH")]))
    try:
        with (store.run_folder(run_id) / LOG_FILE).open("ab") as log:
            process = subprocess.Popen(
                argv or [sys.executable, "-m", "gradtag_core.runs.worker", run_id],
                cwd=package_parent,
                env={**os.environ, "GRADTAG_HOME": str(store.home), "PYTHONPATH": search_path},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        sentence = f"The worker process could not be started: {error}."
        store.finish(run_id, "failed", sentence)
        raise StoreError(sentence) from error
    threading.Thread(target=process.wait, name=f"reap {run_id}", daemon=True).start()
    store.mark_launched(run_id, process.pid)
    return process.pid


def cancel(store: RunStore, run_id: str, grace: float = 1.5) -> RunRow:
    """Stop a run: asked first (SIGTERM to its process group), killed after `grace` seconds.

    A run that finishes meanwhile stays finished. A run of this very process, or of another machine or
    container, is only asked: it stops at its next check, at the latest a heartbeat later.
    """
    row = store.request_cancel(run_id)
    if row.state not in OPEN or row.pid is None:
        return row
    here = runs_here(row) and row.pid != os.getpid()
    leader = here and _leads_group(row.pid)
    if here:
        _signal(row.pid, leader, signal.SIGTERM)
    _wait_for_end(store, row, grace)
    if here and (leader or not process_ended(row)):  # children may outlive the leader of their group
        _signal(row.pid, leader, signal.SIGKILL)
        _wait_for_end(store, row, KILL_SECONDS)
    row = store.get(run_id)
    return store.finish(run_id, "cancelled") if here and row.state in OPEN else row


def log_tail(store: RunStore, run_id: str, lines: int = 20) -> str:
    """The last lines that the worker printed, "" if it printed nothing."""
    path = store.run_folder(run_id) / LOG_FILE
    try:
        with path.open(encoding="utf-8", errors="replace") as log:
            return "".join(deque(log, maxlen=lines)).rstrip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StoreError(f"`{path}` could not be read: {error}. Check its permissions.") from error


class RunSession:
    """The context in which a worker, or the command line in the foreground, works on a queued run.

    It marks the run running, shows signs of life, passes progress on, sets `cancel` when someone asks to stop
    (in the store, or by SIGTERM or SIGINT; a second SIGINT raises KeyboardInterrupt), and closes the run: as
    done after a normal end, cancelled after `Cancelled` or KeyboardInterrupt, else failed. A `GradTagError`
    ends here (`state` tells), anything else goes on. `overall` turns the progress of a stage into the
    fraction and the seconds left of the whole run.
    """

    def __init__(
        self,
        store: RunStore,
        run_id: str,
        overall: Overall | None = None,
        beat_seconds: float = 1.0,
        write_seconds: float = 0.2,
    ):
        self.store = store
        self.run_id = run_id
        self.cancel = threading.Event()
        self.state: RunState = "queued"
        self._overall = overall or (lambda progress: (progress.fraction, progress.seconds_left))
        self._beat_seconds = beat_seconds
        self._write_seconds = write_seconds
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat_until_end, name=f"heartbeat {run_id}", daemon=True)
        self._lock = threading.Lock()
        self._pending: tuple[Progress, float, float | None] | None = None
        self._written = float("-inf")
        self._handlers: dict[int, Any] = {}
        self._started = self._seconds_before = 0.0

    def __enter__(self) -> Self:
        row = self.store.mark_running(self.run_id, os.getpid())
        self.state = "running"
        self._seconds_before, self._started = row.seconds, time.perf_counter()
        if row.cancel_requested:
            self.cancel.set()
        if threading.current_thread() is threading.main_thread():
            self._handlers = {
                number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)
            }
        self._heart.start()
        return self

    def on_progress(
        self, progress: Progress, fraction: float | None = None, seconds_left: float | None = None
    ) -> None:
        """Pass to `Reporter`; written at most every `write_seconds`, and the last one always.

        With `fraction`, the caller's own view of the whole run is written instead of `overall`'s.
        """
        if fraction is None:
            fraction, seconds_left = self._overall(progress)
        with self._lock:
            self._pending = (progress, fraction, seconds_left)
        if time.monotonic() - self._written >= self._write_seconds:
            self._write_progress()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._ended.set()
        self._heart.join()
        try:
            self._write_progress()
            self._beat()  # also takes back a wrong `interrupted`
            state, sentence = _outcome(error)
            self.state = self.store.finish(self.run_id, state, sentence, self._seconds()).state
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        return isinstance(error, GradTagError)

    def _seconds(self) -> float:
        return self._seconds_before + time.perf_counter() - self._started

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.cancel.is_set():
            raise KeyboardInterrupt
        self.cancel.set()

    def _beat_until_end(self) -> None:
        while not self._ended.wait(self._beat_seconds):
            if self._beat():
                self.cancel.set()
            self._write_progress()

    def _beat(self) -> bool:
        """Show life; returns whether cancelling was requested."""
        try:
            return self.store.heartbeat(self.run_id, self._seconds())
        except StoreError as error:  # hours of work must not end for a missed sign of life
            logger.warning("No sign of life could be written: %s", error)
            return False

    def _write_progress(self) -> None:
        with self._lock:
            pending, self._pending = self._pending, None
            if pending is None:
                return
            progress, fraction, seconds_left = pending
            self._written = time.monotonic()
            try:
                self.store.update_progress(
                    self.run_id, progress.stage, progress.done, progress.total, fraction, seconds_left
                )
            except StoreError as error:
                logger.warning("The progress could not be written: %s", error)


def _outcome(error: BaseException | None) -> tuple[RunState, str | None]:
    if error is None:
        return "done", None
    if isinstance(error, Cancelled | KeyboardInterrupt):
        return "cancelled", None
    if isinstance(error, GradTagError):
        return "failed", str(error)
    return "failed", f"internal error: {type(error).__name__}: {error}"


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
