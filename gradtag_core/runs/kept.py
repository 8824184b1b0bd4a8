"""Which units of a plan the cache holds already, told from their keys alone: nothing is computed or read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradtag_core.affinity.subsets import Subset
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.plan import Forecast, Plan
from gradtag_core.runs.stages import Stage
from gradtag_core.runs.unit_keys import BLOCKS, Unit, UnitKeys, trained_key


@dataclass(frozen=True)
class PlanUnits:
    """The units of each stage of a plan.

    Which models the stage `groups` trains follows from the groups: `grouping` is the unit that has them, once a run
    has found them, and None where the plan trains none.
    """

    stages: Mapping[Stage, tuple[Unit, ...]]
    grouping: Unit | None
    trained_parts: tuple[Any, ...]
    n_tasks: int

    def group_units(self, groups: Sequence[Subset]) -> tuple[Unit, ...]:
        """The models of these groups, and that of all tasks."""
        subsets = dict.fromkeys([tuple(range(self.n_tasks)), *groups])
        return tuple(Unit("trained", trained_key(self.trained_parts, subset), "json") for subset in subsets)


@dataclass(frozen=True)
class Kept:
    """How many of a stage's units the cache holds."""

    units: int
    kept: int

    @property
    def share_left(self) -> float:
        return 1 - self.kept / self.units if self.units else 0.0


def plan_units(plan: Plan) -> PlanUnits:
    """The units that a run of the plan asks for, by stage."""
    keys, config = UnitKeys.of(plan), plan.config
    stages: dict[Stage, tuple[Unit, ...]] = {}
    if config.n_inits:
        seeds = config.init_seeds
        stages["train"] = tuple(Unit("base-models", keys.base_model(seed), "safetensors") for seed in seeds)
        stages["featurize"] = tuple(unit for seed in seeds for unit in keys.feature_shards(seed))
        stages["regress"] = tuple(unit for seed in seeds for unit in keys.estimate_blocks(seed))
    if plan.proxy_subsets:
        stages["proxies"] = tuple(Unit(BLOCKS, key, "json", count) for key, count in keys.proxies())
    if plan.truth_subsets:
        stages["truth"] = tuple(Unit(BLOCKS, key, "json", count) for key, count in keys.truth())
    grouping = Unit("groupings", keys.grouping(), "json") if config.train_groups else None
    parts = keys.trained_parts(config.truth_seeds[0])
    return PlanUnits(stages, grouping, parts, plan.suite.n_tasks)


def units_by_stage(units: PlanUnits, cache: UnitCache) -> dict[Stage, tuple[Unit, ...] | None]:
    """As `units.stages`, with those of the groups where the cache tells them, else None."""
    found: dict[Stage, tuple[Unit, ...] | None] = dict(units.stages)
    if units.grouping is not None:
        stored = cache.get_json("groupings", units.grouping.key)
        found["groups"] = None if stored is None else units.group_units(_groups(stored["labels"]))
    return found


def kept_units(units: PlanUnits, cache: UnitCache) -> dict[Stage, Kept | None]:
    """How many units of each stage the cache holds; None for a stage whose units are not known yet."""
    return {
        stage: None
        if own is None
        else Kept(sum(unit.count for unit in own), sum(unit.count for unit in own if cache.has(*unit[:3])))
        for stage, own in units_by_stage(units, cache).items()
    }


def remaining(forecast: Forecast, kept: Mapping[Stage, Kept | None]) -> Forecast:
    """The forecast of what is left to compute; all of a stage whose units are not known."""
    work = []
    for own in forecast.work:
        found = kept.get(own.stage)
        share = 1.0 if found is None else found.share_left
        seconds = None if own.seconds is None else own.seconds * share
        work.append(replace(own, flops=own.flops * share, seconds=seconds))
    return replace(forecast, work=tuple(work))


def _groups(labels: Sequence[int]) -> list[Subset]:
    n_groups = max(labels) + 1
    return [tuple(task for task, own in enumerate(labels) if own == group) for group in range(n_groups)]
