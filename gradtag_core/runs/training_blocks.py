"""Real training of many subsets, for the truth and of small models, in fixed blocks: units that the cache keeps.

Subsets that train side by side share the shapes of their products, and so their rounding. A block therefore names all
its members in its key and is computed whole: a run that is resumed ends with the numbers of one that was not disturbed.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import reduce
from itertools import repeat

import numpy as np

from gradtag_core.affinity.scores import SubsetScores, scores_to_json
from gradtag_core.affinity.subsets import Subset
from gradtag_core.cost import Cost
from gradtag_core.runs.unit_keys import BLOCK, BLOCKS, blocks_of
from gradtag_core.runs.units import Units
from gradtag_core.training.stacked_blocks import Scored, fit_and_score
from gradtag_core.training.trainer import Recipe, Trainer

STAGE = BLOCKS


class TrainingBlocks:
    """Consecutive subsets of one seed, `BLOCK` to a block: found in the cache, or trained by `train`."""

    def __init__(
        self, units: Units, subsets: Sequence[Subset], seeds: Sequence[int],
        trainer: Trainer | None = None, recipe: Recipe | None = None, seed_step: int = 0,
    ):  # fmt: skip
        """The trainer and the recipe are those of the plan unless given. Subset i of a seed starts from
        seed + i · `seed_step`: with 1, no initialisation favours the same tasks in all of them."""
        self._units = units
        self._trainer = trainer or units.trainer
        self._subsets = tuple(subsets)
        self._seeds = tuple(seeds)
        self._blocks = blocks_of(self._subsets, self._seeds, seed_step, BLOCK)
        recipe = recipe or units.recipe(units.plan.config.epochs)
        self._recipe = recipe
        architecture = self._trainer.architecture
        self._keys = [
            units.noted(STAGE, units.keys.block(architecture, asdict(recipe), block, seed_step))
            for block in self._blocks
        ]
        found = {index: units.cache.get_json(STAGE, key) for index, key in enumerate(self._keys)}
        self._scored = {index: _scored(stored) for index, stored in found.items() if stored is not None}

    @property
    def n_trainings(self) -> int:
        return len(self._subsets) * len(self._seeds)

    @property
    def n_done(self) -> int:
        """The trainings of the blocks that are known."""
        return sum(map(len, self._scored.values()))

    def train(self) -> Generator[None, None, None]:
        """Train and keep the blocks that are not known, yielding once for each training as the work goes on."""
        missing = [index for index in range(len(self._blocks)) if index not in self._scored]
        units, counted = self._units, 0
        work = [self._blocks[index] for index in missing]
        reports = fit_and_score(self._trainer, work, self._recipe, "validation", units.reporter)
        with closing(reports):
            for report in reports:
                for place, scored in report.ended.items():
                    units.cache.put_json(STAGE, self._keys[missing[place]], _stored(scored))
                    self._scored[missing[place]] = scored
                yield from repeat(None, int(report.trainings) - counted)
                counted = int(report.trainings)

    @property
    def costs(self) -> list[Cost]:
        """What each training cost."""
        return [cost for _, cost in self._in_order()]

    def scores(self) -> SubsetScores:
        """The validation scores of every subset on every seed, once all are trained."""
        names, subsets, n_subsets = self._units.plan.suite.task_names, self._subsets, len(self._subsets)
        trained = self._in_order()
        parts: list[SubsetScores] = []
        for index, seed in enumerate(self._seeds):
            scores, costs = zip(*trained[index * n_subsets : (index + 1) * n_subsets], strict=True)
            values, cost = np.concatenate(scores), sum(costs, Cost())
            parts.append(SubsetScores.of_seed(names, subsets, values, seed, "trained", cost))
        return reduce(SubsetScores.join, parts)

    def _in_order(self) -> Scored:
        """Every training, seed after seed and in each subset after subset."""
        return [training for index in range(len(self._blocks)) for training in self._scored[index]]


def _stored(scored: Scored) -> dict[str, list]:
    return {
        "scores": [scores_to_json(scores) for scores, _ in scored],
        "costs": [cost.to_json() for _, cost in scored],
    }


def _scored(stored: dict[str, list]) -> Scored:
    return [
        (np.array(scores, dtype=np.float64), Cost(**cost))
        for scores, cost in zip(stored["scores"], stored["costs"], strict=True)
    ]
