"""What names a unit of work: the content of everything that can change it.

Needs no torch, so that a page can ask on every change of a knob what is kept already.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import ScoringMode
from gradtag_core.models.architecture import Architecture
from gradtag_core.runs.files import content_key
from gradtag_core.runs.plan import Plan
from gradtag_core.runs.shard_bounds import shard_bounds

UNIT_FORMAT = 3  # raise it when a unit's content changes for the same key
BLOCK = 32  # subsets of one seed: what an interruption can cost, a few seconds of training each
BLOCKS = "trained-blocks"
TOLERANCE = 1e-4  # of the regressions
# Subsets of a block of estimates; of real forward passes fewer, each of which takes long.
ESTIMATED: dict[ScoringMode, int] = {"linear": 1024, "representer": 256, "paper": 256}


class Unit(NamedTuple):
    """Where the cache keeps a unit, and how many of the stage's units it stands for."""

    folder: str
    key: str
    suffix: str
    count: int = 1


Block = list[tuple[Subset, int]]  # subsets that are trained side by side, each with its seed


def device_type(name: str) -> str:
    """The type of `models.device.resolve_device(name)`, without torch where that cannot see a GPU anyway."""
    if name == "auto" and "torch" not in sys.modules and version("torch").endswith("+cpu"):
        return "cpu"
    if name == "cpu":
        return name
    from gradtag_core.models.device import resolve_device

    return resolve_device(name).type


def blocks_of(
    subsets: Sequence[Subset], seeds: Sequence[int], seed_step: int, size: int = BLOCK
) -> list[Block]:
    """Consecutive subsets of one seed, `size` to a block; subset i of a seed starts from seed + i · `seed_step`."""
    in_order = [
        [(subset, seed + index * seed_step) for index, subset in enumerate(subsets)] for seed in seeds
    ]
    return [work[start : start + size] for work in in_order for start in range(0, len(subsets), size)]


@dataclass(frozen=True)
class UnitKeys:
    """The keys of the units of a plan on a device of that type."""

    plan: Plan
    device: str

    @classmethod
    def of(cls, plan: Plan) -> UnitKeys:
        return cls(plan, device_type(plan.config.device))

    def key(self, stage: str, *parts: Any) -> str:
        """The key of a unit that follows from `parts` on this suite and device."""
        return content_key(UNIT_FORMAT, stage, self.plan.suite.fingerprint, self.device, *parts)

    def recipe(self, epochs: int, learning_rate: float | None = None) -> dict[str, Any]:
        """The fields of the `Recipe` with which this plan trains."""
        config = self.plan.config
        return {
            "epochs": epochs,
            "learning_rate": config.learning_rate if learning_rate is None else learning_rate,
            "batch_size": config.batch_size,
            "weighting": config.weighting,
        }

    def base_model(self, seed: int) -> str:
        recipe = self.recipe(self.plan.config.base_epochs)
        return self.key("base-models", self.plan.architecture.to_json(), recipe, seed)

    def base_scores(self, seed: int) -> str:
        return self.key("base-scores", self.base_model(seed))

    def features(self, seed: int) -> str:
        """What names the features of a base model as a whole, of which each shard is a unit."""
        config = self.plan.config
        dim = None if config.projection == "identity" else config.proj_dim
        return self.key("features", self.base_model(seed), config.projection, dim, config.parameters)

    @cached_property
    def shard_bounds(self) -> np.ndarray:
        """Shard i of the features is of the examples from bounds[i] to before bounds[i + 1]."""
        config, suite, outputs = self.plan.config, self.plan.suite, self.plan.architecture.outputs
        n_columns = config.proj_dim
        if config.projection == "identity":
            counts = suite.train_sizes
            n_columns = int(sum(count * own for count, own in zip(counts, outputs, strict=True)))
        return shard_bounds(suite, outputs, n_columns)

    def feature_shard(self, seed: int, shard: int) -> str:
        return self.key("features", self.features(seed), self.shard_bounds[shard : shard + 2].tolist())

    def feature_shards(self, seed: int) -> tuple[Unit, ...]:
        """The units of the features of a base model, in their order."""
        return tuple(
            Unit("features", self.feature_shard(seed, shard), "safetensors")
            for shard in range(len(self.shard_bounds) - 1)
        )

    @property
    def estimation(self) -> dict[str, Any]:
        """The fields of the `EstimationSettings` of this plan."""
        return {"l2": self.plan.config.l2, "weighting": self.plan.config.weighting, "tolerance": TOLERANCE}

    def estimates(self, seed: int) -> str:
        """What names the estimates at a base model as a whole, of which each block is a unit."""
        subsets, scoring = _subsets_key(self.plan.subsets), self.plan.config.scoring
        return self.key("estimates", self.features(seed), subsets, self.estimation, scoring)

    @cached_property
    def subset_blocks(self) -> tuple[tuple[Subset, ...], ...]:
        """The plan's subsets in the blocks in which they are estimated."""
        subsets, size = self.plan.subsets, ESTIMATED[self.plan.config.scoring]
        return tuple(subsets[start : start + size] for start in range(0, len(subsets), size))

    def estimate_block(self, seed: int, block: int) -> str:
        subsets, scoring = _subsets_key(self.subset_blocks[block]), self.plan.config.scoring
        return self.key("estimates", self.features(seed), subsets, self.estimation, scoring)

    def estimate_blocks(self, seed: int) -> tuple[Unit, ...]:
        """The units of the estimates at a base model, in their order."""
        return tuple(
            Unit("estimates", self.estimate_block(seed, block), "safetensors")
            for block in range(len(self.subset_blocks))
        )

    def block(
        self, architecture: Architecture, recipe: Mapping[str, Any], block: Block, seed_step: int
    ) -> str:
        """A block of real trainings: those side by side share their rounding, so each is in the key of all."""
        subsets = [list(subset) for subset, _ in block]
        return self.key(BLOCKS, architecture.to_json(), dict(recipe), block[0][1], subsets, seed_step)

    @property
    def proxy_recipe(self) -> dict[str, Any]:
        return self.recipe(self.plan.config.epochs, self.plan.proxy_learning_rate)

    def proxies(self) -> list[tuple[str, int]]:
        """The blocks of small models, each with its number of trainings."""
        plan = self.plan
        blocks = blocks_of(plan.proxy_subsets, [plan.config.proxy_seed], 1)
        return [
            (self.block(plan.proxy_architecture, self.proxy_recipe, block, 1), len(block)) for block in blocks
        ]

    def truth(self) -> list[tuple[str, int]]:
        """The blocks of really trained subsets, each with its number of trainings."""
        plan = self.plan
        recipe = self.recipe(plan.config.epochs)
        return [
            (self.block(plan.architecture, recipe, block, 0), len(block))
            for block in blocks_of(plan.truth_subsets, plan.config.truth_seeds, 0)
        ]

    def grouping(self) -> str:
        """The groups follow from the estimates and the small models, whose contents follow from their keys."""
        config = self.plan.config
        estimates = [self.estimates(seed) for seed in config.init_seeds]
        small = [key for key, _ in self.proxies()] if self.plan.proxy_subsets else []
        return self.key(
            "groupings", estimates, small, config.seed, config.metric, config.n_groups, config.rounding,
            config.rounding_threshold,
        )  # fmt: skip

    def trained_parts(self, seed: int) -> tuple[Any, ...]:
        """What the key of a training from scratch depends on beside its subset."""
        recipe = self.recipe(self.plan.config.epochs)
        return (UNIT_FORMAT, "trained", self.plan.suite.fingerprint, self.device,
                self.plan.architecture.to_json(), recipe, seed)  # fmt: skip


def trained_key(parts: tuple[Any, ...], subset: Sequence[int]) -> str:
    """The key of training on a subset, from `UnitKeys.trained_parts`."""
    return content_key(*parts, list(subset))


@lru_cache(maxsize=1024)
def _subsets_key(subsets: tuple[Subset, ...]) -> str:
    return content_key([list(subset) for subset in subsets])
