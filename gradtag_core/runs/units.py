"""Units of work, each a pure function of stored inputs: found in the cache, or computed and put there.

Equal work has equal keys (`unit_keys`), so that it is never done twice, in whatever run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from gradtag_core.affinity.estimate import EstimationSettings, estimate_kernel_scores, estimate_scores
from gradtag_core.affinity.lifted import LiftedModel, lifted_scores
from gradtag_core.affinity.scores import SubsetScores, scores_to_json
from gradtag_core.affinity.subsets import Subset
from gradtag_core.cost import Cost
from gradtag_core.gradients.features import Featurizer, GradientFeatures
from gradtag_core.gradients.projection import make_projection
from gradtag_core.grouping.result import Grouping
from gradtag_core.models.device import resolve_device
from gradtag_core.progress import Reporter
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.plan import Plan
from gradtag_core.runs.unit_keys import UnitKeys, trained_key
from gradtag_core.tasks.suite import Rows, Split
from gradtag_core.training.trainer import BaseModel, Recipe, Trainer

SPLITS: tuple[Split, Split] = ("train", "validation")


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

    def features(self, seed: int) -> tuple[GradientFeatures, GradientFeatures]:
        """Logits and projected gradients of the training and validation rows at the base model of `seed`; without a
        projection, their inner products with the training gradients in place of projected ones."""
        key = self.noted("features", self.keys.features(seed))
        rows = {split: self.plan.suite.rows(split) for split in SPLITS}
        found = self.cache.get_arrays("features", key)
        if found:
            arrays, metadata = found
            facts = json.loads(metadata["facts"])
            train, validation = (
                GradientFeatures(
                    rows[split],
                    torch.from_numpy(arrays[f"{split}_logits"]),
                    torch.from_numpy(arrays[f"{split}_projected"]),
                    facts[split]["gradient_energy"],
                    Cost(**facts[split]["cost"]),
                    tuple(facts[split]["warnings"]),
                    self.plan.suite.kinds,
                    self.plan.architecture.outputs,
                )
                for split in SPLITS
            )
            return train, validation
        train, validation = self._computed_features(seed, rows["train"], rows["validation"])
        arrays, facts = {}, {}
        for split, made in zip(SPLITS, (train, validation), strict=True):
            arrays |= {f"{split}_logits": made.logits.numpy(), f"{split}_projected": made.projected.numpy()}
            facts[split] = {
                "gradient_energy": made.gradient_energy, "cost": made.cost.to_json(), "warnings": made.warnings,
            }  # fmt: skip
        self.cache.put_arrays("features", key, arrays, {"facts": json.dumps(facts)})
        return train, validation

    def _computed_features(
        self, seed: int, train_rows: Rows, validation_rows: Rows
    ) -> tuple[GradientFeatures, GradientFeatures]:
        exact = self.plan.config.projection == "identity"
        featurizer = self._featurizer(seed)
        fit_cost = featurizer.fit(train_rows, seed)
        train, validation = featurizer.featurize(train_rows), featurizer.featurize(validation_rows)
        train = replace(train, cost=train.cost + fit_cost)
        if not exact:
            return train, validation
        kernel, kernel_cost = featurizer.kernel(train_rows, train_rows)
        validation_kernel, validation_cost = featurizer.kernel(validation_rows, train_rows)
        return (
            replace(train, projected=kernel, cost=train.cost + kernel_cost),
            replace(validation, projected=validation_kernel, cost=validation.cost + validation_cost),
        )

    def _featurizer(self, seed: int) -> Featurizer:
        config = self.plan.config
        exact = config.projection == "identity"  # where only logits and inner products are asked for
        projection = (
            make_projection("factored", 1, seed)
            if exact
            else make_projection(config.projection, config.proj_dim, seed)
        )
        return Featurizer(
            self.plan.suite, self.base_model(seed), projection, self.device,
            self.reporter, config.parameters, None if config.memory is None else int(config.memory * 2**30),
            self.cache.root,
        )  # fmt: skip

    def features_facts(self, seed: int) -> tuple[Cost, float, tuple[str, ...]]:
        """What the features of a base model cost, the share of the validation gradients' energy that they keep, and
        warnings; computes them where absent."""
        train, validation = self.features(seed)
        exact = self.plan.config.projection == "identity"
        return train.cost + validation.cost, 1.0 if exact else validation.captured_energy, train.warnings

    # Estimated scores

    def estimated(self, seed: int) -> SubsetScores:
        """The estimated scores of every subset of the plan at the base model of `seed`."""
        plan = self.plan
        settings = EstimationSettings(**self.keys.estimation)
        key = self.noted("estimates", self.keys.estimates(seed))
        table = self.cache.get_arrays("estimates", key)
        if table:
            arrays, metadata = table
            values, cost = arrays["values"], _cost(metadata)
            return SubsetScores.of_seed(plan.suite.task_names, plan.subsets, values, seed, "estimated", cost)
        scores = self._computed_estimates(seed, settings)
        self.cache.put_arrays("estimates", key, {"values": scores.values}, _with_cost(scores.cost))
        return scores

    def _computed_estimates(self, seed: int, settings: EstimationSettings) -> SubsetScores:
        plan, config = self.plan, self.plan.config
        train, validation = self.features(seed)
        if config.scoring != "linear":
            model = LiftedModel(plan.suite, self.base_model(seed), self.device, config.parameters)
            lift = None
            if config.scoring == "paper":
                featurizer = self._featurizer(seed)
                featurizer.fit(train.rows, seed)  # a projection is regenerated, not kept
                lift = featurizer.projection.lift
            return lifted_scores(model, train, plan.subsets, settings, config.scoring, lift, self.reporter)
        common = (
            train,
            validation,
            plan.subsets,
            plan.suite.task_names,
            settings,
            seed,
            self.device,
            self.reporter,
        )
        if config.projection == "identity":
            return estimate_kernel_scores(train.projected, validation.projected, *common)
        return estimate_scores(*common)

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
