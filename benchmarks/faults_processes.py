"""Processes that are killed: the worker of a run, and those among which it shares its units out."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from random import Random

from benchmarks.faults_trial import (
    END_SECONDS,
    GONE_SECONDS,
    Bench,
    Tally,
    Trial,
    children,
    command_of,
    wait_until,
)

POOL = {"GRADTAG_WORKERS": "2"}
SOON_SECONDS = 0.5
MOST_CHILDREN = 2  # killed in one run: a unit that ends its process three times is an error, and should be


def worker(bench: Bench) -> Iterator[Tally]:
    """The worker process, again and again until its run is done; then that of a new run."""
    yield _killed_workers(bench, Tally("worker killed"), bench.of("worker"), bench.kills, {})


def pool(bench: Bench) -> Iterator[Tally]:
    """Of a run on two processes: one of them, then the worker that started them."""
    draws = bench.of("pool")
    tally, wanted = Tally("one of two processes killed"), bench.share(5)
    while tally.faults < wanted and not tally.problems:
        with bench.trial(POOL) as trial:
            trial.start()
            for _ in range(min(MOST_CHILDREN, wanted - tally.faults)):
                _kill_child(trial, bench, draws)
            trial.finish()
            tally.judge(trial, bench.expected)
    yield tally.closed()
    yield _killed_workers(bench, Tally("worker with two processes killed"), draws, bench.share(10), POOL)


def _killed_workers(
    bench: Bench, tally: Tally, draws: Random, wanted: int, environment: dict[str, str]
) -> Tally:
    while tally.faults < wanted and not tally.problems:
        with bench.trial(environment) as trial:
            while tally.faults + trial.faults < wanted:
                trial.start()
                if not trial.watch(draws.uniform(0, bench.seconds)) or not trial.kill():
                    break
            trial.finish()
            tally.judge(trial, bench.expected)
    return tally.closed()


def _kill_child(trial: Trial, bench: Bench, draws: Random) -> None:
    """Kill one of the processes that make units, a moment after a random number of units is there."""
    n_units = draws.randrange(bench.units)
    trial.watch(END_SECONDS, lambda: trial.ledger.look() >= n_units and _makers(trial.pid))
    if not trial.watch(draws.uniform(0, SOON_SECONDS)):
        return
    found = _makers(trial.pid)
    if not found:
        return
    chosen = draws.choice(found)
    with suppress(ProcessLookupError):
        os.kill(chosen, signal.SIGKILL)
        trial.fault()
    if not wait_until(lambda: chosen not in _makers(trial.pid), GONE_SECONDS):
        trial.problems.append("a killed process was not noticed")


def _makers(pid: int) -> list[int]:
    """The spawned processes of a worker, without the one that looks after their semaphores."""
    return [child for child in children(pid) if "spawn_main" in command_of(child)]
