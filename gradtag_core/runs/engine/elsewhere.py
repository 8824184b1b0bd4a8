"""What runs in the process that makes a unit for another one."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradtag_core.config import read_config
from gradtag_core.errors import GradTagError, InvalidInput, StoreError
from gradtag_core.progress import Reporter
from gradtag_core.runs.engine.shared_cache import cache_at
from gradtag_core.runs.engine.work import ERRORS, MARKS, NOT_SHARED, Job, UnitDone, UnitOrder, compute_unit
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.plan import Plan
from gradtag_core.study_config import make_study_config

if TYPE_CHECKING:
    from gradtag_core.runs.study_plan import StudyPlan
    from gradtag_core.runs.units import Units

SAME_PACKAGES = ("torch", "numpy", "scipy")  # another version of these changes the numbers
SHOWN = ("cli", "figures", "report")  # rooms that compute nothing
LOOK_SECONDS = 0.5  # between two looks whether a unit is still wanted
_one_at_a_time = threading.Lock()  # threads and device belong to the process, not to one unit
_taken_back = threading.Event()


def compute_elsewhere(order: UnitOrder) -> UnitDone:
    """Make a unit in this process, which is not the one that asks; one at a time, with the threads of the job.

    Errors of ours come back in words. Others are raised: they are bugs, or faults of this machine.
    """
    started, place = time.perf_counter(), this_place()
    try:
        with _one_at_a_time, _until_taken_back(), _without_profile():
            damaged = _computed(order, place)
    except GradTagError as error:
        kind = next((name for name, known in ERRORS.items() if isinstance(error, known)), "")
        return UnitDone(place, time.perf_counter() - started, (), str(error), kind)
    return UnitDone(place, time.perf_counter() - started, damaged)


def _computed(order: UnitOrder, place: str) -> tuple[str, ...]:
    """Make the unit unless it is there; returns the damaged files that were found on the way."""
    _require_same_versions(order.versions, place)
    job, work = order.job, order.work
    os.environ["GRADTAG_HOME"] = job.home  # where the registry looks for suites of the user
    cache, damaged = _cache(job), ()
    if job.mark and cache.get_json(MARKS, job.mark) is None:
        raise StoreError(f"The worker {place} does not see the units in `{job.cache}`. {NOT_SHARED}")
    if cache.has(*work.unit[:3]):
        return ()

    from gradtag_core.models.device import limited_threads

    with limited_threads(job.threads):
        if job.is_study:
            from gradtag_core.runs.study import method_result

            method_result(_study_plan(job), cache, *work.args, reporter=Reporter(cancel=_taken_back))
        else:
            units = _units(job)
            cache = units.cache
            before = len(cache.damaged)
            compute_unit(units, work)
            damaged = tuple(path.name for path in cache.damaged[before:])
    if not cache.has(*work.unit[:3]):
        raise StoreError(
            f"The worker {place} made a unit of `{work.kind}` under another name than `{work.unit.key}`: its device or "
            "its libraries differ from those of the process that asked."
        )
    return damaged


@lru_cache(maxsize=2)
def _cache(job: Job) -> UnitCache:
    """The cache of a job as this process sees it; local copies of one that has a URL lie in the store if it is here."""
    home = Path(job.home)
    local = home / "cache" if os.access(home, os.W_OK) else None
    return cache_at(job.cache, local)


@lru_cache(maxsize=2)
def _units(job: Job) -> Units:
    """Those of a job, kept with the suite and the trainer from one order to the next."""
    from gradtag_core.runs.start import load_plan
    from gradtag_core.runs.units import Units

    with _found_suite(job):
        plan = load_plan(read_config(json.loads(job.config)))
    _require_same_suite(job, plan)
    return Units(plan, _cache(job), Reporter(cancel=_taken_back), lambda stage, key: None)


@lru_cache(maxsize=2)
def _study_plan(job: Job) -> StudyPlan:
    from gradtag_core.runs.start import load_study_plan

    with _found_suite(job):
        plan = load_study_plan(make_study_config(**json.loads(job.config)))
    _require_same_suite(job, plan)
    return plan


@contextmanager
def _found_suite(job: Job) -> Iterator[None]:
    """A configuration that was good where it was made can fail here for what is missing here alone."""
    try:
        yield
    except GradTagError as error:
        raise StoreError(
            f"The worker {this_place()} cannot make the plan in `{job.home}`: {error} {NOT_SHARED}"
        ) from error


def _require_same_suite(job: Job, plan: Plan | StudyPlan) -> None:
    if plan.suite.fingerprint != job.fingerprint:
        raise StoreError(
            f"The worker {this_place()} finds other content in the suite `{plan.suite.name}` than the process that "
            f"asked. {NOT_SHARED}"
        )


@contextmanager
def _until_taken_back() -> Iterator[None]:
    """Watch whether Dask still wants what it is doing here: it interrupts nothing by itself."""
    _taken_back.clear()
    worker = _dask_worker()
    if worker is None:
        yield
        return
    tasks, key, done = worker.state.tasks, worker.get_current_task(), threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_SECONDS):
            if key not in tasks or tasks[key].state == "cancelled":
                _taken_back.set()

    watcher = threading.Thread(target=watch, name="is it still wanted", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


@contextmanager
def _without_profile() -> Iterator[None]:
    """Pause the profile that a Dask worker takes of its threads a hundred times a second: each time it takes the
    interpreter from the unit, whose steps are shorter than that where models are small."""
    worker = _dask_worker()
    profile = None if worker is None else worker.periodic_callbacks.get("profile")
    if worker is None or profile is None:
        yield
        return

    def go_on() -> None:
        if worker.status.name in ("running", "paused"):
            profile.start()

    worker.loop.add_callback(profile.stop)
    try:
        yield
    finally:
        worker.loop.add_callback(go_on)


def _dask_worker() -> Any:
    """The Dask worker that this runs in, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is not None:
        with suppress(ValueError):  # not called by a worker
            return distributed.get_worker()
    return None


def this_place() -> str:
    """What names this process: the address of a Dask worker, or the machine and the number of the process."""
    worker = _dask_worker()
    return f"{platform.node()}, process {os.getpid()}" if worker is None else worker.address


@lru_cache(maxsize=1)
def own_versions() -> tuple[tuple[str, str], ...]:
    """What must be the same in two processes for the same numbers: Python, this package's source, and libraries."""
    source = hashlib.sha256()
    package = Path(__file__).resolve().parents[2]
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if name.parts[0] not in SHOWN:
            source.update(name.as_posix().encode() + path.read_bytes())
    python = ".".join(platform.python_version_tuple()[:2])
    # A build for another device has the same version before the plus sign.
    packages = [(name, version(name).partition("+")[0]) for name in SAME_PACKAGES]
    return (("gradtag_core", source.hexdigest()[:12]), ("python", python), *packages)


def _require_same_versions(asked: tuple[tuple[str, str], ...], place: str) -> None:
    here = dict(own_versions())
    for name, wanted in asked:
        if here.get(name) != wanted:
            raise InvalidInput(
                f"The worker {place} has another version of `{name}`, {here.get(name)}, than the process that asked, "
                f"{wanted}. Install the same on both, then start the worker again."
            )
