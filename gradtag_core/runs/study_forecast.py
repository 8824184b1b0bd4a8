"""About how much each method of a study will compute, before it does: for progress and for the launcher.

What grows with the suite is counted; the factors were set by the studies of `yeast` and `debian`. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from gradtag_core.affinity.subsets import random_subsets
from gradtag_core.config import RunConfig, make_config
from gradtag_core.methods.protocol import MethodInfo
from gradtag_core.runs.plan import Forecast, forecast, make_plan
from gradtag_core.runs.study_plan import StudyPlan

SUBSET_SIZE = 5  # of the subsets that methods train and estimate
PROBES = 20  # steps of a joint training that a method looks at
MEASURED_SUBSETS = 20  # how many to look at for a mean
LIMITED = (
    "stepwise",
    "hoa",
    "boostmtl",
    "etap",
)  # whose searches really train, or a sample where that is too dear
ORDERS = 5  # in which forward selection tries the tasks


def expected_flops(plan: StudyPlan) -> dict[str, float]:
    """About what one seed of each method computes, in the order of the plan's methods."""
    work = _Work(plan)
    return {info.name: _expected(info, work) for info in plan.methods}


def _expected(info: MethodInfo, work: _Work) -> float:
    if info.module in WITHOUT_GROUPS:
        return WITHOUT_GROUPS[info.module](work)
    search, limit = SEARCHES.get(info.module, _no_search)(work, info), work.plan.search_flops
    limited = info.module in LIMITED and not info.options.get("estimated")
    return work.groups + (min(search, limit) if limited and limit is not None else search)


@dataclass(frozen=True)
class _Work:
    """FLOPs of the trainings that methods are made of."""

    plan: StudyPlan

    @property
    def n_tasks(self) -> int:
        return self.plan.suite.n_tasks

    @cached_property
    def naive(self) -> float:
        return self.plan.naive_flops

    @cached_property
    def alone(self) -> float:
        return sum(self.plan.training_flops((task,)) for task in range(self.n_tasks))

    @cached_property
    def groups(self) -> float:
        parts = np.array_split(np.random.default_rng(0).permutation(self.n_tasks), self.plan.n_groups)
        return sum(self.plan.training_flops(part.tolist()) for part in parts)

    def subset(self, size: int) -> float:
        """One training of a random subset of that size, on average."""
        size = max(1, min(size, self.n_tasks))
        seen = random_subsets(self.n_tasks, size, min(MEASURED_SUBSETS, self.n_tasks), 0)
        return float(np.mean([self.plan.training_flops(subset) for subset in seen]))

    @cached_property
    def probe(self) -> float:
        """One pass and the gradients of all tasks on a batch."""
        examples = min(
            self.plan.config.batch_size, len(self.plan.suite.subset("train", range(self.n_tasks)).examples)
        )
        return examples * self.plan.architecture.step_flops(sum(self.plan.architecture.outputs))

    def run(self, info: MethodInfo) -> Forecast:
        """As a run of the method's configuration is forecast."""
        plan, options = self.plan, info.options
        config = make_config(
            options.get("preset"), n_inits=options.get("n_inits"), n_groups=plan.n_groups, width=plan.config.width,
            proxies_per_task=None if "preset" in options else options.get("proxies_per_task", 0),
            subset_size=min(SUBSET_SIZE, self.n_tasks - 1), epochs=plan.config.epochs,
            base_epochs=min(RunConfig.model_fields["base_epochs"].default, plan.config.epochs),
        )  # fmt: skip
        return forecast(make_plan(config, plan.suite), {})

    @property
    def n_subsets(self) -> int:
        size = max(2, min(SUBSET_SIZE, self.n_tasks - 1))
        return make_config(subset_size=size).for_tasks(self.n_tasks).n_subsets or 1


def _no_search(work: _Work, info: MethodInfo) -> float:
    return 0.0


def _stepwise(work: _Work, info: MethodInfo) -> float:
    """Each task is tried in each group: in several orders, or in some sweeps."""
    forward = info.options["direction"] == "forward"
    asked = work.n_tasks * work.plan.n_groups * (0.7 * ORDERS if forward else 2.5)
    size = round(work.n_tasks / work.plan.n_groups)
    if not info.options.get("estimated"):
        return asked * work.subset(size // 2 + 1 if forward else size)
    one = MethodInfo("grad_tag", "", "", "grad_tag", {"n_inits": 1})
    found = work.run(one)
    regressions = next(each for each in found.work if each.stage == "regress")
    asked *= 1 if forward else 4  # whose groups begin with all tasks in one
    return found.flops_of("train", "featurize") + asked * regressions.flops / work.n_subsets


def _hoa(work: _Work, info: MethodInfo) -> float:
    pairs = list(combinations(range(work.n_tasks), 2))
    return work.alone + len(pairs) * work.subset(2)


def _transfer_gains(work: _Work, info: MethodInfo) -> float:
    drawn = min(work.n_tasks, 20)
    return work.naive + PROBES * work.probe * 0.28 * drawn * (drawn - 1)


def _per_node(flops: float) -> Callable[[_Work], float]:
    return lambda work: flops * work.plan.suite.n_examples


WITHOUT_GROUPS: Mapping[str, Callable[[_Work], float]] = {
    "naive_mtl": lambda work: work.naive,
    "single_task": lambda work: work.alone,
    "pcgrad": lambda work: 0.65 * work.n_tasks * work.naive,
    "mmoe": lambda work: 7 * work.naive,
    "auto_lambda": lambda work: 7.7 * work.naive,
    "louvain": _per_node(1e3),
    "bigclam": _per_node(6e4),
    "node2vec": _per_node(4e7),
    "verse": _per_node(3e7),
    "mincut": _per_node(3.5e7),
    "dmon": _per_node(3.5e7),
}
SEARCHES: Mapping[str, Callable[[_Work, MethodInfo], float]] = {
    "stepwise": _stepwise,
    "tag": lambda work, info: work.naive + PROBES * work.probe * work.n_tasks,
    "hoa": _hoa,
    "boostmtl": lambda work, info: work.n_subsets * work.subset(SUBSET_SIZE),
    "principled_task_grouping": _transfer_gains,
    "etap": lambda work, info: work.naive + work.alone + 2.5 * work.n_tasks * work.subset(SUBSET_SIZE),
    "grad_tag": lambda work, info: work.run(info).estimate_flops,
}
