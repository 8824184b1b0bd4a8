"""A run from configuration to groups (paper, algorithm 2), stage by stage; each stage's result is kept at once."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import reduce
from importlib.metadata import version
from typing import TypeVar

import numpy as np

from gradtag_core.affinity.joined import join_estimates
from gradtag_core.affinity.label_similarity import label_similarity
from gradtag_core.affinity.matrix import average
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.cluster import cluster
from gradtag_core.grouping.result import Grouping
from gradtag_core.progress import Reporter
from gradtag_core.runs.engine.engine import Engine, InThisProcess, compute
from gradtag_core.runs.engine.work import Job, group_works, stage_works
from gradtag_core.runs.kept import plan_units
from gradtag_core.runs.plan import Plan, mean_training_flops
from gradtag_core.runs.record import GroupScores, RunRecord, Summary
from gradtag_core.runs.stages import STAGE_TITLES, Stage
from gradtag_core.runs.store import RunRow
from gradtag_core.runs.training_blocks import TrainingBlocks
from gradtag_core.runs.units import Units
from gradtag_core.training.trainer import Trainer

Unit = TypeVar("Unit")
Result = TypeVar("Result")

PACKAGES = ("torch", "numpy", "scipy", "cvxpy", "scs", "scikit-learn")


@dataclass
class Pipeline:
    """Runs a plan and writes each stage's result into the run's folder."""

    plan: Plan
    units: Units
    record: RunRecord
    reporter: Reporter
    engine: Engine = field(default_factory=InThisProcess)
    _costs: dict[str, Cost] = field(default_factory=dict)
    _warnings: tuple[str, ...] = ()

    def run(self, row: RunRow) -> None:
        """Estimate, group, train the groups, then train the truth; earlier results stay when a later stage fails."""
        self.record.write_summary(self._summary(row))
        estimated = self._estimate()
        self.record.write_summary(replace(self.record.summary, n_subsets=len(estimated.subsets)))
        grouping = self._group(estimated)
        if self.plan.config.train_groups:
            self._train_groups(grouping)
        if self.plan.truth_subsets:
            self._train_truth()
        self._write_costs()  # with damage that was found since the last stage was charged

    def _summary(self, row: RunRow) -> Summary:
        earlier = self.record.summary.places if self.record.has_summary else {}
        return Summary(
            id=row.id, name=row.name, suite=row.suite, command=row.command, created=row.created, config=row.config,
            task_names=self.plan.suite.task_names, fingerprint=self.plan.suite.fingerprint,
            versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
            device=str(self.units.device),
            full_training_flops=mean_training_flops(self.plan) * len(self.plan.subsets), places=earlier,
        )  # fmt: skip

    def _estimate(self) -> SubsetScores:
        gradients = self._estimate_by_gradients() if self.plan.config.n_inits else None
        proxies = self._train_proxies() if self.plan.proxy_subsets else None
        similarity, sizes = label_similarity(self.plan.suite), self.plan.suite.train_sizes
        arrays = {
            "base_scores": self._scores_without_transfer(proxies),
            "label_similarity": similarity,
            "train_sizes": sizes,
        }
        if gradients and proxies is None:
            scores = gradients
        elif proxies:
            joined = join_estimates(
                proxies, self.plan.subsets, gradients, similarity, sizes, self.plan.config.seed
            )
            self._charge("proxies", [proxies.cost, joined.scores.cost])
            if gradients:
                self.record.write_scores(gradients, "gradients")
            self.record.write_scores(proxies, "proxies")
            arrays["standard_errors"] = joined.standard_errors
            scores = joined.scores
        else:
            raise InvalidInput("`n_inits` and `proxies_per_task` must not both be 0; nothing would estimate.")
        self.record.write_arrays(**arrays)
        self.record.write_scores(scores)
        return scores

    def _estimate_by_gradients(self) -> SubsetScores:
        """The scores of every subset at every base model (paper, algorithm 1)."""
        seeds = self.plan.config.init_seeds
        units = self.units
        self._make_elsewhere("train")
        self._charge("train", [base.cost for base in self._track("train", seeds, units.base_model)])
        self._make_elsewhere("featurize")
        features = self._track("featurize", seeds, units.features_facts)
        energy = float(np.mean([captured for _, captured, _ in features]))
        found = [*self.plan.architecture.warnings, *(warning for *_, own in features for warning in own)]
        self._warnings = tuple(dict.fromkeys(found))
        self.record.write_summary(replace(self.record.summary, captured_energy=energy))
        self._charge("featurize", [cost for cost, *_ in features])
        self._make_elsewhere("regress")
        parts = self._track("regress", seeds, units.estimated)
        self._charge("regress", [part.cost for part in parts])
        return reduce(SubsetScores.join, parts)

    def _train_proxies(self) -> SubsetScores:
        """The scores of small models, one per proxy subset, each from an initialisation of its own."""
        self._make_elsewhere("proxies")
        plan, units = self.plan, self.units
        trainer = Trainer(plan.suite, plan.proxy_architecture, units.device)
        recipe = replace(units.recipe(plan.config.epochs), learning_rate=plan.proxy_learning_rate)
        blocks = TrainingBlocks(units, plan.proxy_subsets, [plan.config.proxy_seed], trainer, recipe, 1)
        return self._train_blocks("proxies", blocks)

    def _scores_without_transfer(self, proxies: SubsetScores | None) -> np.ndarray:
        """What a predictor that knows nothing about transfer says of each task: its score at the base models, or
        without one its mean over the small models, or over all their scores where none has it: (n, metrics)."""
        seeds = self.plan.config.init_seeds
        if seeds:
            return np.mean([self.units.base_scores(seed) for seed in seeds], axis=0)
        if proxies is None:
            raise InvalidInput("`n_inits` and `proxies_per_task` must not both be 0; nothing would estimate.")
        of_tasks = [proxies.values[proxies.task == i] for i in range(self.plan.suite.n_tasks)]
        return np.stack([(own if len(own) else proxies.values).mean(0) for own in of_tasks])

    def _group(self, estimated: SubsetScores) -> Grouping:
        config = self.plan.config
        affinity = average(estimated, config.metric)

        def solve(n_groups: int) -> Grouping:
            return cluster(
                affinity.values, n_groups, task_names=affinity.task_names, rounding=config.rounding,
                threshold=config.rounding_threshold, seed=config.seed,
            )  # fmt: skip

        (grouping,) = self._track(
            "group", [config.n_groups or 1], lambda n_groups: self.units.grouping(lambda: solve(n_groups))
        )
        self.record.write_grouping(grouping)
        return grouping

    def _train_groups(self, grouping: Grouping) -> None:
        """One model per group and one for all tasks, from scratch; every task scored on the test split."""
        n_tasks = self.plan.suite.n_tasks
        everything = tuple(range(n_tasks))
        groups: list[Subset] = [
            tuple(np.flatnonzero(grouping.labels == group).tolist()) for group in range(grouping.n_groups)
        ]
        seed = self.plan.config.truth_seeds[0]
        self._make_elsewhere("groups", groups)
        trained = self._track(
            "groups", [everything, *groups], lambda subset: self.units.trained(subset, seed)
        )
        costs = self._charge("groups", [cost for _, cost in trained])
        together = trained[0][0]["test"]
        grouped = np.empty_like(together)
        for group, (by_split, _) in zip(groups, trained[1:], strict=True):
            grouped[list(group)] = by_split["test"]
        self.record.write_group_scores(GroupScores(grouped, together, costs))

    def _train_truth(self) -> None:
        self._make_elsewhere("truth")
        truth = TrainingBlocks(self.units, self.plan.truth_subsets, self.plan.config.truth_seeds)
        self.record.write_scores(self._train_blocks("truth", truth))
        comparison = self.record.comparison()
        if comparison:
            found = comparison.estimate.agreement.row_spearman
            self.record.write_summary(replace(self.record.summary, row_spearman=found))

    def _make_elsewhere(self, stage: Stage, groups: Sequence[Subset] = ()) -> None:
        """Have the engine make the units of a stage that are missing; the stage then finds them in the cache."""
        if not self.engine.elsewhere:
            return
        plan, cache = self.plan, self.units.cache
        known = plan_units(plan)
        works = group_works(plan, known, groups) if stage == "groups" else stage_works(plan, known)[stage]
        for work in works:
            self.units.noted(work.unit.folder, work.unit.key)
        before = Counter(self.engine.places)
        job = Job.of(plan, cache, str(self.units.device))
        try:
            compute(self.engine, STAGE_TITLES[stage], job, cache, works, self.reporter)
        finally:
            summary, fresh = self.record.summary, Counter(self.engine.places) - before
            self.record.write_summary(replace(summary, places=dict(Counter(summary.places) + fresh)))

    def _train_blocks(self, stage: Stage, blocks: TrainingBlocks) -> SubsetScores:
        with closing(blocks.train()) as trainings:
            for _ in self.reporter.track(STAGE_TITLES[stage], trainings, blocks.n_trainings, blocks.n_done):
                pass
        self._charge(stage, blocks.costs)
        return blocks.scores()

    def _track(self, stage: Stage, units: Iterable[Unit], work: Callable[[Unit], Result]) -> list[Result]:
        units = list(units)
        if self.engine.elsewhere and stage != "group":  # which has reported them already
            return [work(unit) for unit in units]
        return [work(unit) for unit in self.reporter.track(STAGE_TITLES[stage], units, len(units))]

    def _charge(self, stage: Stage, costs: Iterable[Cost]) -> Cost:
        """Note what a stage cost, counting units found in the cache at what they cost when they were made."""
        total = sum(costs, Cost())
        self._costs[stage] = total
        self._write_costs()
        return total

    def _write_costs(self) -> None:
        damaged = tuple(
            f"A damaged file was computed again: {path.name}." for path in self.units.cache.damaged
        )
        summary = self.record.summary
        self.record.write_summary(
            replace(summary, costs=dict(self._costs), warnings=self._warnings + damaged)
        )
