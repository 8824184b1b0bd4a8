"""Progress and cancellation: the only way the library talks while it works."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

from gradtag_core.errors import Cancelled

Item = TypeVar("Item")


@dataclass(frozen=True)
class Progress:
    """One report: `done` of `total` equal units of `stage`, and the seconds left at the pace so far (None: unknown).

    `note` says what the work waits for, if anything.
    """

    stage: str
    done: int
    total: int
    seconds_left: float | None = None
    note: str = ""

    @property
    def fraction(self) -> float:
        return self.done / self.total if self.total else 1.0

    @property
    def words(self) -> str:
        """The stage, and what it waits for."""
        return f"{self.stage} ({self.note})" if self.note else self.stage


class Reporter:
    """Passes progress to `on_progress` and raises `Cancelled` once `cancel` is set.

    A silent reporter, `Reporter()`, costs nothing, so core functions take one and never test for None.
    """

    def __init__(self, on_progress: Callable[[Progress], None] | None = None, cancel: Event | None = None):
        self._on_progress = on_progress or (lambda progress: None)
        self._cancel = cancel or Event()

    def check(self) -> None:
        """Raise `Cancelled` if someone asked to stop: call it inside long loops."""
        if self._cancel.is_set():
            raise Cancelled("The work was cancelled on request.")

    def report(self, progress: Progress) -> None:
        """Pass one report on, for work that no loop of this process does."""
        self._on_progress(progress)

    def heard_by(self, on_progress: Callable[[Progress], None]) -> "Reporter":
        """A reporter that is cancelled with this one, and tells `on_progress` alone."""
        return Reporter(on_progress, self._cancel)

    def track(self, stage: str, items: Iterable[Item], total: int, already_done: int = 0) -> Iterator[Item]:
        """Yield `items`, reporting before the first and after each; `already_done` units count in `total`."""
        started = time.perf_counter()
        self._on_progress(Progress(stage, already_done, total))
        for fresh, item in enumerate(items, start=1):
            self.check()
            yield item
            done = already_done + fresh
            pace = (time.perf_counter() - started) / fresh
            self._on_progress(Progress(stage, done, total, pace * (total - done)))
