"""A unit of work as it is handed to another process: plain data that names it, and where what it needs lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gradtag_core.errors import GradTagError, InvalidInput, StoreError
from gradtag_core.runs.engine.shared_cache import address_of
from gradtag_core.runs.files import UnitCache, json_text
from gradtag_core.runs.kept import PlanUnits
from gradtag_core.runs.plan import Plan
from gradtag_core.runs.stages import Stage
from gradtag_core.runs.unit_keys import BLOCKS, Unit, blocks_of
from gradtag_core.study_config import StudyConfig
from gradtag_core.tasks.stored import home_folder

if TYPE_CHECKING:
    from gradtag_core.affinity.subsets import Subset
    from gradtag_core.runs.study_plan import StudyPlan
    from gradtag_core.runs.units import Units
    from gradtag_core.training.trainer import Trainer

MARKS = "engine"  # a file of this stage shows that a worker sees the same cache
NOT_SHARED = (
    "The store must be on storage that all workers share, under the same path: set GRADTAG_CACHE (for the units) and "
    "GRADTAG_HOME (for suites of your own) to folders on it, or GRADTAG_CACHE to a URL."
)


@dataclass(frozen=True)
class UnitWork:
    """One unit: the method of `Units` (or `methods`, of a study) that makes it, with its arguments, and where the
    cache keeps what it leaves."""

    kind: str
    args: tuple[Any, ...]
    unit: Unit


@dataclass(frozen=True)
class Job:
    """What the units of one plan have in common: `config` is JSON, of a study or of a run, `cache` a folder or a URL.
    `mark` is the key of a file in the cache that every worker must see."""

    is_study: bool
    config: str
    home: str
    cache: str
    fingerprint: str
    device: str
    threads: int
    mark: str = ""

    @classmethod
    def of(cls, plan: Plan | StudyPlan, cache: UnitCache, device: str) -> Job:
        """`device` is what `auto` came to here: the keys of the units name its type."""
        config = (
            plan.config if plan.config.device != "auto" else plan.config.model_copy(update={"device": device})
        )
        return cls(
            isinstance(config, StudyConfig), json_text(config.model_dump(mode="json")).decode(), str(home_folder()),
            address_of(cache), plan.suite.fingerprint, config.device, config.threads,
        )  # fmt: skip


@dataclass(frozen=True)
class UnitOrder:
    """A unit to be made by another process; `versions` are those of the process that asks."""

    job: Job
    work: UnitWork
    versions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class UnitDone:
    """What became of an order: where it ran, how long, which damaged files were found; or the sentence of an error
    of ours, and its type."""

    place: str
    seconds: float
    damaged: tuple[str, ...] = ()
    error: str | None = None
    error_type: str = ""

    def check(self) -> None:
        """Raise the error, if there was one."""
        if self.error is not None:
            raise ERRORS.get(self.error_type, GradTagError)(self.error)


ERRORS: Mapping[str, type[GradTagError]] = {"InvalidInput": InvalidInput, "StoreError": StoreError}


def stage_works(plan: Plan, units: PlanUnits) -> dict[Stage, tuple[UnitWork, ...]]:
    """The work behind the units of each stage but `groups`, which follow from the groups (`group_works`)."""
    kinds: dict[Stage, str] = {
        "train": "base-models",
        "featurize": "feature-shards",
        "regress": "estimate-blocks",
    }
    seeds, works = plan.config.init_seeds, {}
    for stage, own in units.stages.items():
        kind = kinds.get(stage, BLOCKS)
        if kind == BLOCKS:
            args = [(stage, index) for index in range(len(own))]
        else:  # one of each seed after the other
            args = [(seed, part) for seed in seeds for part in range(len(own) // len(seeds))]
        works[stage] = tuple(UnitWork(kind, arg, unit) for arg, unit in zip(args, own, strict=True))
    return works


def group_works(plan: Plan, units: PlanUnits, groups: Sequence[Subset]) -> tuple[UnitWork, ...]:
    """The models of these groups, and that of all tasks."""
    seed = plan.config.truth_seeds[0]
    subsets = dict.fromkeys([tuple(range(units.n_tasks)), *groups])
    own = units.group_units(groups)
    return tuple(UnitWork("trained", (subset, seed), unit) for subset, unit in zip(subsets, own, strict=True))


def compute_unit(units: Units, work: UnitWork) -> None:
    """Make one unit of a run and leave it in the cache; what it builds on is found there, or made as well."""
    makers: Mapping[str, Callable[..., object]] = {
        "base-models": lambda seed, _: units.base_model(seed),
        "feature-shards": units.feature_shard,
        "estimate-blocks": units.estimate_block,
        "trained": units.trained,
        BLOCKS: lambda stage, index: _train_block(units, stage, index),
    }
    makers[work.kind](*work.args)


def _train_block(units: Units, stage: Stage, index: int) -> None:
    """One block by itself has the key, and the numbers, that it has among all."""
    from gradtag_core.runs.training_blocks import TrainingBlocks

    plan, config = units.plan, units.plan.config
    recipe = units.recipe(config.epochs)
    if stage == "truth":
        step, subsets, seeds, trainer = 0, plan.truth_subsets, config.truth_seeds, units.trainer
    else:
        step, subsets, seeds = 1, plan.proxy_subsets, [config.proxy_seed]
        trainer = _proxy_trainer(units)
        recipe = replace(recipe, learning_rate=plan.proxy_learning_rate)
    block = blocks_of(subsets, seeds, step)[index]
    alone = TrainingBlocks(units, [subset for subset, _ in block], [block[0][1]], trainer, recipe, step)
    for _ in alone.train():
        pass


@lru_cache(maxsize=1)
def _proxy_trainer(units: Units) -> Trainer:
    from gradtag_core.training.trainer import Trainer

    return Trainer(units.plan.suite, units.plan.proxy_architecture, units.device)
