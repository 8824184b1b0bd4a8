"""Carrying out a study: each method at each seed is a unit, found in the cache or computed and put there."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version

from gradtag_core.cost import forget_peak
from gradtag_core.errors import Cancelled, GradTagError
from gradtag_core.methods.protocol import MethodInfo, MethodResult, Setting, run_method
from gradtag_core.models.device import resolve_device
from gradtag_core.progress import Progress, Reporter
from gradtag_core.runs.engine.engine import Engine, InThisProcess
from gradtag_core.runs.engine.work import Job, UnitWork
from gradtag_core.runs.files import UnitCache, content_key
from gradtag_core.runs.kept import Unit
from gradtag_core.runs.pipeline import PACKAGES
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.study_forecast import expected_flops
from gradtag_core.runs.study_plan import StudyPlan
from gradtag_core.runs.study_record import Results, StudyRecord, StudySummary
from gradtag_core.training.trainer import Recipe

STAGE = "methods"
UNIT_FORMAT = 2  # raise it when a method's result changes for the same key

LATEST = 0.95  # of a unit that takes longer than expected

OnProgress = Callable[[Progress, float, float | None], None]


@dataclass
class Study:
    """Runs every method at every seed; what is finished is in the record at once, and never computed again.

    All methods run once before any runs a second time, the cheapest first. `on_progress` hears (what is being done,
    fraction of the study, seconds left); `on_unit` of each (stage, key) before it is looked up.
    """

    plan: StudyPlan
    cache: UnitCache
    record: StudyRecord
    on_progress: OnProgress = lambda progress, fraction, left: None
    reporter: Reporter = field(default_factory=Reporter)
    on_unit: Callable[[str, str], None] = lambda stage, key: None
    engine: Engine = field(default_factory=InThisProcess)

    def run(self, row: RunRow) -> None:
        """A method that fails in a way that we know is left out with the reason; the others go on."""
        summary, results = self._summary(row), Results()
        self.record.write(summary, results)
        expected = expected_flops(self.plan)
        order = sorted(self.plan.methods, key=lambda info: expected[info.name])
        units = [(info, seed) for seed in self.plan.config.all_seeds for info in order]
        if self.engine.elsewhere:
            summary = self._made_elsewhere(units, summary, results, expected)
        pace = Pace(expected, [info.name for info, _ in units])
        for done, (info, seed) in enumerate(units):
            self.reporter.check()
            if info.name in summary.failed:
                continue
            report = partial(self._report, info, seed, done, len(units), pace)
            report()
            started = time.perf_counter()
            try:
                result, known = self._result(info, seed, report)
            except Cancelled:
                raise
            except GradTagError as error:
                summary = replace(summary, failed={**summary.failed, info.name: str(error)})
                results.pop(info.name, None)
            else:
                results.setdefault(info.name, {})[seed] = result
                if not known:
                    pace.finished(info.name, time.perf_counter() - started)
                elif not result.estimated:  # whose cost is that of a search that was not run
                    pace.finished(info.name, result.cost.seconds)
            self.record.write(summary, results)
        self.on_progress(Progress("Done", len(units), len(units), 0.0), 1.0, 0.0)

    def _report(self, info: MethodInfo, seed: int, done: int, total: int, pace: Pace) -> None:
        place = self.plan.config.all_seeds.index(seed) + 1
        what = f"{info.title}, seed {place} of {self.plan.config.seeds}"
        self.on_progress(Progress(what, done, total), *pace.now(done))

    def _result(self, info: MethodInfo, seed: int, beat: Callable[[], None]) -> tuple[MethodResult, bool]:
        """What the method gives, and whether it was known before."""
        self.on_unit(STAGE, method_unit(self.plan, info.name, seed).key)
        return method_result(
            self.plan, self.cache, info.name, seed, self.reporter.heard_by(lambda progress: beat())
        )

    def _made_elsewhere(
        self, units: Sequence[tuple[MethodInfo, int]], summary: StudySummary, results: Results,
        expected: Mapping[str, float],
    ) -> StudySummary:  # fmt: skip
        """Have other processes make the results that are missing, recording each as it comes back; returns the
        summary with what failed."""
        works = method_works(self.plan, units)
        missing = [work for work in works if not self.cache.has(*work.unit[:3])]
        total, left = len(units), sum(expected[work.args[0]] for work in missing)
        all_flops, started, first = left or 1.0, time.perf_counter(), total - len(missing)
        done = first

        def report(note: str = "") -> None:
            share = 1 - left / all_flops
            seconds = (
                (time.perf_counter() - started) / share - (time.perf_counter() - started) if share else None
            )
            what = Progress("Running the methods", done, total, None, note)
            self.on_progress(what, (first + share * (total - first)) / total, seconds)

        for work in missing:
            self.on_unit(STAGE, work.unit.key)
        report()
        job = Job.of(self.plan, self.cache, str(resolve_device(self.plan.config.device)))
        with closing(self.engine.results(job, self.cache, missing, self.reporter, report)) as finished:
            for work, one in finished:
                name, seed = work.args
                done, left = done + 1, left - expected[name]
                if one.error is not None:
                    summary = replace(summary, failed={**summary.failed, name: one.error})
                    results.pop(name, None)
                elif name not in summary.failed:
                    found, _ = method_result(self.plan, self.cache, name, seed, self.reporter)
                    results.setdefault(name, {})[seed] = found
                    places = {**summary.places, one.place: summary.places.get(one.place, 0) + 1}
                    summary = replace(summary, places=places)
                self.record.write(summary, results)
                report()
        return summary

    def _summary(self, row: RunRow) -> StudySummary:
        plan = self.plan
        return StudySummary(
            id=row.id, name=row.name, suite=row.suite, command=row.command, created=row.created, config=row.config,
            task_names=plan.suite.task_names, fingerprint=plan.suite.fingerprint,
            versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
            device=str(resolve_device(plan.config.device)), planned=tuple(info.name for info in plan.methods),
            naive_flops=plan.naive_flops, left_out=dict(plan.left_out),
            places=self.record.summary.places if self.record.has_summary else {},
        )  # fmt: skip


def method_unit(plan: StudyPlan, name: str, seed: int) -> Unit:
    """Where the cache keeps what a method gives at a seed."""
    key = content_key(
        UNIT_FORMAT, STAGE, plan.suite.fingerprint, resolve_device(plan.config.device).type,
        plan.architecture.to_json(), asdict(_recipe(plan)), plan.n_groups, plan.config.metric, plan.search_flops,
        name, seed,
    )  # fmt: skip
    return Unit(STAGE, key, "json")


def method_works(plan: StudyPlan, units: Sequence[tuple[MethodInfo, int]]) -> list[UnitWork]:
    """The work behind methods at seeds."""
    return [UnitWork(STAGE, (info.name, seed), method_unit(plan, info.name, seed)) for info, seed in units]


def method_result(
    plan: StudyPlan, cache: UnitCache, name: str, seed: int, reporter: Reporter | None = None
) -> tuple[MethodResult, bool]:
    """What a method gives at a seed, and whether it was known before; else it is computed and kept."""
    key, config = method_unit(plan, name, seed).key, plan.config
    found = cache.get_json(STAGE, key)
    if found is not None:
        return MethodResult.from_json(found), True
    setting = Setting(
        plan.suite, plan.architecture, _recipe(plan), resolve_device(config.device), plan.n_groups, seed,
        config.metric, config.threads, plan.search_flops, reporter or Reporter(),
    )  # fmt: skip
    setting.trainer  # noqa: B018 (what all methods share is no part of the first one's time)
    forget_peak()
    result = run_method(name, setting)
    cache.put_json(STAGE, key, result.to_json())
    return result, False


def _recipe(plan: StudyPlan) -> Recipe:
    config = plan.config
    return Recipe(config.epochs, config.learning_rate, config.batch_size, config.weighting)


class Pace:
    """The fraction of a study that is done and the seconds left: of a method that has run, by what it took, and of the
    others by the forecast at the speed of those."""

    def __init__(self, expected: Mapping[str, float], names: Sequence[str]):
        """`expected` FLOPs of each method; `names` of the units in order."""
        self._expected, self._names = expected, names
        self._seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    def finished(self, name: str, seconds: float) -> None:
        """A unit of that method takes that many seconds."""
        self._seconds[name] = seconds
        self._started = time.perf_counter()

    def now(self, done: int) -> tuple[float, float | None]:
        """The fraction and the seconds left (None: nothing has run yet) while the unit after the first `done` runs."""
        known = sum(self._expected[name] for name in self._seconds)
        if not known:
            return 0.0, None
        speed = sum(self._seconds.values()) / known
        each = [self._seconds.get(name, self._expected[name] * speed) for name in self._names]
        here = min(LATEST * each[done], time.perf_counter() - self._started)
        spent, total = sum(each[:done]) + here, sum(each)
        return (spent / total, total - spent) if total else (1.0, 0.0)
