"""What the ablations share: affinities, groups and trained groups as cached units, and a line of a table over seeds."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, reduce
from math import ceil, comb
from typing import Any

import numpy as np

from benchmarks.accuracy_bench import Bench, Record, filled
from benchmarks.accuracy_core import preset
from gradtag_core.affinity.matrix import average
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import METRICS, Metric, RunConfig
from gradtag_core.cost import Cost, measure
from gradtag_core.evaluation.agreement import agreement
from gradtag_core.grouping.cluster import cluster
from gradtag_core.grouping.result import Grouping
from gradtag_core.methods.protocol import Setting
from gradtag_core.methods.random_groups import random_groups
from gradtag_core.methods.trained_groups import train_groups
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.models.families import model_kind
from gradtag_core.progress import Reporter
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.plan import make_plan
from gradtag_core.runs.units import Units
from gradtag_core.tasks.suite import TaskSuite

SEED_STEP = 10_000  # between two seeds of a study: base models and small models take the numbers after one
JUDGED = 5_000  # after a seed: models that are judged share no start with those that found their groups
TRUTH_SEED = 900_000  # of the truth's subsets, which no estimate shares by chance


@dataclass(frozen=True)
class Extent:
    """How far the studies go: seeds, and the settings that each tries; pairs of tasks meet in `truth_meetings` of the
    really trained subsets on average, and in each of `meetings` of the estimated ones."""

    seeds: int = 3
    truth_meetings: float = 7.5
    n_groups: tuple[int, ...] = (5, 10, 20, 40)
    meetings: tuple[float, ...] = (8, 15, 30, 60)
    sizes: tuple[int, ...] = (3, 5, 10, 20)
    inits: tuple[int, ...] = (1, 3, 5)
    dimensions: tuple[int, ...] = (50, 100, 200, 400)
    exact_tasks: int = 12
    diverse_groups: tuple[int | None, ...] = (3,)
    many_tasks: int = 100
    many_probes: tuple[int, ...] = (20,)
    probes: tuple[int, ...] = (2, 5, 10, 20)
    tasks_per_probe: tuple[int, ...] = (5, 10, 20)


FULL = Extent(
    seeds=5, truth_meetings=15, n_groups=(5, 10, 15, 20, 30, 40), meetings=(8, 15, 30, 60, 120),
    inits=(1, 3, 5, 7, 9), diverse_groups=(3, None), many_tasks=130, many_probes=(20, 100),
    probes=(1, 2, 5, 10, 20, 40),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Affinity:
    """T (n, n) without empty cells, what it cost, cached or not, and how many scored subsets it averages, if any."""

    values: np.ndarray
    cost: Cost
    n_subsets: int = 0


@dataclass(frozen=True)
class Run:
    """One seed of a line: the mean test error over tasks, that of one model for all tasks trained from the same seed,
    what finding and what training the groups cost, and the row Spearman of the affinity behind them."""

    error: float
    naive_error: float
    found: Cost
    training: Cost
    row_spearman: float | None = None


@dataclass(frozen=True)
class Ablation:
    """One suite and configuration; `metric` and defaults are the configuration's."""

    config: RunConfig
    suite: TaskSuite
    cache: UnitCache
    extent: Extent = field(default_factory=Extent)
    reporter: Reporter = field(default_factory=Reporter)

    @property
    def metric(self) -> Metric:
        return self.config.metric

    @property
    def seeds(self) -> range:
        return range(self.extent.seeds)

    @cached_property
    def n_groups(self) -> int:
        """k where a study does not vary it."""
        return self.config.for_tasks(self.suite.n_tasks).n_groups or 1

    @property
    def everything(self) -> Subset:
        return tuple(range(self.suite.n_tasks))

    def of(self, suite: TaskSuite, n_groups: int | None = None) -> "Ablation":
        """The same on another suite, with as many subsets as it needs."""
        changes = {"n_groups": n_groups, "n_subsets": None}
        return replace(self, suite=suite, config=self.config.model_copy(update=changes))

    @cached_property
    def _benches(self) -> dict[int, Bench]:
        return {}

    def bench(self, seed: int) -> Bench:
        """The accuracy bench of one seed of a study, counted from 0."""
        if seed not in self._benches:
            config = self.config.model_copy(update={"seed": seed * SEED_STEP})
            self._benches[seed] = Bench(config, self.suite, self.cache, self.metric, reporter=self.reporter)
        return self._benches[seed]

    def setting(self, seed: int, n_groups: int | None = None) -> Setting:
        """What a method is given at one seed."""
        units = self.bench(seed).units
        model = units.plan.config.model or model_kind(None, self.suite)
        architecture = EncoderArchitecture.of(model, self.suite, self.config.width)
        return Setting(
            self.suite, architecture, units.recipe(self.config.epochs), units.device,
            n_groups or self.n_groups, seed * SEED_STEP + JUDGED, self.metric, reporter=self.reporter,
        )  # fmt: skip

    # Truth

    @cached_property
    def truth_bench(self) -> Bench:
        """The subsets that are really trained, all of them on two seeds."""
        count = self.n_subsets(self.extent.truth_meetings)
        config = self.config.model_copy(update={"seed": TRUTH_SEED, "n_subsets": count, "truth": count})
        return Bench(config, self.suite, self.cache, self.metric, reporter=self.reporter)

    @cached_property
    def truth(self) -> Affinity:
        trained = self.truth_bench.truth
        return Affinity(average(trained, self.metric).values, trained.cost, len(trained.subsets))

    def n_subsets(self, meetings: float) -> int:
        """How many subsets let a pair of tasks meet that often on average; at most all."""
        n_tasks, size = self.suite.n_tasks, self.config.subset_size
        pairs = n_tasks * (n_tasks - 1) / (size * (size - 1))
        return min(ceil(meetings * pairs), comb(n_tasks, size))

    # Affinities

    def default(self, seed: int) -> Affinity:
        """By the configuration's own estimator: gradients, and small models where it has any."""
        return self._averaged(preset(self.bench(seed), None))

    def gradients(self, seed: int, subsets: Sequence[Subset] | None = None, **changes: Any) -> Affinity:
        """By gradients alone, on the configuration's subsets or on given ones."""
        bench = self.bench(seed)
        if subsets is None:
            return self._averaged(bench.gradients(**changes))
        plan = make_plan(bench.config.model_copy(update=changes), self.suite)
        plan = replace(plan, subsets=tuple(subsets))
        units = Units(plan, self.cache, self.reporter, lambda stage, key: None)
        parts = [units.estimated(base_seed) for base_seed in plan.config.init_seeds]
        made = [
            units.base_model(base_seed).cost + units.features_facts(base_seed)[0]
            for base_seed in plan.config.init_seeds
        ]
        scores = reduce(SubsetScores.join, parts)
        return self._averaged(replace(scores, cost=sum(made, scores.cost)))

    def _averaged(self, scores: SubsetScores) -> Affinity:
        return Affinity(filled(average(scores, self.metric).values), scores.cost, len(scores.subsets))

    # Groups

    def grouping(self, values: np.ndarray, n_groups: int, seed: int, **options: Any) -> Grouping:
        """The groups of an affinity by `cluster`, kept with the seconds they took."""
        key = self.bench(0).units.key("ablation-groupings", values.tolist(), n_groups, seed, options)
        found = self.cache.get_json("ablation-groupings", key)
        if found is None:
            grouping = cluster(values, n_groups, seed=seed, **options)
            self.cache.put_json("ablation-groupings", key, grouping.to_json())
            return grouping
        return Grouping.from_json(found)

    def trained(self, groups: Iterable[Iterable[int]], seed: int) -> tuple[np.ndarray, Cost]:
        """Test scores (n, metrics) of models trained on a partition's groups, and what training them cost."""
        parts = sorted(tuple(sorted(group)) for group in groups)
        setting = self.setting(seed)
        key = self.bench(seed).units.key(
            "ablation-trained", setting.architecture.to_json(), asdict(setting.recipe), setting.seed,
            [list(part) for part in parts],
        )  # fmt: skip
        found = self.cache.get_json("ablation-trained", key)
        if found is None:
            with measure() as meter:
                test = train_groups(setting, parts, meter).test
            found = {"test": test.tolist(), "cost": meter.cost.to_json()}
            self.cache.put_json("ablation-trained", key, found)
        return np.array(found["test"]), Cost(**found["cost"])

    def error(self, test: np.ndarray) -> float:
        """The mean over tasks of what lacks to a perfect score: 1 - score, or the log loss itself."""
        score = float(test[:, METRICS.index(self.metric)].mean())
        return -score if self.metric == "loss" else 1 - score

    # Lines

    def run(
        self, groups: Iterable[Iterable[int]], seed: int, found: Cost | None = None, row: float | None = None
    ) -> Run:
        """Train groups and judge them."""
        test, training = self.trained(groups, seed)
        naive, _ = self.trained([self.everything], seed)
        return Run(self.error(test), self.error(naive), found or Cost(), training, row)

    def grouped(
        self, affinity: Affinity, seed: int, truth: np.ndarray | None = None, n_groups: int | None = None
    ) -> Run:
        """The run of the groups of an affinity, whose rows are judged by `truth` where it is given."""
        found = self.grouping(affinity.values, n_groups or self.n_groups, seed)
        row = None if truth is None else agreement(affinity.values, truth).row_spearman
        return self.run(members(found.labels), seed, affinity.cost + Cost(0.0, found.seconds), row)

    def random(self, seed: int, n_groups: int | None = None) -> Run:
        return self.run(random_groups(self.suite.n_tasks, n_groups or self.n_groups, seed), seed)

    def naive(self, seed: int) -> Run:
        return self.run([self.everything], seed)

    def single(self, seed: int) -> Run:
        return self.run([(task,) for task in self.everything], seed)

    def line(
        self, study: str, setting: str, value: float | str, variant: str, runs: Sequence[Run],
        ceiling: float | None = None, **more: Any,
    ) -> Record:  # fmt: skip
        """The record of one setting: means over seeds, with standard errors where there are two or more.

        `error_ratio` is relative to one model for all tasks from the same seed. `flops` and `seconds` are those of
        finding the groups, `training_*` those of training them.
        """
        error, error_se = mean_and_error([run.error for run in runs])
        ratio, ratio_se = mean_and_error([run.error / run.naive_error for run in runs])
        row, row_se = mean_and_error([run.row_spearman for run in runs if run.row_spearman is not None])
        record: Record = {
            "study": study, "suite": self.suite.name, "n_tasks": self.suite.n_tasks, "metric": self.metric,
            "setting": setting, "value": value, "variant": variant, "seeds": len(runs),
            "error": error, "error_se": error_se, "error_ratio": ratio, "error_ratio_se": ratio_se,
            "row_spearman": row, "row_spearman_se": row_se,
            "row_spearman_fraction": row / ceiling if row is not None and ceiling else None,
            "flops": _mean(run.found.flops for run in runs), "seconds": _mean(run.found.seconds for run in runs),
            "training_flops": _mean(run.training.flops for run in runs),
            "training_seconds": _mean(run.training.seconds for run in runs), **more,
        }  # fmt: skip
        say(record)
        return record


def members(labels: np.ndarray) -> list[Subset]:
    """The tasks of each group of a partition given as labels (n,)."""
    return [tuple(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)]


def mean_and_error(values: Sequence[float]) -> tuple[float | None, float | None]:
    """The mean and its standard error over seeds; None for nothing, and for the error of one value."""
    if not values:
        return None, None
    error = float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else None
    return float(np.mean(values)), error


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def say(record: Record) -> None:
    """One line on standard error."""
    row = record["row_spearman"]
    what = f"[{record['study']}] {record['setting']} {record['value']} {record['variant']}".rstrip()
    error = "" if record["error"] is None else f": error {record['error']:.4f}"
    ranks = "" if row is None else f", row Spearman {row:.3f}"
    print(what + error + ranks, file=sys.stderr, flush=True)
