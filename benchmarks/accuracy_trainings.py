"""Real trainings of subsets for the accuracy benchmark, from scratch or from a base model, in blocks that are kept."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import numpy as np

from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset
from gradtag_core.cost import Cost
from gradtag_core.progress import Reporter
from gradtag_core.runs.training_blocks import BLOCK, TrainingBlocks
from gradtag_core.runs.units import Units
from gradtag_core.training.trainer import Recipe, Trainer

TruthKind = Literal["scratch", "finetuned"]

FINE_TUNED = "accuracy-fine-tuned"  # the stage of the cache


@dataclass(frozen=True)
class Trainings:
    """The scores of some subsets on one seed, and what each training cost; `overhead` comes once, before the first."""

    scores: SubsetScores
    costs: tuple[Cost, ...]
    overhead: Cost = field(default_factory=Cost)

    def first(self, n_subsets: int) -> SubsetScores:
        """The scores of the first subsets, with what those cost."""
        kept = self.scores.only(self.scores.subset < n_subsets)
        cost = sum(self.costs[:n_subsets], self.overhead)
        return replace(kept, subsets=self.scores.subsets[:n_subsets], cost=cost)

    def affordable(self, flops: float) -> int:
        """How many of the first subsets `flops` pay for."""
        spent = self.overhead.flops + np.cumsum([cost.flops for cost in self.costs])
        return int(np.searchsorted(spent, flops, side="right"))


def from_scratch(
    units: Units, subsets: Sequence[Subset], seed: int, reporter: Reporter, title: str,
    trainer: Trainer | None = None, recipe: Recipe | None = None, seed_step: int = 0,
) -> Trainings:  # fmt: skip
    """Train each subset from scratch; trainer, recipe and seeds are as in `TrainingBlocks`."""
    blocks = TrainingBlocks(units, subsets, [seed], trainer, recipe, seed_step)
    for _ in reporter.track(title, blocks.train(), blocks.n_trainings, blocks.n_done):
        pass
    return Trainings(blocks.scores(), tuple(blocks.costs))


def fine_tuned(
    units: Units, subsets: Sequence[Subset], seed: int, reporter: Reporter, title: str,
    base_seed: int | None = None,
) -> Trainings:  # fmt: skip
    """Train each subset from the base model of `base_seed` (None: of `seed`), one at a time."""
    base_seed = seed if base_seed is None else base_seed
    base = units.base_model(base_seed)
    recipe = units.recipe(units.plan.config.epochs)
    values: list[np.ndarray] = []
    costs: list[Cost] = []
    starts = range(0, len(subsets), BLOCK)
    for start in reporter.track(title, starts, len(starts)):
        block = [list(subset) for subset in subsets[start : start + BLOCK]]
        key = units.key(FINE_TUNED, units.base_model_key(base_seed), asdict(recipe), seed, block)
        found = units.cache.get_json(FINE_TUNED, key)
        if found is None:
            models = [units.trainer.fit(subset, recipe, seed, base, reporter) for subset in block]
            scored = [
                units.trainer.score(model, subset, "validation").tolist()
                for model, subset in zip(models, block, strict=True)
            ]
            found = {"scores": scored, "costs": [model.cost.to_json() for model in models]}
            units.cache.put_json(FINE_TUNED, key, found)
        values += [np.array(scores) for scores in found["scores"]]
        costs += [Cost(**cost) for cost in found["costs"]]
    names = units.plan.suite.task_names
    scores = SubsetScores.of_seed(names, subsets, np.concatenate(values), seed, "trained", sum(costs, Cost()))
    return Trainings(scores, tuple(costs), base.cost)
