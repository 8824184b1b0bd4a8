"""Several processes of this machine: each a pool of one, so that a death is told from the others' work.

The pools are Python's own (`concurrent.futures`), started by spawning: forking a process with threads is unsafe.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any

from gradtag_core.errors import GradTagError
from gradtag_core.progress import Reporter
from gradtag_core.runs.engine.elsewhere import compute_elsewhere
from gradtag_core.runs.engine.engine import Elsewhere, EngineSettings, Finished, Tell
from gradtag_core.runs.engine.work import UnitDone, UnitOrder

POLL_SECONDS = 0.1
MOST_DEATHS = 3  # of processes, by one unit


class Processes(Elsewhere):
    """`workers` processes, each with a unit at a time; one that dies is replaced, and its unit handed out again."""

    def __init__(self, workers: int):
        super().__init__()
        self._children = [_Child() for _ in range(workers)]

    @property
    def where(self) -> str:
        return EngineSettings(workers=len(self._children)).where

    def _threads(self, threads: int) -> int:
        """The library's choice would be all cores for each process."""
        return threads or max(1, _cores() // len(self._children))

    def _done(self, orders: Sequence[UnitOrder], reporter: Reporter, tell: Tell) -> Finished:
        waiting, idle, deaths = deque(orders), list(self._children), Counter[UnitOrder]()
        running: dict[Future[UnitDone], tuple[_Child, UnitOrder]] = {}
        try:
            while waiting or running:
                reporter.check()
                while idle and waiting:
                    child, order = idle.pop(), waiting.popleft()
                    running[child.submit(order)] = (child, order)
                finished, _ = wait(running, POLL_SECONDS, FIRST_COMPLETED)
                for future in finished:
                    child, order = running.pop(future)
                    idle.append(child)
                    try:
                        done = future.result()
                    except BrokenProcessPool as error:
                        child.stop()
                        deaths[order] += 1
                        if deaths[order] == MOST_DEATHS:
                            raise GradTagError(_deadly(order)) from error
                        waiting.appendleft(order)
                    else:
                        yield order, done
        finally:  # also when a unit failed, the work was cancelled, or nobody wants the rest
            for child, _ in running.values():
                child.stop()

    def close(self) -> None:
        for child in self._children:
            child.stop()
        super().close()


class _Child:
    """One process, which is started when it is given something to do."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._context = _Context()

    def submit(self, order: UnitOrder) -> Future[UnitDone]:
        if self._pool is not None:
            try:
                return self._pool.submit(compute_elsewhere, order)
            except BrokenProcessPool:  # it died while it had nothing to do
                self.stop()
        self._pool = ProcessPoolExecutor(1, self._context, follow_parent)
        return self._pool.submit(compute_elsewhere, order)

    def stop(self) -> None:
        """Kill the process: what it was making is not asked for any more."""
        if self._pool is None:
            return
        for process in self._context.started:
            if process.pid is not None:
                process.kill()
        self._context.started.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None


class _Process(SpawnProcess):
    def start(self) -> None:
        """A spawned process runs the main module again, under another name. Ours needs nothing of it, and a script
        without a `__main__` guard would begin anew."""
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


class _Context(SpawnContext):
    """Remembers what it started: a pool gives nobody its processes to kill."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[_Process] = []

    def Process(self, *args: Any, **kwargs: Any) -> _Process:  # type: ignore[override]
        process = _Process(*args, **kwargs)
        self.started.append(process)
        return process


def follow_parent() -> None:
    """Let this process end when the one that started it does, however that ends, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="end with the parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _deadly(order: UnitOrder) -> str:
    return (
        f"A unit of `{order.work.kind}` ended its process {MOST_DEATHS} times, the last time as the first: probably it "
        "needs more memory than there is. Choose smaller settings or fewer `workers`, then resume; everything finished "
        "is kept."
    )
