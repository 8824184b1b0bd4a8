"""Where units of work run: one after another in the process that asks, or ahead of it in others.

A stage looks for its units in the cache and computes what is missing. An engine that works elsewhere is asked before,
so that the stage finds them all; the stage is the same, and so are the numbers.
"""

from __future__ import annotations

import os
import re
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.progress import Progress, Reporter
from gradtag_core.runs.engine.work import MARKS, NOT_SHARED, Job, UnitDone, UnitOrder, UnitWork
from gradtag_core.runs.files import UnitCache, content_key

WORKERS, SCHEDULER = "GRADTAG_WORKERS", "GRADTAG_SCHEDULER"
MOST_WORKERS = 1024
ADDRESS = re.compile(r"(tcp|tls|ws|wss)://(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
SEEN_SECONDS = 10.0  # how long a network's storage may take to show what a worker wrote
SEEN_PAUSE = 0.1

Results = Generator[tuple[UnitWork, UnitDone], None, None]
Finished = Generator[tuple[UnitOrder, UnitDone], None, None]
Tell = Callable[[str], None]  # hears what is waited for; "" when it is there again


@dataclass(frozen=True)
class EngineSettings:
    """Several processes of this machine, or the address of a Dask scheduler; neither: the process that asks."""

    workers: int = 1
    scheduler: str = ""

    @classmethod
    def of(cls, workers: int | None = None, scheduler: str | None = None) -> EngineSettings:
        """What is given, else what the environment says; raises `InvalidInput` for what cannot be."""
        if workers is None and scheduler is None:
            workers, scheduler = _whole_number(os.environ.get(WORKERS, "")), os.environ.get(SCHEDULER, "")
            scheduler, names = scheduler.strip(), (WORKERS, SCHEDULER)
        else:
            names = ("workers", "scheduler")
        workers, scheduler = 1 if workers is None else workers, scheduler or ""
        if not 1 <= workers <= MOST_WORKERS:
            raise InvalidInput(
                f"`{names[0]}` must be a whole number from 1 to {MOST_WORKERS}; found {workers}. Correct it."
            )
        found = ADDRESS.fullmatch(scheduler)
        if scheduler and not (found and 1 <= int(found[3]) <= 65535):
            raise InvalidInput(
                f"`{names[1]}` must be the address of a Dask scheduler such as tcp://host:8786; found {scheduler!r}."
            )
        if scheduler and workers > 1:
            raise InvalidInput(
                f"`{names[0]}` and `{names[1]}` must not both be given: units run in processes of this machine or on a "
                "Dask cluster. Leave one out."
            )
        return cls(workers, scheduler)

    @property
    def elsewhere(self) -> bool:
        return self.workers > 1 or bool(self.scheduler)

    @property
    def where(self) -> str:
        """Where units will run, to follow "Units run"."""
        if self.scheduler:
            return f"on the Dask cluster at {self.scheduler}"
        return f"in {f'{self.workers} processes' if self.workers > 1 else 'one process'} of this machine"


def _whole_number(text: str) -> int:
    text = text.strip()
    if not text:
        return 1
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(
            f"`{WORKERS}` must be a whole number from 1 to {MOST_WORKERS}; found {text!r}. Correct it."
        )
    return int(text)


class Engine(Protocol):
    """What a stage asks for its units before it looks for them."""

    @property
    def elsewhere(self) -> bool:
        """Whether units are made in other processes."""
        ...

    @property
    def where(self) -> str:
        """Where units run, to follow "Units run"."""
        ...

    @property
    def places(self) -> Mapping[str, int]:
        """How many units were made where."""
        ...

    def results(
        self, job: Job, cache: UnitCache, works: Sequence[UnitWork], reporter: Reporter, tell: Tell
    ) -> Results:
        """Make units elsewhere and yield each as it comes back, also those that failed; `Cancelled` within a second."""
        ...

    def close(self) -> None:
        """Let go of the processes."""
        ...


class InThisProcess:
    """Makes nothing ahead: every stage computes what it does not find."""

    elsewhere = False
    where = EngineSettings().where
    places: Mapping[str, int] = {}

    def results(
        self, job: Job, cache: UnitCache, works: Sequence[UnitWork], reporter: Reporter, tell: Tell
    ) -> Results:
        yield from ()

    def close(self) -> None:
        return


class Elsewhere(ABC):
    """What engines have in common that hand orders to other processes."""

    elsewhere = True

    def __init__(self) -> None:
        self.places: Counter[str] = Counter()
        self._mark = content_key(uuid4().hex)
        self._marked: list[UnitCache] = []

    @property
    @abstractmethod
    def where(self) -> str: ...

    @abstractmethod
    def _done(self, orders: Sequence[UnitOrder], reporter: Reporter, tell: Tell) -> Finished:
        """Each order as it comes back."""

    def _threads(self, threads: int) -> int:
        """Of one unit, where the configuration says `threads`."""
        return threads

    def results(
        self, job: Job, cache: UnitCache, works: Sequence[UnitWork], reporter: Reporter, tell: Tell
    ) -> Results:
        """As the protocol says; what comes back as made is in the cache, or it is a `StoreError`."""
        if not works:
            return
        cache.put_json(MARKS, self._mark, {})
        if cache not in self._marked:
            self._marked.append(cache)
        from gradtag_core.runs.engine.elsewhere import own_versions

        job = replace(job, mark=self._mark, threads=self._threads(job.threads))
        orders = [UnitOrder(job, work, own_versions()) for work in works]
        with closing(self._done(orders, reporter, tell)) as finished:
            for order, done in finished:
                if done.error is None:
                    _require_seen(cache, order.work, done, reporter)
                    self.places[done.place] += order.work.unit.count
                    cache.damaged += [Path(name) for name in done.damaged]
                yield order.work, done

    def close(self) -> None:
        """Remove the marks; those who hand orders out let go of their processes first."""
        for cache in self._marked:
            cache.remove([(MARKS, self._mark)])
        self._marked.clear()


def compute(
    engine: Engine, title: str, job: Job, cache: UnitCache, works: Sequence[UnitWork], reporter: Reporter
) -> None:
    """Make those of a stage's units that the cache lacks, reporting them under its title; raises the first error."""
    missing = [work for work in works if not cache.has(*work.unit[:3])]
    total = sum(work.unit.count for work in works)
    already = done = total - sum(work.unit.count for work in missing)
    started, left = time.perf_counter(), None

    def report(note: str = "") -> None:
        reporter.report(Progress(title, done, total, left, note))

    report()
    with closing(engine.results(job, cache, missing, reporter, report)) as results:
        for work, result in results:
            result.check()
            done += work.unit.count
            left = (time.perf_counter() - started) / (done - already) * (total - done)
            report()


def engine_of(settings: EngineSettings) -> Engine:
    """The engine that the settings ask for; raises `InvalidInput` where it cannot be had."""
    if settings.scheduler:
        from gradtag_core.runs.engine.dask_cluster import DaskCluster

        return DaskCluster(settings.scheduler)
    if settings.workers > 1:
        from gradtag_core.runs.engine.processes import Processes

        return Processes(settings.workers)
    return InThisProcess()


def _require_seen(cache: UnitCache, work: UnitWork, done: UnitDone, reporter: Reporter) -> None:
    deadline = time.monotonic() + SEEN_SECONDS
    while not cache.has(*work.unit[:3]):
        reporter.check()
        if time.monotonic() > deadline:
            raise StoreError(
                f"`{cache.root}` does not hold the unit `{work.unit.key}` that {done.place} made. {NOT_SHARED}"
            )
        time.sleep(SEEN_PAUSE)
