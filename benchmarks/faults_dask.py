"""A real Dask cluster that loses workers and its scheduler while a run is on it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from random import Random

from benchmarks.faults_trial import END_SECONDS, Bench, Tally, Trial, environment

ROOT = Path(__file__).parents[1]
N_WORKERS = 2
MOST_WORKERS = 2  # killed in one run: a unit that ends its workers again and again is an error, and should be


class Cluster:
    """A scheduler and two workers, each a process of its own; `tend` replaces workers that have ended."""

    def __init__(self, folder: Path):
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self._folder, self._n_logs = folder, 0
        self.workers: list[subprocess.Popen[bytes]] = []
        self.start_scheduler()
        self.tend()

    def start_scheduler(self) -> None:
        port = self.address.rpartition(":")[2]
        self.scheduler = self._spawn("scheduler", "--host", "127.0.0.1", "--port", port)

    def tend(self) -> None:
        """As a supervisor would: workers that have ended are started again."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < N_WORKERS:
            words = ("worker", self.address, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
            self.workers.append(self._spawn(*words))

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            end(process)

    def _spawn(self, *words: str) -> subprocess.Popen[bytes]:
        self._n_logs += 1
        settings = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        with (self._folder / f"{self._n_logs}.log").open("wb") as log, environment(settings):
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *words, "--no-dashboard"], cwd=self._folder, env=dict(os.environ),
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def dask(bench: Bench) -> Iterator[Tally]:
    """A worker, then the scheduler, which is started again at the same address."""
    if find_spec("distributed") is None:
        yield Tally("Dask", skipped="`dask[distributed]` is not installed here.")
        return
    cluster, draws = Cluster(bench.folder / "dask"), bench.of("dask")
    try:
        yield _disturbed(bench, cluster, draws, Tally("Dask worker killed"), bench.share(10), MOST_WORKERS)
        yield _disturbed(bench, cluster, draws, Tally("Dask scheduler restarted"), bench.share(25), 1)
    finally:
        cluster.stop()


def _disturbed(bench: Bench, cluster: Cluster, draws: Random, tally: Tally, wanted: int, most: int) -> Tally:
    """Runs on the cluster with at most so many faults each."""
    while tally.faults < wanted and not tally.problems:
        with bench.trial({"GRADTAG_SCHEDULER": cluster.address}) as trial:
            trial.start()
            trial.watch(END_SECONDS, lambda: trial.row().stage)
            for _ in range(min(most, wanted - tally.faults)):
                if not trial.watch(draws.uniform(0, bench.seconds / 2)):
                    break
                trial.fault()
                if most == 1:
                    end(cluster.scheduler)
                    cluster.start_scheduler()
                else:
                    end(draws.choice(cluster.workers))
                    cluster.tend()
            _finish(trial, cluster)
            tally.judge(trial, bench.expected)
    return tally.closed()


def _finish(trial: Trial, cluster: Cluster) -> None:
    """Wait for the end, while workers that lost their scheduler end and are replaced."""
    trial.watch(END_SECONDS, cluster.tend)
    trial.finish()
