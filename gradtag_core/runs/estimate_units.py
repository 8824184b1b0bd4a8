"""Estimated scores as units of work: fixed blocks of subsets."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradtag_core.affinity.estimate import EstimationSettings, Estimator, FeaturePair, estimate_kernel_scores
from gradtag_core.affinity.lifted import LiftedModel, lifted_scores
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset
from gradtag_core.cost import Cost

if TYPE_CHECKING:
    from gradtag_core.runs.units import Units

STAGE = "estimates"
Score = Callable[[Sequence[Subset]], SubsetScores]


class EstimateUnits:
    """The blocks of estimated scores at each base model of a plan: found in the cache, or computed and put there.

    Features, and what all regressions on them share, are made once for the blocks that are computed here; what that
    takes is charged to the first block, whoever computes it. The last ones are kept until `forget`.
    """

    def __init__(self, units: Units):
        self._units = units
        self._made: tuple[int, Score, Callable[[], Cost]] | None = None

    def forget(self) -> None:
        """Let go of what blocks share."""
        self._made = None

    def block(self, seed: int, index: int) -> tuple[np.ndarray, Cost]:
        """The scores of a block of subsets, (sum of their sizes, metrics), and what they cost."""
        units = self._units
        key = units.noted(STAGE, units.keys.estimate_block(seed, index))
        found = units.cache.get_arrays(STAGE, key)
        if found:
            arrays, metadata = found
            return arrays["values"], Cost(**json.loads(metadata["cost"]))
        score, shared = self._scorer(seed)
        scores = score(units.keys.subset_blocks[index])
        cost = scores.cost + shared() if index == 0 else scores.cost
        units.cache.put_arrays(STAGE, key, {"values": scores.values}, {"cost": json.dumps(cost.to_json())})
        return scores.values, cost

    def whole(self, seed: int) -> SubsetScores:
        """The estimated scores of every subset of the plan."""
        plan = self._units.plan
        blocks = [self.block(seed, index) for index in range(len(self._units.keys.subset_blocks))]
        self.forget()
        values, cost = np.concatenate([own for own, _ in blocks]), sum((own for _, own in blocks), Cost())
        return SubsetScores.of_seed(plan.suite.task_names, plan.subsets, values, seed, "estimated", cost)

    def _scorer(self, seed: int) -> tuple[Score, Callable[[], Cost]]:
        """What scores a block at this base model, and what all blocks share costs."""
        if self._made is None or self._made[0] != seed:
            self._made = None  # what it holds makes room first
            self._made = (seed, *self._new_scorer(seed))
        return self._made[1:]

    def _new_scorer(self, seed: int) -> tuple[Score, Callable[[], Cost]]:
        units, plan, config = self._units, self._units.plan, self._units.plan.config
        settings, names = EstimationSettings(**units.keys.estimation), plan.suite.task_names
        train, validation = units.features(seed)
        if config.scoring != "linear":
            model = LiftedModel(plan.suite, units.base_model(seed), units.device, config.parameters)
            # A projection is regenerated, not kept.
            lift = units.featurizer(seed).projection.lift if config.scoring == "paper" else None
            return (
                lambda subsets: lifted_scores(
                    model, train, subsets, settings, config.scoring, lift, units.reporter
                )
            ), Cost
        if config.projection == "identity":
            return (
                lambda subsets: estimate_kernel_scores(
                    train.projected, validation.projected, train, validation, subsets, names, settings, seed,
                    units.device, units.reporter,
                )
            ), Cost  # fmt: skip
        pair = FeaturePair(train, validation)
        estimator = Estimator([pair], names, settings, seed, units.device, units.reporter)
        return estimator.scores, lambda: estimator.cost
