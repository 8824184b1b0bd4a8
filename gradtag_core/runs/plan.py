"""What a run will do, before it does it: subsets, units of work, FLOPs, seconds and bytes.

Needs no torch, so that a page can ask on every change of a knob.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np

from gradtag_core.affinity.subsets import Subset, covering_subsets, pairwise_subsets
from gradtag_core.config import RunConfig
from gradtag_core.errors import InvalidInput
from gradtag_core.models.architecture import Architecture
from gradtag_core.models.families import architecture_of, model_kind
from gradtag_core.runs.stages import ESTIMATE_STAGES, Stage
from gradtag_core.tasks.kind_checks import require_binary, require_metric
from gradtag_core.tasks.suite import TaskSuite

NEWTON_PRODUCTS = 60  # Hessian and gradient products of a typical regression, for the forecast only
KERNEL_GIBIBYTES = 6.0  # of inner products, where the configuration sets no limit on memory
MEASURED_SUBSETS = 50  # how many subsets to look at for the mean number of examples


@dataclass(frozen=True)
class Work:
    """One stage: its number of units, its FLOPs, and the seconds those take (None: no rate is known yet)."""

    stage: Stage
    units: int
    flops: float
    seconds: float | None


@dataclass(frozen=True)
class Forecast:
    """`work` by stage; `full_training_*` is what training every subset of the run for real would cost."""

    work: tuple[Work, ...]
    full_training_flops: float
    full_training_seconds: float | None
    feature_bytes: int

    @property
    def seconds(self) -> float | None:
        known = [work.seconds for work in self.work if work.seconds is not None]
        return sum(known) if len(known) == len(self.work) else None

    def flops_of(self, *stages: Stage) -> float:
        return sum(work.flops for work in self.work if work.stage in stages)

    @property
    def estimate_flops(self) -> float:
        """Base models, features, regressions and small models: what replaces the full training."""
        return self.flops_of(*ESTIMATE_STAGES)


@dataclass(frozen=True)
class Plan:
    """A configuration made definite for its suite: `config` has every default filled in.

    `proxy_subsets` are those that small models of `proxy_architecture` are trained on.
    """

    config: RunConfig
    suite: TaskSuite
    architecture: Architecture
    subsets: tuple[Subset, ...]
    truth_subsets: tuple[Subset, ...]
    proxy_subsets: tuple[Subset, ...]
    proxy_architecture: Architecture

    @property
    def proxy_learning_rate(self) -> float:
        """The step size that the architecture gives its small models."""
        return self.architecture.small_learning_rate(self.config.learning_rate, self.proxy_architecture.width)


def make_plan(config: RunConfig, suite: TaskSuite, architecture: Architecture | None = None) -> Plan:
    """Check the configuration against the suite (already cut to its tasks) and draw the subsets.

    `architecture` (None: what the configuration asks for) is a model of the caller's own.

    Raises `InvalidInput` for more groups or larger subsets than tasks, for more subsets than there are, for pairs
    of tasks that no subset covers, for more truth subsets than subsets, for a metric that some task does not have, and
    for tasks that are not binary where there is no projection.
    """
    definite = config.for_tasks(suite.n_tasks)
    require_metric(config.metric, suite.kinds, suite.task_names)
    architecture = architecture or architecture_of(config, suite)
    _require_room_for_kernel(config, suite)
    if config.pairwise:
        subsets = tuple(pairwise_subsets(suite.n_tasks))
    else:
        m = definite.n_subsets or 1
        subsets = _drawn_subsets(suite.n_tasks, config.subset_size, m, config.seed, suite.task_names)
    if config.truth > len(subsets):
        raise InvalidInput(
            f"`truth` must be at most the number of subsets that are estimated, {len(subsets):,}; "
            f"found {config.truth:,}."
        )
    proxy_subsets = _proxy_subsets(subsets, config.proxies_per_task * suite.n_tasks, config.seed)
    if not (config.n_inits or proxy_subsets):
        raise InvalidInput(
            f"`n_inits` must be at least 1 where there are too few subsets for small models; found 0 with "
            f"{len(subsets)} subset{'s' if len(subsets) > 1 else ''}. Set it, or a smaller `subset_size`."
        )
    return Plan(
        definite.model_copy(update={"model": model_kind(config.model, suite)}),
        suite,
        architecture,
        subsets,
        subsets[: config.truth],
        proxy_subsets,
        architecture.small(definite.proxy_width or config.width) if proxy_subsets else architecture,
    )


@lru_cache(maxsize=16)
def _drawn_subsets(
    n_tasks: int, subset_size: int, n_subsets: int, seed: int, task_names: tuple[str, ...]
) -> tuple[Subset, ...]:
    """Kept, because the plans of a form whose knobs change, and of a sweep, mostly draw the same."""
    return tuple(covering_subsets(n_tasks, subset_size, n_subsets, seed, task_names))


def _require_room_for_kernel(config: RunConfig, suite: TaskSuite) -> None:
    """Without a projection the inner products of all rows are held at once."""
    if config.projection != "identity" or not config.n_inits:
        return
    require_binary(suite.kinds, suite.task_names, "`projection` = identity")
    n_train, n_validation = (
        sum(len(suite.indices(split, task)) for task in range(suite.n_tasks))
        for split in ("train", "validation")
    )
    gibibytes, limit = 4 * n_train * (n_train + n_validation) / 2**30, config.memory or KERNEL_GIBIBYTES
    if gibibytes > limit:
        raise InvalidInput(
            f"`projection` = identity holds the inner products of {n_train:,} training rows with all others, which "
            f"must fit `memory` ({limit:g} GiB); found {gibibytes:.1f} GiB. Choose another projection, fewer tasks, "
            "or more memory."
        )


def _proxy_subsets(subsets: Sequence[Subset], n_wanted: int, seed: int) -> tuple[Subset, ...]:
    """The first subsets of two tasks or more; of all pairs, which come in order, a random choice. A single subset
    tells no co-task from another, so none then."""
    eligible = [subset for subset in subsets if len(subset) > 1]
    if len(eligible) < 2:
        return ()
    if n_wanted < len(eligible) and eligible == sorted(eligible):
        chosen = np.random.default_rng(seed).permutation(len(eligible))[:n_wanted]
        return tuple(eligible[index] for index in chosen)
    return tuple(eligible[:n_wanted])


def mean_training_flops(plan: Plan) -> float:
    """FLOPs of really training one subset of the plan once, averaged over (a sample of) its subsets."""
    stride = max(1, len(plan.subsets) // MEASURED_SUBSETS)
    sample = plan.subsets[::stride]
    return float(np.mean([_training_flops(plan, subset, plan.config.epochs) for subset in sample]))


def _training_flops(
    plan: Plan, tasks: Sequence[int], epochs: int, architecture: Architecture | None = None
) -> float:
    examples = len(np.unique(np.concatenate([plan.suite.indices("train", task) for task in tasks])))
    architecture = architecture or plan.architecture
    return epochs * examples * architecture.step_flops(architecture.n_outputs(tasks))


@dataclass(frozen=True)
class _Sizes:
    """What the stages of a plan work through: rows of gradients and different examples, and one real training."""

    n_train: int
    n_validation: int
    different: Mapping[str, int]
    one_training: float

    @classmethod
    def of(cls, plan: Plan) -> "_Sizes":
        suite, outputs = plan.suite, plan.architecture.outputs
        splits = {
            split: [suite.indices(split, task) for task in range(suite.n_tasks)]
            for split in ("train", "validation")
        }
        n_train, n_validation = (
            sum(count * len(own) for count, own in zip(outputs, parts, strict=True))
            for parts in splits.values()
        )
        different = {split: len(np.unique(np.concatenate(parts))) for split, parts in splits.items()}
        return cls(n_train, n_validation, different, mean_training_flops(plan))

    @property
    def n_rows(self) -> int:
        return self.n_train + self.n_validation


def forecast(plan: Plan, rates: Mapping[str, float]) -> Forecast:
    """Predict each stage; `rates` are FLOPs per second by stage, as measured by earlier runs."""
    config, sizes = plan.config, _Sizes.of(plan)
    flops: dict[Stage, tuple[int, float]] = _gradient_work(plan, sizes) | _training_work(plan, sizes)
    work = tuple(
        Work(stage, units, cost, _seconds(cost, stage, rates)) for stage, (units, cost) in flops.items()
    )
    full = sizes.one_training * len(plan.subsets)
    columns = sizes.n_train if config.projection == "identity" else config.proj_dim
    feature_bytes = sizes.n_rows * columns * 4 if config.n_inits else 0
    return Forecast(work, full, _seconds(full, "truth", rates), feature_bytes)


def _gradient_work(plan: Plan, sizes: _Sizes) -> dict[Stage, tuple[int, float]]:
    """Units and FLOPs of the stages that estimate by gradients."""
    config, architecture, dim = plan.config, plan.architecture, plan.config.proj_dim
    if not config.n_inits:
        return {}
    frozen, n_examples = architecture.frozen_flops(), sum(sizes.different.values())
    featurize = architecture.featurize_flops(n_examples, sizes.n_rows, dim, config.projection)
    featurize += frozen * sizes.different["validation"] / config.n_inits
    if config.projection == "identity":
        featurize += architecture.kernel_flops(sizes.n_rows, sizes.n_train)
    mean_size = float(np.mean([len(subset) for subset in plan.subsets]))
    rows_per_subset = sizes.n_train / plan.suite.n_tasks * mean_size
    per_subset = rows_per_subset * 4 * dim * NEWTON_PRODUCTS + dim**3 / 3 + 2 * dim**2 * NEWTON_PRODUCTS
    per_subset += _scoring_flops(plan, sizes.one_training)
    base = _training_flops(plan, range(plan.suite.n_tasks), config.base_epochs)
    return {
        "train": (config.n_inits, config.n_inits * base + frozen * sizes.different["train"]),
        "featurize": (config.n_inits, config.n_inits * featurize),
        "regress": (config.n_inits, config.n_inits * len(plan.subsets) * per_subset),
    }


def _training_work(plan: Plan, sizes: _Sizes) -> dict[Stage, tuple[int, float]]:
    """Units and FLOPs of the stages that train for real."""
    config, n_tasks, n_groups = plan.config, plan.suite.n_tasks, plan.config.n_groups or 1
    work: dict[Stage, tuple[int, float]] = {}
    if plan.proxy_subsets:
        sample = plan.proxy_subsets[:MEASURED_SUBSETS]
        small = [_training_flops(plan, subset, config.epochs, plan.proxy_architecture) for subset in sample]
        once = plan.proxy_architecture.frozen_flops() * sizes.different["train"]
        work["proxies"] = (len(plan.proxy_subsets), len(plan.proxy_subsets) * float(np.mean(small)) + once)
    if config.train_groups:
        together = _training_flops(plan, range(n_tasks), config.epochs)
        group = _training_flops(plan, range(ceil(n_tasks / n_groups)), config.epochs)
        work["groups"] = (n_groups + 1, together + n_groups * group)
    if plan.truth_subsets:
        n_trainings = len(plan.truth_subsets) * len(config.truth_seeds)
        work["truth"] = (n_trainings, n_trainings * sizes.one_training)
    return work


def _scoring_flops(plan: Plan, one_training: float) -> float:
    """About what the real passes of a scoring mode cost per subset: as many validation as training examples are
    assumed, and an epoch's share of a training for each pass."""
    one_epoch = one_training / plan.config.epochs
    return {"linear": 0.0, "representer": one_epoch * 4 / 3, "paper": one_epoch / 3}[plan.config.scoring]


def _seconds(flops: float, stage: Stage, rates: Mapping[str, float]) -> float | None:
    """Training rates stand in for each other; there is no other substitution."""
    alike = {
        "truth": ("truth", "groups", "train"),
        "proxies": ("proxies", "truth", "groups", "train"),
        "groups": ("groups", "truth", "train"),
        "train": ("train",),
    }
    rate = next((rates[name] for name in alike.get(stage, (stage,)) if rates.get(name)), None)
    return flops / rate if rate else None
