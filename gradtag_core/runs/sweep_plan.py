"""What a sweep will do, before it does it: its cells, their order, and what they share.

Needs no torch, so that a page can ask on every change of a knob.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gradtag_core.config import RunConfig, knob_facts
from gradtag_core.errors import InvalidInput
from gradtag_core.runs.command import command_line
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.kept import Kept, PlanUnits, Unit, plan_units, remaining, units_by_stage
from gradtag_core.runs.plan import Forecast, Plan, forecast, make_plan
from gradtag_core.runs.stages import STAGES, Stage
from gradtag_core.sweep_config import SweepConfig, cell_text, value_text
from gradtag_core.tasks.suite import TaskSuite


@dataclass(frozen=True)
class Cell:
    """One configuration of a sweep; `values` are those of its knobs."""

    values: Mapping[str, Any]
    config: RunConfig
    plan: Plan


@dataclass(frozen=True)
class SweepPlan:
    """`cells` are the grid, the last knob fastest; `base` is the position of the cell that others are compared with:
    that with the values of the base configuration, or the first one where the grid leaves them out."""

    config: SweepConfig
    cells: tuple[Cell, ...]
    base: int

    @property
    def order(self) -> tuple[int, ...]:
        """In which order to work: the base first, and those that share the most with each other together.

        The knob that changes the earlier stage varies more slowly, from the base's value on.
        """
        knobs = sorted(self.config.vary, key=_stage_index)
        base = self.cells[self.base].values

        def place(index: int) -> list[Any]:
            values = self.cells[index].values
            return [
                part
                for name in knobs
                for part in (values[name] != base[name], self.config.vary[name].index(values[name]))
            ]

        return tuple(sorted(range(len(self.cells)), key=place))


def make_sweep_plan(config: SweepConfig, load: Callable[[str, int | None], TaskSuite]) -> SweepPlan:
    """Plan every cell on the suite that `load(name, n_tasks)` gives; raises `InvalidInput` naming the knobs and values
    of the first cell that does not fit."""
    suites: dict[int | None, TaskSuite] = {}
    cells = []
    for values, own in config.cells():
        try:
            if own.n_tasks not in suites:
                suites[own.n_tasks] = load(own.suite, own.n_tasks)
            cells.append(Cell(values, own, make_plan(own, suites[own.n_tasks])))
        except InvalidInput as error:
            raise InvalidInput(f"The cell {cell_text(values)} cannot be run: {error}") from error
    present = {name: getattr(config.base, name) for name in config.vary}
    base = next((index for index, cell in enumerate(cells) if cell.values == present), None)
    if base is None:  # left open in the base, and named in the grid
        definite = config.base.for_tasks(cells[0].plan.suite.n_tasks)
        present = {name: getattr(definite, name) for name in config.vary}
        base = next((index for index, cell in enumerate(cells) if cell.values == present), 0)
    return SweepPlan(config, tuple(cells), base)


def sweep_command_line(config: SweepConfig) -> str:
    """`python -m gradtag_core sweep` with every value of the base that differs from its default."""
    words = shlex.split(command_line(config.base))
    words[words.index("run")] = "sweep"
    for name, values in config.vary.items():
        words += ["--vary", f"{name}={','.join(map(value_text, values))}"]
    return shlex.join(words)


@dataclass(frozen=True)
class StageForecast:
    """One stage of all cells: `units` if each cell ran by itself, `different` ones, and those of them that are `kept`
    already (None: not known, since the groups are not); the work and the seconds that are left, at most."""

    stage: Stage
    units: int
    different: int | None
    kept: int | None
    flops: float
    seconds: float | None


@dataclass(frozen=True)
class SweepForecast:
    """`by_cell` is what is left for each cell, in the order of the grid, after the cells that run before it."""

    stages: tuple[StageForecast, ...]
    by_cell: tuple[Forecast, ...]

    @property
    def flops(self) -> float:
        return sum(stage.flops for stage in self.stages)

    @property
    def seconds(self) -> float | None:
        known = [stage.seconds for stage in self.stages if stage.seconds is not None]
        return sum(known) if len(known) == len(self.stages) else None


@dataclass(frozen=True)
class SweepWork:
    """The forecast and the units of each cell by itself, and the order in which they are worked on."""

    cells: tuple[tuple[Forecast, PlanUnits], ...]
    order: tuple[int, ...]

    @classmethod
    def of(cls, plan: SweepPlan, rates: Mapping[str, float]) -> SweepWork:
        """`rates` are FLOPs per second by stage."""
        cells = tuple((forecast(cell.plan, rates), plan_units(cell.plan)) for cell in plan.cells)
        return cls(cells, plan.order)


def forecast_sweep(sweep: SweepWork, cache: UnitCache) -> SweepForecast:
    """What is left to compute, each unit counted once, with what the cache holds now."""
    seen: set[tuple[str, str]] = set()
    stages: dict[Stage, StageForecast] = {}
    by_cell: dict[int, Forecast] = {}
    for index in sweep.order:
        expected, units = sweep.cells[index]
        own = units_by_stage(units, cache)
        same_groups = units.grouping is not None and units.grouping[:2] in seen
        if units.grouping is not None:
            seen.add(units.grouping[:2])
        left: dict[Stage, Kept | None] = {}
        for work in expected.work:
            mine = own.get(work.stage)
            if mine is None:  # the groups of an equal cell are trained once
                n_units, n_new, n_kept = work.units, 0 if same_groups else work.units, None
            else:
                new = [unit for unit in mine if unit[:2] not in seen]
                seen.update(unit[:2] for unit in new)
                n_units, n_new = _count(mine), _count(new)
                n_kept = _count([unit for unit in new if cache.has(*unit[:3])])
            left[work.stage] = Kept(n_units, n_units - n_new + (n_kept or 0))
            stages[work.stage] = _added(stages.get(work.stage), work.stage, n_units, n_new, n_kept)
        by_cell[index] = remaining(expected, left)
        for work in by_cell[index].work:
            stages[work.stage] = _charged(stages[work.stage], work.flops, work.seconds)
    ordered = sorted(stages.values(), key=lambda stage: STAGES.index(stage.stage))
    return SweepForecast(tuple(ordered), tuple(by_cell[index] for index in range(len(sweep.cells))))


def _added(
    before: StageForecast | None, stage: Stage, units: int, different: int, kept: int | None
) -> StageForecast:
    if before is None:
        return StageForecast(stage, units, None if kept is None else different, kept, 0.0, 0.0)
    unknown = kept is None or before.kept is None or before.different is None
    return replace(
        before, units=before.units + units,
        different=None if unknown else (before.different or 0) + different,
        kept=None if unknown else (before.kept or 0) + (kept or 0),
    )  # fmt: skip


def _charged(before: StageForecast, flops: float, seconds: float | None) -> StageForecast:
    total = None if seconds is None or before.seconds is None else before.seconds + seconds
    return replace(before, flops=before.flops + flops, seconds=total)


def _count(units: tuple[Unit, ...] | list[Unit]) -> int:
    return sum(unit.count for unit in units)


def _stage_index(name: str) -> int:
    stage = knob_facts(RunConfig, name)["stage"]
    return STAGES.index(stage) if stage in STAGES else len(STAGES)
