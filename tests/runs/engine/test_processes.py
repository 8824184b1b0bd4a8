"""Several processes of this machine: the same numbers, and what becomes of those that die."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from gradtag_core.config import make_config
from gradtag_core.errors import Cancelled, GradTagError, InvalidInput
from gradtag_core.progress import Reporter
from gradtag_core.runs.engine import elsewhere
from gradtag_core.runs.engine.engine import EngineSettings, compute, engine_of
from gradtag_core.runs.engine.processes import Processes
from gradtag_core.runs.engine.work import Job, stage_works
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.kept import plan_units
from gradtag_core.runs.process import cancel, launch
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.start import create_run, create_study, create_sweep, execute, load_plan, run
from gradtag_core.runs.study_record import StudyRecord
from gradtag_core.runs.sweep_record import SweepRecord
from gradtag_core.study_config import make_study_config
from gradtag_core.sweep_config import make_sweep_config

pytestmark = pytest.mark.xdist_group("processes")
LONG = make_config(None, suite="digits", n_tasks=4, base_epochs=1000, n_inits=3, n_subsets=6, subset_size=2)


@pytest.fixture(scope="module")
def engine():
    engine = engine_of(EngineSettings(2))
    assert isinstance(engine, Processes)
    yield engine
    engine.close()


def pids(engine):
    """The processes that are alive."""
    started = (process for child in engine._children for process in child._context.started)
    return [process.pid for process in started if process.pid and process.is_alive()]


def lives(pid):
    """A zombie, which nobody has waited for, does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def long_work(tmp_path):
    plan, cache = load_plan(LONG), UnitCache(tmp_path / "cache")
    return Job.of(plan, cache, "cpu"), cache, stage_works(plan, plan_units(plan))["train"]


def test_the_numbers_are_those_of_one_process(runner, engine):
    before = sum(engine.places.values())
    record, store = runner.run(engine)
    runner.assert_same(record)
    assert sum(record.summary.places.values()) == runner.n_units == sum(engine.places.values()) - before
    assert len(record.summary.places) == 2
    store.delete(record.summary.id)
    left = [path.parent.parent.name for path in store.cache.root.rglob("*") if path.is_file()]
    assert left == [
        "engine"
    ]  # every unit was recorded as the run's; the mark stays until the engine is closed


def test_a_run_that_is_stopped_goes_on_where_it_was_and_a_process_that_is_killed_is_replaced(runner, engine):
    """Nothing that was finished is made again."""
    store, killed = runner.store(), []
    row = create_run(store, runner.config)

    def stop(progress, fraction, seconds_left):
        if progress.stage == "Training small models":
            raise Cancelled("Enough.")

    def kill(progress, fraction, seconds_left):
        if progress.stage == "Training subsets for real" and not killed:
            killed.extend(pids(engine)[:1])
            os.kill(killed[0], signal.SIGKILL)

    assert execute(store, row.id, stop, engine=engine).state == "cancelled"
    assert execute(store, store.reopen(row.id).id, kill, engine=engine).state == "done"
    record = RunRecord(store.run_folder(row.id))
    runner.assert_same(record)
    assert len(killed) == 1 and len(record.summary.places) > 1
    assert sum(record.summary.places.values()) == runner.n_units


@pytest.mark.slow
def test_a_study_and_a_sweep_have_the_same_results(runner, engine):
    study = make_study_config(suite="digits", n_tasks=4, width=8, epochs=1, methods="tag", seeds=1)
    base = runner.config.model_copy(update={"truth": 0, "n_inits": 1, "proxies_per_task": 0})
    sweep = make_sweep_config(base, {"proj_dim": [4, 8]})
    found = []
    for own in (None, engine):
        store = runner.store()
        queued = create_study(store, study), create_sweep(store, sweep)
        rows = [execute(store, row.id, engine=own) for row in queued]
        assert [row.state for row in rows] == ["done", "done"]
        methods, cells = StudyRecord(store.run_folder(rows[0].id)), SweepRecord(store.run_folder(rows[1].id))
        found.append((
            {(name, seed): one.test.tolist() for name, own in methods.results.items() for seed, one in own.items()},
            {index: (one.flops, one.gap, one.value("gain")) for index, one in cells.results.items()},
        ))  # fmt: skip
        if own:
            assert sum(methods.summary.places.values()) == len(found[0][0])
            assert cells.cell(0).summary.places and cells.cell(1).summary.places
    assert found[0] == found[1]


def test_a_method_that_fails_elsewhere_is_left_out_with_the_reason(runner, engine, monkeypatch):
    versions = elsewhere.own_versions()
    monkeypatch.setattr(elsewhere, "own_versions", lambda: (*versions, ("numpy", "0")))
    store = runner.store()
    config = make_study_config(suite="digits", n_tasks=4, width=8, epochs=1, methods="hoa", seeds=1)
    record = StudyRecord(store.run_folder(execute(store, create_study(store, config).id, engine=engine).id))
    assert record.results == {}
    assert all("another version of `numpy`" in reason for reason in record.summary.failed.values())


def test_a_unit_that_ends_its_process_three_times_is_an_error(tmp_path):
    job, cache, works = long_work(tmp_path)
    engine, done, killed = Processes(2), threading.Event(), set()

    def kill_all():
        while not done.wait(0.05):
            for pid in pids(engine):
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_all)
    killer.start()
    try:
        with pytest.raises(GradTagError, match="`base-models` ended its process 3 times"):
            compute(engine, "Training", job, cache, works[:1], Reporter())
    finally:
        done.set()
        killer.join()
        engine.close()
    assert len(killed) == 3


def test_cancelling_takes_less_than_a_second_and_leaves_no_process(tmp_path, engine):
    job, cache, works = long_work(tmp_path)
    stop, asked = threading.Event(), []

    def set_when_busy():
        asked.append(time.monotonic())
        stop.set()

    threading.Timer(1.0, set_when_busy).start()
    with pytest.raises(Cancelled):
        compute(engine, "Training", job, cache, works, Reporter(cancel=stop))
    assert time.monotonic() - asked[0] < 1
    assert pids(engine) == []


SCRIPT = """
import sys
from pathlib import Path
from gradtag_core.config import make_config
from gradtag_core.runs.engine.engine import EngineSettings, compute, engine_of
from gradtag_core.runs.engine.work import Job, stage_works
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.kept import plan_units
from gradtag_core.runs.start import load_plan
from gradtag_core.progress import Reporter
import threading

folder = Path(sys.argv[1])
with (folder / "began").open("a") as file:
    file.write("once ")
config = make_config(None, suite="digits", n_tasks=4, base_epochs=1000, n_inits=3, n_subsets=6, subset_size=2)
plan, cache, engine = load_plan(config), UnitCache(folder / "cache"), engine_of(EngineSettings(2))

def tell():
    (folder / "part").write_text(" ".join(str(one.pid) for child in engine._children for one in child._context.started))
    (folder / "part").rename(folder / "pids")

threading.Timer(2.0, tell).start()
compute(engine, "Training", Job.of(plan, cache, "cpu"), cache, stage_works(plan, plan_units(plan))["train"], Reporter())
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes as Linux shows them")  # noqa: PTH112
def test_children_end_with_a_parent_that_is_killed_and_do_not_run_its_script(tmp_path, wait_until):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = os.path.dirname(os.path.dirname(sys.modules["gradtag_core"].__path__[0] + "/"))  # noqa: PTH120
    parent = subprocess.Popen([sys.executable, script, tmp_path], env={**os.environ, "PYTHONPATH": root})
    try:
        wait_until((tmp_path / "pids").exists, 60)
        children = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        assert len(children) == 2 and all(map(lives, children))
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not any(map(lives, children)), 5)
    assert (tmp_path / "began").read_text() == "once "


def test_a_launched_worker_takes_the_environment_and_is_cancelled_with_its_processes(
    runner, monkeypatch, wait_until
):
    monkeypatch.setenv("GRADTAG_WORKERS", "2")
    store = runner.store()
    pid = launch(store, create_run(store, LONG).id)
    children = f"/proc/{pid}/task/{pid}/children"

    def own():
        with open(children) as file:  # noqa: PTH123
            return [int(child) for child in file.read().split()]

    wait_until(lambda: len(own()) >= 2, 60)  # the processes, and what cleans up their locks
    started, found = time.monotonic(), own()
    row = cancel(store, store.list("run")[0].id)
    assert row.state == "cancelled" and time.monotonic() - started < 2.5
    wait_until(lambda: not any(map(lives, found)), 3)


def test_threads_are_shared_out(tmp_path):
    engine = Processes(2)
    cores = len(os.sched_getaffinity(0))
    assert (engine._threads(0), engine._threads(3)) == (max(1, cores // 2), 3)
    assert Processes(4096)._threads(0) == 1
    engine.close()


def test_what_exists_in_code_alone_cannot_go_elsewhere(runner, small_suite, monkeypatch):
    monkeypatch.setenv("GRADTAG_WORKERS", "2")
    store, config = runner.store(), make_config(None, n_subsets=4, subset_size=2)
    with pytest.raises(InvalidInput, match=r"`workers` and `scheduler` must be left out .* in code alone"):
        run(config, store, suite=small_suite)
    assert store.list() == []
