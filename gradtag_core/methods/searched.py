"""Really training subsets of tasks in a search, or a sample of them where all would be too dear."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradtag_core.affinity.additive import fit_additive
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import METRICS
from gradtag_core.cost import Cost, Meter
from gradtag_core.methods.protocol import Setting
from gradtag_core.training.stacked_blocks import Scored, fit_and_score
from gradtag_core.training.trainer import Recipe, Trainer

BLOCK = 32  # trainings to a thread at a time
SMALLEST_SAMPLE = 2  # subsets per task, so that an additive model has something to say of each


@dataclass(frozen=True, eq=False)
class Search:
    """Scores of all subsets. `sample` (None: all were trained) says which were; the others' scores of the setting's
    metric are then predictions, other metrics are NaN, and `not_run` is what training them would cost besides."""

    scores: SubsetScores
    sample: str | None = None
    not_run: Cost = field(default_factory=Cost)


def training_flops(setting: Setting, tasks: Sequence[int]) -> float:
    """What training one model on some tasks costs, and scoring it on validation."""
    examples, validation = (
        len(setting.suite.subset(split, tasks).examples) for split in ("train", "validation")
    )
    architecture = setting.architecture
    n_outputs = architecture.n_outputs(tasks)
    training = setting.recipe.epochs * examples * architecture.step_flops(n_outputs)
    return training + validation * architecture.forward_flops(n_outputs)


def train_subsets(
    setting: Setting, subsets: Sequence[Subset], stage: str, meter: Meter,
    trainer: Trainer | None = None, recipe: Recipe | None = None, seeds: Sequence[int] | None = None,
) -> SubsetScores:  # fmt: skip
    """Train every subset from scratch and score it on validation; FLOPs of both go to `meter`.

    `trainer` and `recipe` (None: those of the setting) stand in for smaller models, and `seeds` for the search seed
    that all share.
    """
    trainer, recipe = trainer or setting.trainer, recipe or setting.recipe
    work = list(zip(subsets, seeds or [setting.search_seed] * len(subsets), strict=True))
    blocks = [work[start : start + BLOCK] for start in range(0, len(work), BLOCK)]
    scored: dict[int, Scored] = {}

    def finished() -> Iterator[None]:
        counted = 0
        for report in fit_and_score(trainer, blocks, recipe, "validation", setting.reporter):
            scored.update(report.ended)
            yield from [None] * (int(report.trainings) - counted)
            counted = int(report.trainings)

    for _ in setting.reporter.track(stage, finished(), len(work)):
        pass
    in_order = [each for index in range(len(blocks)) for each in scored[index]]
    cost = sum((own for _, own in in_order), Cost())
    scoring = sum(
        len(setting.suite.subset("validation", subset).examples)
        * trainer.architecture.forward_flops(trainer.architecture.n_outputs(subset))
        for subset in subsets
    )
    meter.flops += cost.flops + scoring
    values = np.concatenate([scores for scores, _ in in_order])
    names = setting.suite.task_names
    return SubsetScores.of_seed(names, subsets, values, setting.search_seed, "trained", cost)


def search_subsets(setting: Setting, subsets: Sequence[Subset], stage: str, meter: Meter) -> Search:
    """Train every subset, or where that exceeds `search_flops` a random sample, whose additive model predicts the
    others' scores."""
    flops = np.array([training_flops(setting, subset) for subset in subsets])
    sample = affordable(setting, flops)
    if sample is None:
        return Search(train_subsets(setting, subsets, stage, meter))
    trained = [subsets[index] for index in sample]
    known = train_subsets(setting, trained, stage, meter)
    fit = fit_additive(known, setting.metric, {})
    names, column = setting.suite.task_names, METRICS.index(setting.metric)
    values = np.full((sum(map(len, subsets)), len(METRICS)), np.nan)
    values[:, column] = fit.predict(subsets)
    starts = np.cumsum([0, *map(len, subsets)])
    known_starts = np.cumsum([0, *map(len, trained)])
    for place, index in enumerate(sample):
        values[starts[index] : starts[index + 1]] = known.values[
            known_starts[place] : known_starts[place + 1]
        ]
    missing = float(flops.sum() - flops[sample].sum())
    not_run = Cost(missing, missing * known.cost.seconds / known.cost.flops)
    scores = SubsetScores.of_seed(names, subsets, values, setting.search_seed, "estimated", known.cost)
    sentence = (
        f"{len(sample):,} of {len(subsets):,} subsets were trained; the scores of the others are those of an additive "
        "model of these."
    )
    return Search(scores, sentence, not_run)


def affordable(setting: Setting, flops: np.ndarray) -> np.ndarray | None:
    """The random sample of trainings that `search_flops` pays for, by index, or None where it pays for all of them;
    never fewer than `SMALLEST_SAMPLE` per task."""
    if setting.search_flops is None or flops.sum() <= setting.search_flops:
        return None
    order = np.random.default_rng(setting.search_seed).permutation(len(flops))
    n_paid = int((np.cumsum(flops[order]) <= setting.search_flops).sum())
    n_sample = max(n_paid, min(len(flops), SMALLEST_SAMPLE * setting.suite.n_tasks))
    return None if n_sample == len(flops) else np.sort(order[:n_sample])
