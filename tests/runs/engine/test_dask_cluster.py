"""A real Dask cluster of two worker processes: the same numbers, also when a worker or the scheduler is lost."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gradtag_core.config import make_config
from gradtag_core.errors import Cancelled, InvalidInput, StoreError
from gradtag_core.progress import Reporter
from gradtag_core.runs.engine import dask_cluster, elsewhere
from gradtag_core.runs.engine.engine import EngineSettings, compute, engine_of
from gradtag_core.runs.engine.work import Job, stage_works
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.kept import plan_units
from gradtag_core.runs.start import create_run, execute, load_plan

pytest.importorskip("distributed")
pytestmark = pytest.mark.xdist_group("dask")
ROOT = Path(__file__).parents[3]


class Cluster:
    """A scheduler and two workers, each a process of its own."""

    def __init__(self, folder: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self._folder, self._n_logs = folder, 0
        self.workers: list[subprocess.Popen] = []
        self.start()

    def start(self) -> None:
        port = self.address.rpartition(":")[2]
        self.scheduler = self._spawn("scheduler", "--host", "127.0.0.1", "--port", port)
        for _ in range(2):
            self.add_worker()

    def add_worker(self) -> None:
        self.workers.append(
            self._spawn("worker", self.address, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
        )

    def _spawn(self, *words: str) -> subprocess.Popen:
        self._n_logs += 1
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        with (self._folder / f"{self._n_logs}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *words, "--no-dashboard"], cwd=self._folder, env=environment,
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def kill(self, process: subprocess.Popen) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            self.kill(process)
        self.workers.clear()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def engine(cluster):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dask_cluster, "FIRST_SECONDS", 60.0)
        engine = engine_of(EngineSettings(1, cluster.address))
    yield engine
    engine.close()


def test_a_worker_takes_no_profile_while_it_makes_a_unit(cluster, engine):
    def look():
        """The count of samples that the worker has taken, of now, after a while in a unit, and after another."""
        import time

        from distributed import get_worker

        from gradtag_core.runs.engine.elsewhere import _without_profile

        worker = get_worker()

        def samples(seconds):
            before = worker.digests_total["profile-duration"]
            time.sleep(seconds)
            return worker.digests_total["profile-duration"] > before

        running = samples(0.5)
        with _without_profile():
            time.sleep(0.2)  # for the event loop to hear of it
            paused = samples(0.5)
        with _without_profile():  # the next one, at once
            time.sleep(0.2)
            also_paused = samples(0.5)
        return running, paused, also_paused, samples(0.5)

    from distributed import Client

    with Client(cluster.address, set_as_default=False) as client:
        assert client.submit(look, pure=False).result(timeout=60) == (True, False, False, True)


def long_work(tmp_path, device="cpu"):
    config = make_config(
        None, suite="digits", n_tasks=4, base_epochs=1000, n_inits=3, n_subsets=6, subset_size=2
    )
    plan, cache = load_plan(config), UnitCache(tmp_path / "cache")
    return Job.of(plan, cache, device), cache, stage_works(plan, plan_units(plan))["train"]


def test_the_numbers_are_those_of_one_process(runner, engine, cluster, wait_until):
    wait_until(lambda: engine.where == f"on the Dask cluster at {cluster.address} (2 workers)", 60)
    record, _ = runner.run(engine)
    runner.assert_same(record)
    places = record.summary.places
    assert sum(places.values()) == runner.n_units and len(places) == 2
    assert all(place.startswith("tcp://127.0.0.1:") for place in places)


def test_a_cache_that_the_workers_do_not_see_is_told_at_once(engine, tmp_path):
    job, cache, works = long_work(tmp_path)
    other = replace(job, cache=str(tmp_path / "not shared"))
    with pytest.raises(StoreError, match=r"does not see the units .* storage that all workers share"):
        compute(engine, "Training", other, cache, works, Reporter())


def test_workers_of_another_version_are_refused(runner, engine, monkeypatch):
    versions = elsewhere.own_versions()
    monkeypatch.setattr(elsewhere, "own_versions", lambda: (*versions, ("python", "2.7")))
    store = runner.store()
    row = execute(store, create_run(store, runner.config).id, engine=engine)
    assert row.state == "failed" and row.error is not None
    assert "The worker tcp://127.0.0.1:" in row.error and "another version of `python`" in row.error


def test_a_gpu_that_no_worker_has_is_waited_for_and_cancelling_takes_less_than_a_second(engine, tmp_path):
    job, cache, works = long_work(tmp_path, "cuda")
    stop, heard, asked = threading.Event(), [], []

    def hear(progress):
        heard.append(progress.words)
        if progress.note:
            asked.append(time.monotonic())
            stop.set()

    with pytest.raises(Cancelled):
        compute(engine, "Training", job, cache, works, Reporter(hear, stop))
    assert time.monotonic() - asked[0] < 1
    assert heard[-1] == "Training (waiting for a worker with a GPU)"


def test_cancelling_does_not_wait_for_what_is_at_work(engine, tmp_path):
    job, cache, works = long_work(tmp_path)
    stop, asked = threading.Event(), []

    def set_when_busy():
        asked.append(time.monotonic())
        stop.set()

    threading.Timer(1.0, set_when_busy).start()
    with pytest.raises(Cancelled):
        compute(engine, "Training", job, cache, works, Reporter(cancel=stop))
    assert time.monotonic() - asked[0] < 1
    with pytest.raises(StoreError, match="does not see"):
        compute(engine, "Training", replace(job, cache=str(tmp_path / "other")), cache, works, Reporter())
    assert not any(cache.has(*work.unit[:3]) for work in works)  # the workers let go of what nobody wants


def test_a_worker_that_is_killed_and_a_scheduler_that_is_restarted_lose_nothing(runner, engine, cluster):
    finished, heard = {}, []

    def disturb(progress, fraction, seconds_left):
        heard.append(progress.note)
        if progress.stage == "Training small models" and len(cluster.workers) == 2:
            cluster.kill(cluster.workers.pop())
        if progress.stage == "Training subsets for real" and progress.done == 0 and not finished:
            finished.update(stamps())
            cluster.stop()
        if progress.note.startswith("waiting for the scheduler") and not cluster.workers:
            cluster.start()

    def stamps():
        units = (path for path in runner.newest.cache.root.rglob("*") if path.is_file())
        return {path: path.stat().st_mtime_ns for path in units if path.parent.parent.name != "engine"}

    record, _ = runner.run(engine, disturb)
    runner.assert_same(record)
    assert any(note.startswith("waiting for the scheduler at tcp://127.0.0.1:") for note in heard)
    assert len(finished) > 10 and finished.items() <= stamps().items()
    assert sum(record.summary.places.values()) == runner.n_units


def test_nobody_at_the_address_is_told_within_seconds(monkeypatch):
    monkeypatch.setattr(dask_cluster, "FIRST_SECONDS", 0.5)
    started = time.monotonic()
    with pytest.raises(InvalidInput, match=r"nobody answered at tcp://127.0.0.1:9"):
        engine_of(EngineSettings(1, "tcp://127.0.0.1:9"))
    assert time.monotonic() - started < 5


def test_a_missing_dask_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InvalidInput, match=r"pip install 'dask\[distributed\]'"):
        engine_of(EngineSettings(1, "tcp://127.0.0.1:8786"))


def test_a_scheduler_that_stays_away_is_given_up(engine, cluster, tmp_path, monkeypatch):
    """The last test: it ends the cluster."""
    monkeypatch.setattr(dask_cluster, "LOST_SECONDS", 0.5)
    cluster.stop()
    job, cache, works = long_work(tmp_path)
    with pytest.raises(StoreError, match=r"was lost and did not come back .* then resume"):
        compute(engine, "Training", job, cache, works, Reporter())
