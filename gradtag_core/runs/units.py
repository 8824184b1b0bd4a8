"""Units of work, each a pure function of stored inputs: found in the cache, or computed and put there.

Equal work has equal keys (`unit_keys`), so that it is never done twice, in whatever run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from gradtag_core.affinity.scores import SubsetScores, scores_to_json
from gradtag_core.affinity.subsets import Subset
from gradtag_core.cost import Cost
from gradtag_core.gradients.features import Featurizer, GradientFeatures
from gradtag_core.grouping.result import Grouping
from gradtag_core.models.device import resolve_device
from gradtag_core.progress import Reporter
from gradtag_core.runs.estimate_units import EstimateUnits
from gradtag_core.runs.feature_units import FeatureUnits
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.plan import Plan
from gradtag_core.runs.unit_keys import Unit, UnitKeys, trained_key
from gradtag_core.tasks.suite import Split
from gradtag_core.training.trainer import BaseModel, Recipe, Trainer


class Units:
    """The units of one plan; `on_unit(stage, key)` hears of each before it is looked up."""

    def __init__(self, plan: Plan, cache: UnitCache, reporter: Reporter, on_unit: Callable[[str, str], None]):
        self.plan = plan
        self.cache = cache
        self.reporter = reporter
        self.device = resolve_device(plan.config.device)
        self.keys = UnitKeys(plan, self.device.type)
        self._on_unit = on_unit
        self._trainer: Trainer | None = None
        self._features = FeatureUnits(self)
        self._estimates = EstimateUnits(self)

    @property
    def trainer(self) -> Trainer:
        if self._trainer is None:
            self._trainer = Trainer(self.plan.suite, self.plan.architecture, self.device)
        return self._trainer

    def key(self, stage: str, *parts: Any) -> str:
        """The key of a unit that follows from `parts` on this suite and device."""
        return self.noted(stage, self.keys.key(stage, *parts))

    def noted(self, stage: str, key: str) -> str:
        """The key, after telling of it."""
        self._on_unit(stage, key)
        return key

    def recipe(self, epochs: int) -> Recipe:
        """How this plan trains, for a number of epochs."""
        return Recipe(**self.keys.recipe(epochs))

    # Base models

    def base_model_key(self, seed: int) -> str:
        return self.noted("base-models", self.keys.base_model(seed))

    def base_model(self, seed: int) -> BaseModel:
        """A model trained on all tasks."""
        key = self.base_model_key(seed)
        found = self.cache.get_arrays("base-models", key)
        if found:
            arrays, metadata = found
            weights = {name: torch.from_numpy(array) for name, array in arrays.items()}
            return BaseModel(self.plan.architecture, weights, seed, _cost(metadata))
        everything = range(self.plan.suite.n_tasks)
        base = self.trainer.fit(
            everything, self.recipe(self.plan.config.base_epochs), seed, reporter=self.reporter
        )
        arrays = {name: tensor.numpy() for name, tensor in base.weights.items()}
        self.cache.put_arrays("base-models", key, arrays, _with_cost(base.cost))
        return base

    def base_scores(self, seed: int) -> np.ndarray:
        """Every metric of a base model on each task's validation split: (n, metrics)."""
        key = self.noted("base-scores", self.keys.base_scores(seed))
        found = self.cache.get_json("base-scores", key)
        if found is None:
            everything = range(self.plan.suite.n_tasks)
            found = scores_to_json(self.trainer.score(self.base_model(seed), everything, "validation"))
            self.cache.put_json("base-scores", key, found)
        return np.array(found, dtype=np.float64)

    # Projected gradients

    def feature_shards(self, seed: int) -> tuple[Unit, ...]:
        """The units that the features of a base model are put together from."""
        return self.keys.feature_shards(seed)

    def feature_shard(self, seed: int, shard: int) -> tuple[GradientFeatures, GradientFeatures]:
        """Those of the training and validation rows of one range of examples."""
        self._estimates.forget()
        return self._features.shard(seed, shard)

    def features(self, seed: int) -> tuple[GradientFeatures, GradientFeatures]:
        """Logits and projected gradients of the training and validation rows at the base model of `seed`; without a
        projection, their inner products with the training gradients in place of projected ones."""
        return self._features.whole(seed)

    def features_facts(self, seed: int) -> tuple[Cost, float, tuple[str, ...]]:
        """What the features of a base model cost, the share of the validation gradients' energy that they keep, and
        warnings; computes them where absent."""
        return self._features.facts(seed)

    def featurizer(self, seed: int) -> Featurizer:
        """What took the features, with its projection."""
        return self._features.featurizer(seed)

    # Estimated scores

    def estimate_blocks(self, seed: int) -> tuple[Unit, ...]:
        """The units that the estimated scores at a base model are put together from."""
        return self.keys.estimate_blocks(seed)

    def estimate_block(self, seed: int, block: int) -> tuple[np.ndarray, Cost]:
        """The scores of one block of subsets, (sum of their sizes, metrics), and what they cost."""
        self._features.forget()
        return self._estimates.block(seed, block)

    def estimated(self, seed: int) -> SubsetScores:
        """The estimated scores of every subset of the plan at the base model of `seed`."""
        return self._estimates.whole(seed)

    # Groups

    def grouping(self, solve: Callable[[], Grouping]) -> Grouping:
        """The groups that `solve` finds, kept so that a forecast can tell which models are trained already."""
        key = self.noted("groupings", self.keys.grouping())
        found = self.cache.get_json("groupings", key)
        if found is not None:
            return Grouping.from_json(found)
        grouping = solve()
        self.cache.put_json("groupings", key, grouping.to_json())
        return grouping

    # Real training

    def trained(self, subset: Subset, seed: int) -> tuple[dict[Split, np.ndarray], Cost]:
        """Train on a subset from scratch; scores of its tasks on validation and test, (tasks, metrics) each."""
        recipe = self.recipe(self.plan.config.epochs)
        key = self.noted("trained", trained_key(self.keys.trained_parts(seed), subset))
        found = self.cache.get_json("trained", key)
        if found is None:
            model = self.trainer.fit(subset, recipe, seed, reporter=self.reporter)
            scores = {
                split: scores_to_json(self.trainer.score(model, subset, split))
                for split in ("validation", "test")
            }
            found = {"scores": scores, "cost": model.cost.to_json()}
            self.cache.put_json("trained", key, found)
        splits: dict[Split, np.ndarray] = {
            split: np.array(found["scores"][split], dtype=np.float64) for split in ("validation", "test")
        }
        return splits, Cost(**found["cost"])


def _with_cost(cost: Cost) -> dict[str, str]:
    return {"cost": json.dumps(cost.to_json())}


def _cost(metadata: dict[str, str]) -> Cost:
    return Cost(**json.loads(metadata["cost"]))
