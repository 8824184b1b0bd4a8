"""What it brings, and costs, to make units in other processes: `python -m benchmarks.engine_speed [--json]`.

One run of `debian` with several base models, small models, groups and real training: in this process, on a Dask cluster
of one and of two worker processes that stand ready, and in two processes that are started for it. They take turns, and
each turn gives ratios of its own, since machines change their speed from minute to minute; medians of `TURNS`. "In
units" is the share of a run that its units take inside the one worker, "handing out" the share that they take beyond
that until they are back; the rest is what every run does between them (putting scores together, grouping). Linear
algebra uses one thread everywhere. The numbers must be the same bit for bit, or it ends with an error. Needs the extra
`cluster`.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.report import publish
from gradtag_core.config import RunConfig, make_config
from gradtag_core.progress import Reporter
from gradtag_core.runs.engine.engine import Engine, EngineSettings, Results, Tell, engine_of
from gradtag_core.runs.engine.work import Job, UnitWork
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.start import create_run, execute
from gradtag_core.runs.store import RunStore

ROOT = Path(__file__).parents[1]
LARGE = {"suite": "debian", "n_tasks": 60, "n_inits": 2, "truth": 64, "threads": 1}
# So that workers have loaded all.
SMALL = {"suite": "yeast", "n_tasks": 6, "n_inits": 1, "truth": 4, "threads": 1}
TURNS = 5
ALONE, ONE, TWO = "in this process", "Dask, 1 worker", "Dask, 2 workers"
PROCESSES = "two processes, their start included"
Record = dict[str, str | float | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        publish(list(measured(Path(folder))), arguments.json)


def measured(folder: Path) -> Iterator[Record]:
    ready, config = make_config("quick", **SMALL), make_config("quick", **LARGE)
    turns: list[dict[str, float]] = []
    in_units: list[float] = []
    handing_out: list[float] = []
    with cluster(folder, 1) as one, cluster(folder, 2) as two:
        places = {
            ALONE: EngineSettings(), ONE: EngineSettings(scheduler=one), TWO: EngineSettings(scheduler=two),
            PROCESSES: EngineSettings(workers=2),
        }  # fmt: skip
        for name, settings in places.items():
            _run(folder / f"{name} ready", ready, settings)
        for turn in range(TURNS):
            seconds: dict[str, float] = {}
            expected = None
            # Back and forth: a machine warms up, or is slowed down.
            for name in reversed(places) if turn % 2 else places:
                found = _run(folder / f"{name} {turn}", config, places[name])
                seconds[name], expected = found.seconds, expected or found.record
                _require_same(expected, found.record)
                if name == ONE:
                    in_units.append(found.in_units / found.seconds)
                    handing_out.append((found.elsewhere - found.in_units) / found.seconds)
            print(seconds, file=sys.stderr, flush=True)
            turns.append(seconds)
    for name in places:
        yield {
            "units made": name,
            "seconds": median(turn[name] for turn in turns),
            "times as fast as this process": median(turn[ALONE] / turn[name] for turn in turns),
            "as one worker": median(turn[ONE] / turn[name] for turn in turns),
            "of it in units": median(in_units) if name == ONE else None,
            "handing out": median(handing_out) if name == ONE else None,
        }


@dataclass(frozen=True)
class Found:
    """What a run took, of that until units were back that were made elsewhere, inside them, and what it left."""

    seconds: float
    elsewhere: float
    in_units: float
    record: RunRecord


def _run(home: Path, config: RunConfig, settings: EngineSettings) -> Found:
    """Carry out a configuration in an empty store."""
    store = RunStore(home)
    row = create_run(store, config)
    with closing(Watched(engine_of(settings))) as engine:
        started = time.perf_counter()
        row = execute(store, row.id, engine=engine)
        seconds = time.perf_counter() - started
    if row.state != "done":
        raise RuntimeError(f"The run ended as {row.state}: {row.error}")
    return Found(seconds, engine.seconds, engine.in_units, RunRecord(store.run_folder(row.id)))


class Watched:
    """An engine, how many seconds it took for its units, and they where they were made."""

    def __init__(self, engine: Engine):
        self._engine, self.seconds, self.in_units = engine, 0.0, 0.0
        self.elsewhere, self.where, self.places = engine.elsewhere, engine.where, engine.places

    def results(
        self, job: Job, cache: UnitCache, works: Sequence[UnitWork], reporter: Reporter, tell: Tell
    ) -> Results:
        started = time.perf_counter()
        with closing(self._engine.results(job, cache, works, reporter, tell)) as results:
            for work, done in results:
                self.in_units += done.seconds
                yield work, done
        self.seconds += time.perf_counter() - started

    def close(self) -> None:
        self._engine.close()


def _require_same(expected: RunRecord, found: RunRecord) -> None:
    for name in ("estimated", "trained"):
        one, other = getattr(expected, name), getattr(found, name)
        if not np.array_equal(one.values, other.values):
            raise RuntimeError(f"The {name} scores differ from those that one process gives.")


@contextmanager
def cluster(folder: Path, n_workers: int) -> Iterator[str]:
    """A scheduler and so many workers, as processes of this machine; yields the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    worker = ("worker", address, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
    processes = [_spawn(folder, "scheduler", "--host", "127.0.0.1", "--port", str(port))]
    try:
        processes += [_spawn(folder, *worker) for _ in range(n_workers)]
        _wait_for_workers(address, n_workers)
        yield address
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def _spawn(folder: Path, *words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *words, "--no-dashboard"], cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _wait_for_workers(address: str, n_workers: int) -> None:
    from distributed import Client

    with Client(address, timeout="60s") as client:
        client.wait_for_workers(n_workers, timeout=60)


if __name__ == "__main__":
    main()
