"""Carrying out a study: each method at each seed is a unit, found in the cache or computed and put there."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version

from gradtag_core.cost import forget_peak
from gradtag_core.errors import Cancelled, GradTagError
from gradtag_core.methods.protocol import MethodInfo, MethodResult, Setting, run_method
from gradtag_core.models.device import resolve_device
from gradtag_core.progress import Progress, Reporter
from gradtag_core.runs.files import UnitCache, content_key
from gradtag_core.runs.pipeline import PACKAGES
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.study_forecast import expected_flops
from gradtag_core.runs.study_plan import StudyPlan
from gradtag_core.runs.study_record import Results, StudyRecord, StudySummary
from gradtag_core.training.trainer import Recipe

STAGE = "methods"
UNIT_FORMAT = 1  # raise it when a method's result changes for the same key

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

    def run(self, row: RunRow) -> None:
        """A method that fails in a way that we know is left out with the reason; the others go on."""
        summary, results = self._summary(row), Results()
        self.record.write(summary, results)
        expected = expected_flops(self.plan)
        order = sorted(self.plan.methods, key=lambda info: expected[info.name])
        units = [(info, seed) for seed in self.plan.config.all_seeds for info in order]
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
        plan, config = self.plan, self.plan.config
        device = resolve_device(config.device)
        recipe = Recipe(config.epochs, config.learning_rate, config.batch_size, config.weighting)
        key = content_key(
            UNIT_FORMAT, STAGE, plan.suite.fingerprint, device.type, plan.architecture.to_json(), asdict(recipe),
            plan.n_groups, config.metric, plan.search_flops, info.name, seed,
        )  # fmt: skip
        self.on_unit(STAGE, key)
        found = self.cache.get_json(STAGE, key)
        if found is not None:
            return MethodResult.from_json(found), True
        setting = Setting(
            plan.suite, plan.architecture, recipe, device, plan.n_groups, seed, config.metric, config.threads,
            plan.search_flops, self.reporter.heard_by(lambda progress: beat()),
        )  # fmt: skip
        setting.trainer  # noqa: B018 (what all methods share is no part of the first one's time)
        forget_peak()
        result = run_method(info.name, setting)
        self.cache.put_json(STAGE, key, result.to_json())
        return result, False

    def _summary(self, row: RunRow) -> StudySummary:
        plan = self.plan
        return StudySummary(
            id=row.id, name=row.name, suite=row.suite, command=row.command, created=row.created, config=row.config,
            task_names=plan.suite.task_names, fingerprint=plan.suite.fingerprint,
            versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
            device=str(resolve_device(plan.config.device)), planned=tuple(info.name for info in plan.methods),
            naive_flops=plan.naive_flops, left_out=dict(plan.left_out),
        )  # fmt: skip


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
