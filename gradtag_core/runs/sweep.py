"""Carrying out a sweep: each cell is a run of its own that finds in the cache what other cells have computed."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version

from gradtag_core.errors import Cancelled, GradTagError
from gradtag_core.models.device import limited_threads, resolve_device
from gradtag_core.progress import Progress, Reporter
from gradtag_core.runs.command import command_line
from gradtag_core.runs.engine.engine import Engine, InThisProcess
from gradtag_core.runs.files import UnitCache, content_key
from gradtag_core.runs.overall import NOMINAL_FLOPS_PER_SECOND, OverallProgress
from gradtag_core.runs.pipeline import PACKAGES, Pipeline
from gradtag_core.runs.plan import Forecast
from gradtag_core.runs.row import NAME_LENGTH, RunRow
from gradtag_core.runs.sweep_measures import CellResult, cell_result
from gradtag_core.runs.sweep_plan import Cell, SweepPlan, SweepWork, forecast_sweep
from gradtag_core.runs.sweep_record import Results, SweepRecord, SweepSummary, cell_record
from gradtag_core.runs.unit_keys import UnitKeys
from gradtag_core.runs.units import Units
from gradtag_core.sweep_config import cell_text

OnProgress = Callable[[Progress, float, float | None], None]
SMALLEST_SHARE = 0.05  # of the mean cell: also one that finds everything in the cache takes a moment


@dataclass
class Sweep:
    """Runs every cell; what is finished is in the record at once, and a sweep that is resumed keeps it.

    `rates` are FLOPs per second by stage. `on_progress` hears (what is being done, fraction of the sweep, seconds
    left); `on_unit` of each (stage, key) before it is looked up.
    """

    plan: SweepPlan
    cache: UnitCache
    record: SweepRecord
    rates: Mapping[str, float] = field(default_factory=dict)
    on_progress: OnProgress = lambda progress, fraction, left: None
    reporter: Reporter = field(default_factory=Reporter)
    on_unit: Callable[[str, str], None] = lambda stage, key: None
    engine: Engine = field(default_factory=InThisProcess)

    def run(self, row: RunRow) -> None:
        """A cell that fails in a way that we know is recorded with the reason, and the others go on."""
        summary, results = self._summary(row), self._known()
        self.record.write(summary, results)
        expected = forecast_sweep(SweepWork.of(self.plan, self.rates), self.cache).by_cell
        order = [index for index in self.plan.order if index not in results]
        pace = SweepPace([expected[index] for index in order])
        for done, index in enumerate(order):
            self.reporter.check()
            try:
                results[index] = self._cell(
                    row, index, Place(done, len(results) + len(summary.failed), expected[index]), pace
                )
            except Cancelled:
                raise
            except GradTagError as error:
                summary = replace(summary, failed={**summary.failed, index: str(error)})
            pace.finished(done)
            self.record.write(summary, results)
        if not results:
            raise GradTagError(f"No cell of the sweep could be run: {next(iter(summary.failed.values()))}")
        total = len(self.plan.cells)
        self.on_progress(Progress("Done", total, total, 0.0), 1.0, 0.0)

    def _known(self) -> Results:
        """The results of an earlier session, where the runs behind them are still there."""
        if not self.record.has_summary:
            return {}
        results = self.record.results
        return {index: found for index, found in results.items() if self.record.cell(index).has_summary}

    def _cell(self, row: RunRow, index: int, place: Place, pace: SweepPace) -> CellResult:
        cell, record = self.plan.cells[index], cell_record(self.record.folder, index)
        overall, total = OverallProgress(place.expected), len(self.plan.cells)

        def report(progress: Progress) -> None:
            within, left = overall(progress)
            what = f"Cell {place.before + 1} of {total}, {_words(cell)}: {progress.words.lower()}"
            self.on_progress(
                Progress(what, progress.done, progress.total), *pace.now(place.done, within, left)
            )

        reporter, started = self.reporter.heard_by(report), time.perf_counter()
        units = Units(cell.plan, self.cache, reporter, self.on_unit)
        with limited_threads(cell.config.threads):
            Pipeline(cell.plan, units, record, reporter, self.engine).run(_cell_row(row, index, cell))
        record.write_summary(replace(record.summary, seconds=time.perf_counter() - started))
        base = record if index == self.plan.base else cell_record(self.record.folder, self.plan.base)
        return cell_result(record, base if base.grouping is not None else None)

    def _summary(self, row: RunRow) -> SweepSummary:
        plan = self.plan
        return SweepSummary(
            id=row.id, name=row.name, suite=row.suite, command=row.command, created=row.created, config=row.config,
            fingerprint=fingerprint_of(plan),
            versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
            device=str(resolve_device(plan.config.base.device)), base=plan.base,
            truths=tuple(_truth_of(cell) for cell in plan.cells),
        )  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where a cell stands: how many were worked on in this session and in all, and what is left of it."""

    done: int
    before: int
    expected: Forecast


class SweepPace:
    """The fraction of the work that is done and the seconds left, from the forecasts of the cells, corrected by how
    long the finished ones took."""

    def __init__(self, expected: Sequence[Forecast]):
        seconds = [own.seconds for own in expected]
        self._known = None not in seconds
        weights = [
            sum(work.flops for work in own.work) / NOMINAL_FLOPS_PER_SECOND if own.seconds is None else own.seconds
            for own in expected
        ]  # fmt: skip
        smallest = SMALLEST_SHARE * sum(weights) / max(1, len(weights)) or 1.0
        self._weights = [max(weight, smallest) for weight in weights]
        self._started = time.perf_counter()
        self._speed: float | None = None

    def finished(self, done: int) -> None:
        """The cell after the first `done` has ended."""
        self._speed = (time.perf_counter() - self._started) / sum(self._weights[: done + 1])

    def now(self, done: int, within: float, seconds_left: float | None) -> tuple[float, float | None]:
        """(fraction, seconds left) while the cell after the first `done` works, of which `within` is done."""
        later = sum(self._weights[done + 1 :])
        fraction = (sum(self._weights[:done]) + within * self._weights[done]) / sum(self._weights)
        if self._speed is not None:
            return fraction, self._speed * (later + (1 - within) * self._weights[done])
        return fraction, later + seconds_left if self._known and seconds_left is not None else None


def fingerprint_of(plan: SweepPlan) -> str:
    """What tells the data of the cells, which may have different numbers of tasks."""
    return content_key(sorted({cell.plan.suite.fingerprint for cell in plan.cells}))


def _truth_of(cell: Cell) -> str | None:
    keys = UnitKeys.of(cell.plan).truth()
    return content_key([key for key, _ in keys], cell.config.metric) if keys else None


def _words(cell: Cell) -> str:
    return cell_text(cell.values).replace("`", "")


def _cell_row(row: RunRow, index: int, cell: Cell) -> RunRow:
    """The run that a cell would be by itself."""
    return replace(
        row, id=f"{row.id}-{index:03d}", name=f"{row.name}: {_words(cell)}"[:NAME_LENGTH], kind="run",
        config=cell.config.model_dump(), command=command_line(cell.config),
    )  # fmt: skip
