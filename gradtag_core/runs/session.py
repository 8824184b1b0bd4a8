"""The context in which a process works on a run: signs of life, progress, requests to stop, and how it ended."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from gradtag_core.errors import Cancelled, GradTagError, StoreError
from gradtag_core.progress import Progress
from gradtag_core.runs.disk import FATAL, error_number, refused
from gradtag_core.runs.row import RunState
from gradtag_core.runs.store import RunStore

RETRY_SECONDS = 5.0  # after progress could not be written
CLOSE_SECONDS = 30.0  # for how long closing a run is tried again
CLOSE_PAUSE = 0.5

Overall = Callable[[Progress], tuple[float, float | None]]
logger = logging.getLogger(__name__)


class RunSession:
    """The context in which a worker, or the command line in the foreground, works on a queued run.

    It marks the run running, shows signs of life, passes progress on, sets `cancel` when someone asks to stop
    (in the store, or by SIGTERM or SIGINT; a second SIGINT raises KeyboardInterrupt), and closes the run: as
    done after a normal end, cancelled after `Cancelled` or KeyboardInterrupt, else failed. A `GradTagError` and what
    a full or read-only disk raises end here (`state` tells), anything else goes on. `overall` turns the progress of
    a stage into the fraction and the seconds left of the whole run. `before_closing` hears the seconds that the run
    took: what it writes is there before anybody sees the run closed.

    Work goes on while the store cannot be written; a run that could not be closed at last raises `StoreError`.
    """

    def __init__(
        self,
        store: RunStore,
        run_id: str,
        overall: Overall | None = None,
        beat_seconds: float = 1.0,
        write_seconds: float = 0.2,
        before_closing: Callable[[float], None] = lambda seconds: None,
    ):
        self.store = store
        self.run_id = run_id
        self.cancel = threading.Event()
        self.state: RunState = "queued"
        self._overall = overall or (lambda progress: (progress.fraction, progress.seconds_left))
        self._beat_seconds = beat_seconds
        self._write_seconds = write_seconds
        self._before_closing = before_closing
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat_until_end, name=f"heartbeat {run_id}", daemon=True)
        self._lock = threading.Lock()  # of `_pending`: held for an instant
        self._writing = threading.Lock()  # held while the store is written
        self._pending: tuple[Progress, float, float | None] | None = None
        self._write_again = float("-inf")
        self._troubles: set[str] = set()
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
        if time.monotonic() >= self._write_again and self._writing.acquire(blocking=False):
            try:  # where the heartbeat is writing, it takes this along the next time
                self._write_pending()
            finally:
                self._writing.release()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._ended.set()
        self._heart.join()
        disk_is_to_blame = isinstance(error, OSError) and error_number(error) in FATAL
        try:
            self._write_progress()
            self._beat()  # also takes back a wrong `interrupted`
            seconds = self._seconds()
            try:
                self._before_closing(seconds)
            except (GradTagError, OSError) as trouble:  # the results are there all the same
                self._warn("The seconds of the run could not be written beside its results: %s", trouble)
            self._close(*self._outcome(error), seconds)
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        return isinstance(error, GradTagError) or disk_is_to_blame

    def _close(self, state: RunState, sentence: str | None, seconds: float) -> None:
        """Close the run, trying again while the disk is full or the store locked."""
        deadline = time.monotonic() + CLOSE_SECONDS
        while True:
            try:
                self.state = self.store.finish(self.run_id, state, sentence, seconds).state
                return
            except StoreError as error:
                logger.error("The run ended as %s, which could not be written: %s", state, error)
                if not isinstance(error.__cause__, sqlite3.Error) or time.monotonic() > deadline:
                    raise
            time.sleep(CLOSE_PAUSE)

    def _outcome(self, error: BaseException | None) -> tuple[RunState, str | None]:
        if error is None:
            return "done", None
        if isinstance(error, Cancelled | KeyboardInterrupt):
            return "cancelled", None
        if isinstance(error, GradTagError):
            return "failed", str(error)
        if isinstance(error, OSError) and error_number(error) in FATAL:
            return "failed", str(refused(self.store.home, error))
        if isinstance(error, MemoryError):
            return "failed", "The run needs more memory than this machine has: choose smaller settings."
        return "failed", f"internal error: {type(error).__name__}: {error}"

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
            asked = self.store.heartbeat(self.run_id, self._seconds())
        except StoreError as error:  # hours of work must not end for a missed sign of life
            self._warn("No sign of life could be written: %s", error)
            return False
        self._troubles.clear()
        return asked

    def _write_progress(self) -> None:
        with self._writing:
            self._write_pending()

    def _write_pending(self) -> None:
        with self._lock:
            pending, self._pending = self._pending, None
        if pending is None:
            return
        progress, fraction, seconds_left = pending
        self._write_again = time.monotonic() + self._write_seconds
        try:
            self.store.update_progress(
                self.run_id, progress.words, progress.done, progress.total, fraction, seconds_left
            )
        except StoreError as error:
            self._warn("The progress could not be written: %s", error)
            self._write_again = time.monotonic() + RETRY_SECONDS
            with self._lock:
                self._pending = self._pending or pending

    def _warn(self, text: str, error: GradTagError | OSError) -> None:
        """Once until the store can be written again: the log may be on the same disk."""
        if text not in self._troubles:
            self._troubles.add(text)
            logger.warning(text, error)
