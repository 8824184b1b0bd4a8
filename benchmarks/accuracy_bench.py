"""What the accuracy studies share: the suite, the truth, estimators by name, and how one is judged."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial, reduce
from math import ceil
from typing import Any

import numpy as np

from benchmarks.accuracy_trainings import Trainings, TruthKind, fine_tuned, from_scratch
from gradtag_core.affinity.additive import fit_additive
from gradtag_core.affinity.joined import join_estimates
from gradtag_core.affinity.label_similarity import label_similarity
from gradtag_core.affinity.matrix import average
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import METRICS, Metric, RunConfig
from gradtag_core.cost import Cost, measure
from gradtag_core.evaluation.agreement import Agreement, agreement, noise_ceiling
from gradtag_core.progress import Progress, Reporter
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.plan import Plan, make_plan, mean_training_flops
from gradtag_core.runs.training_blocks import BLOCK
from gradtag_core.runs.units import Units
from gradtag_core.tasks.suite import TaskSuite
from gradtag_core.training.trainer import Trainer

Record = dict[str, Any]

PROGRESS_SECONDS = 10.0


class ProgressLines:
    """Writes progress to stderr, a line now and then."""

    def __init__(self) -> None:
        self._last = 0.0
        self._stage = ""

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.stage != self._stage or now - self._last > PROGRESS_SECONDS:
            self._last, self._stage = now, progress.stage
            left = "" if progress.seconds_left is None else f", about {progress.seconds_left:.0f} s left"
            print(f"{progress.stage}: {progress.done}/{progress.total}{left}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Bench:
    """One suite, one draw of subsets and one truth; estimators are made of cached units.

    `config` names the suite, the subsets (`n_subsets`, `subset_size`), how many of them make the truth (`truth`) and
    the defaults that studies vary. Costs of estimators count their units at what they cost when they were made.
    """

    config: RunConfig
    suite: TaskSuite
    cache: UnitCache
    metric: Metric = "auc"
    truth_kind: TruthKind = "scratch"
    reporter: Reporter = field(default_factory=Reporter)

    @cached_property
    def plan(self) -> Plan:
        return make_plan(self.config, self.suite)

    @cached_property
    def units(self) -> Units:
        return self._units(self.plan)

    def units_with(self, **changes: Any) -> Units:
        """The units of the configuration with some changes, on the same suite and subsets."""
        return self._units(make_plan(self.config.model_copy(update=changes), self.suite))

    def _units(self, plan: Plan) -> Units:
        return Units(plan, self.cache, self.reporter, lambda stage, key: None)

    def kept(self, stage: str, parts: Sequence[Any], work: Callable[[], SubsetScores]) -> SubsetScores:
        """Scores that no unit of a run holds: from the cache, or computed and put there."""
        key = self.units.key(stage, *parts)
        found = self.cache.get_arrays(stage, key)
        if found is None:
            scores = work()
            numbers = np.array(
                [scores.cost.flops, scores.cost.seconds, scores.cost.peak_bytes], dtype=np.float64
            )
            members = np.array(scores.subsets, dtype=np.int64)
            self.cache.put_arrays(stage, key, {"values": scores.values, "members": members, "cost": numbers})
            return scores
        arrays, _ = found
        subsets = [tuple(members) for members in arrays["members"].tolist()]
        flops, seconds, peak = arrays["cost"].tolist()
        return SubsetScores.of_seed(
            self.suite.task_names, subsets, arrays["values"], 0, "estimated", Cost(flops, seconds, int(peak))
        )

    # Truth

    @cached_property
    def truth(self) -> SubsetScores:
        """The truth subsets, trained on every truth seed."""
        subsets = self.plan.truth_subsets
        parts = [self._real(subsets, seed, f"Truth, seed {seed}", 0) for seed in self.config.truth_seeds]
        return reduce(SubsetScores.join, (part.scores for part in parts))

    def _real(self, subsets: Sequence[Subset], seed: int, title: str, seed_step: int) -> Trainings:
        """Real trainings of the kind that makes the truth; fine-tuning starts from the base model of the same seed."""
        if self.truth_kind == "finetuned":
            return fine_tuned(self.units, subsets, seed, self.reporter, title)
        return from_scratch(self.units, subsets, seed, self.reporter, title, seed_step=seed_step)

    @cached_property
    def full_flops(self) -> float:
        """FLOPs of training each of the m subsets once."""
        return mean_training_flops(self.plan) * len(self.plan.subsets)

    @cached_property
    def repeat_and_ceiling(self) -> tuple[float | None, float | None]:
        """The row Spearman between the truth's seeds, and the best one that an estimate can reach."""
        return self.ceiling_of(self.truth)

    def ceiling_of(self, truth: SubsetScores) -> tuple[float | None, float | None]:
        return noise_ceiling([average(truth.of_seed_only(seed), self.metric).values for seed in truth.seeds])

    # Estimators

    def gradients(self, **changes: Any) -> SubsetScores:
        """Gradient estimates of every subset, with base models, features and regressions in their cost."""
        units = self.units_with(**changes)
        parts, cost = [], Cost()
        for seed in units.plan.config.init_seeds:
            part = units.estimated(seed)
            cost += units.base_model(seed).cost + units.features_facts(seed)[0] + part.cost
            parts.append(part)
        return replace(reduce(SubsetScores.join, parts), cost=cost)

    def small_models(
        self, flops: float, width: int | None = None, exponent: float = 0.5, seed_step: int = 1
    ) -> SubsetScores:
        """Real training at a smaller width, of as many of the first subsets as `flops` pay for; the learning rate
        grows by the ratio of the widths to the power `exponent`. `seed_step` as in `real_within`."""
        train = partial(self._small_trainings, width=width, exponent=exponent, seed_step=seed_step)
        return self._within(flops, train)

    def first_small_models(self, n_subsets: int) -> SubsetScores:
        """Small models of the default width on the first subsets."""
        return self._small_trainings(_whole_blocks(n_subsets, self.plan)).first(n_subsets)

    def _small_trainings(
        self, n_subsets: int, width: int | None = None, exponent: float = 0.5, seed_step: int = 1
    ) -> Trainings:
        plan = self.plan
        width = width or plan.proxy_architecture.width
        trainer = Trainer(self.suite, plan.architecture.small(width), self.units.device)
        rate = self.config.learning_rate * (plan.architecture.width / width) ** exponent
        recipe = replace(self.units.recipe(self.config.epochs), learning_rate=rate)
        title = f"Small models, width {width}, learning rate {rate:.3g}"
        subsets, seed = plan.subsets[:n_subsets], self.config.proxy_seed
        return from_scratch(self.units, subsets, seed, self.reporter, title, trainer, recipe, seed_step)

    def real_within(self, flops: float, seed_step: int = 1) -> SubsetScores:
        """Real training on seeds that the truth does not use, of as many of the first subsets as `flops` pay for: each
        from an initialisation of its own, as small models are, or with `seed_step` 0 all from one, as the truth is."""
        seed, subsets = self.config.proxy_seed, self.plan.subsets
        title = f"Real training, {'own seeds' if seed_step else 'one seed'}"
        return self._within(flops, lambda n: self._real(subsets[:n], seed, title, seed_step))

    def _within(self, flops: float, train: Callable[[int], Trainings]) -> SubsetScores:
        """As many of the first subsets as the budget pays for, at least one; whole blocks are trained, so that budgets
        share them."""
        some = train(_whole_blocks(1, self.plan))
        each = sum(cost.flops for cost in some.costs) / len(some.costs)
        wanted, limit = ceil(flops / each), len(self.plan.subsets)
        while True:  # the first subsets may cost more than the others
            trainings = train(_whole_blocks(wanted, self.plan))
            affordable = trainings.affordable(flops)
            if affordable < len(trainings.costs) or affordable == limit:
                return trainings.first(max(1, affordable))
            wanted = affordable + 1

    def joined(self, trained: SubsetScores, gradients: SubsetScores | None = None) -> SubsetScores:
        """Scores of every subset by the additive model, from (small) models and, where given, gradient estimates."""
        found = join_estimates(
            trained, self.plan.subsets, gradients, self.similarity, self.suite.train_sizes, self.config.seed
        ).scores
        cost = trained.cost + found.cost + (gradients.cost if gradients else Cost())
        return replace(found, cost=cost)

    def with_hints(
        self, trained: SubsetScores, hints: dict[str, np.ndarray], hint_cost: Cost | None = None
    ) -> SubsetScores:
        """As `joined`, with hints (n, n) of one's choice, and for the metric of the bench alone: others are zero."""
        with measure() as meter:
            fit = fit_additive(trained, self.metric, hints)
            values = np.zeros((sum(map(len, self.plan.subsets)), len(METRICS)))
            values[:, METRICS.index(self.metric)] = fit.predict(self.plan.subsets)
            meter.flops = fit.flops
        names, seed = self.suite.task_names, self.config.seed
        cost = trained.cost + (hint_cost or Cost()) + meter.cost
        return SubsetScores.of_seed(names, self.plan.subsets, values, seed, "estimated", cost)

    @cached_property
    def similarity(self) -> np.ndarray:
        return label_similarity(self.suite)

    # Judging

    def judge(self, study: str, estimator: str, scores: SubsetScores, cost: Cost | None = None) -> Record:
        """The record of an estimator: trained scores averaged over their own subsets, estimates over the truth's."""
        matched = scores if scores.source == "trained" else scores.of_subsets(self.plan.truth_subsets)
        values = filled(average(matched, self.metric).values)
        return self.judge_matrix(study, estimator, values, cost or scores.cost)

    def judge_matrix(self, study: str, estimator: str, values: np.ndarray, cost: Cost) -> Record:
        found = agreement(values, average(self.truth, self.metric).values)
        return self.record(study, estimator, found, cost, self.repeat_and_ceiling[1])

    def record(
        self, study: str, estimator: str, found: Agreement, cost: Cost | None, best: float | None
    ) -> Record:
        """`best` is the ceiling that the fraction refers to; a cost of None is no cost at all."""
        cost = cost or Cost()
        record = {
            "study": study,
            "suite": self.suite.name,
            "n_tasks": self.suite.n_tasks,
            "n_subsets": len(self.plan.subsets),
            "subset_size": self.config.subset_size,
            "epochs": self.config.epochs,
            "truth": f"{self.truth_kind}, {len(self.plan.truth_subsets)} subsets",
            "metric": self.metric,
            "estimator": estimator,
            **found.to_json(),
            "row_spearman_fraction": found.row_spearman / best if best else None,
            "flops": cost.flops,
            "flops_ratio": cost.flops / self.full_flops,
            "seconds": cost.seconds,
        }
        fraction = "no ceiling" if not best else f"{found.row_spearman / best:.3f} of the ceiling"
        print(
            f"[{study}] {estimator}: {found.row_spearman:.3f}, {fraction}, FLOPs {cost.flops / self.full_flops:.2%}",
            file=sys.stderr, flush=True,
        )  # fmt: skip
        return record


def _whole_blocks(n_subsets: int, plan: Plan) -> int:
    return min(BLOCK * ceil(n_subsets / BLOCK), len(plan.subsets))


def filled(values: np.ndarray) -> np.ndarray:
    """Cells that no subset fills take the mean of their row, or of the matrix."""
    overall = np.nanmean(values)
    rows = [np.nanmean(row) if np.isfinite(row).any() else overall for row in values]
    return np.where(np.isfinite(values), values, np.array(rows)[:, None])
