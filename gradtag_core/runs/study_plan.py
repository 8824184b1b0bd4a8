"""What a study will do, before it does it: its methods, its seeds, and about how much each method computes.

Needs no torch, so that a page can ask on every change of a knob.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gradtag_core.config import RunConfig, make_config
from gradtag_core.errors import InvalidInput
from gradtag_core.methods.protocol import METHODS, MethodInfo, find_method
from gradtag_core.models.architecture import Architecture
from gradtag_core.runs.plan import forecast, make_plan, model_kind
from gradtag_core.study_config import REFERENCES, StudyConfig
from gradtag_core.tasks.suite import TaskSuite


@dataclass(frozen=True)
class StudyPlan:
    """A configuration made definite for its suite. `left_out` says, by name, why a method does not apply."""

    config: StudyConfig
    suite: TaskSuite
    architecture: Architecture
    n_groups: int
    methods: tuple[MethodInfo, ...]
    left_out: Mapping[str, str]

    @property
    def search_flops(self) -> float | None:
        """The search limit in FLOPs; None for no limit."""
        limit = self.config.search_limit
        return None if limit is None else limit * self.naive_flops

    @property
    def naive_flops(self) -> float:
        """FLOPs of training one model on all tasks."""
        return self._training_flops(tuple(range(self.suite.n_tasks)))

    @property
    def cheapest_flops(self) -> float:
        """What the cheaper of naive multitask and single-task training costs: no budget can be below it."""
        alone = sum(self._training_flops((task,)) for task in range(self.suite.n_tasks))
        return min(self.naive_flops, alone)

    def _training_flops(self, tasks: tuple[int, ...]) -> float:
        examples = len(self.suite.subset("train", tasks).examples)
        return self.config.epochs * examples * self.architecture.step_flops(len(tasks))

    def expected_flops(self) -> dict[str, float]:
        """About what one seed of each method computes, in the order of `methods`: for forecasts only."""
        sizes = _Sizes.of(self)
        return {info.name: self._expected(info, sizes) for info in self.methods}

    def _expected(self, info: MethodInfo, sizes: _Sizes) -> float:
        search = SEARCHES.get(info.module, lambda sizes, info: 0.0)(sizes, info)
        limit = self.search_flops
        last = sizes.alone if info.name == "single_task" else sizes.groups
        if info.module in ONE_MODEL:
            return sizes.naive * ONE_MODEL[info.module](sizes)
        return last + (search if limit is None else min(search, limit))


@dataclass(frozen=True)
class _Sizes:
    """FLOPs of one training of: all tasks together, all alone, all groups, and a subset of five; and the numbers that
    searches grow with."""

    naive: float
    alone: float
    groups: float
    subset: float
    n_tasks: int
    n_groups: int
    n_subsets: int
    plan: StudyPlan

    @classmethod
    def of(cls, plan: StudyPlan) -> _Sizes:
        n_tasks = plan.suite.n_tasks
        size = min(5, n_tasks)
        definite = make_config(subset_size=max(2, min(5, n_tasks - 1))).for_tasks(n_tasks)
        parts = np.array_split(np.arange(n_tasks), plan.n_groups)
        return cls(
            plan.naive_flops,
            sum(plan._training_flops((task,)) for task in range(n_tasks)),
            sum(plan._training_flops(tuple(part.tolist())) for part in parts),
            plan._training_flops(tuple(range(size))),
            n_tasks, plan.n_groups, definite.n_subsets or 1, plan,
        )  # fmt: skip


def _stepwise(sizes: _Sizes, info: MethodInfo) -> float:
    """Each task is tried in each group; estimates take about a tenth of the training."""
    trainings = sizes.n_tasks * sizes.n_groups * sizes.groups / sizes.n_groups
    return trainings * (0.1 if info.options.get("estimated") else 0.7)


def _grad_tag(sizes: _Sizes, info: MethodInfo) -> float:
    """As a run of the same configuration is forecast."""
    plan, options = sizes.plan, info.options
    config = make_config(
        options.get("preset"), n_inits=options.get("n_inits"), n_groups=plan.n_groups, width=plan.config.width,
        proxies_per_task=None if "preset" in options else options.get("proxies_per_task", 0),
        subset_size=min(5, plan.suite.n_tasks - 1), epochs=plan.config.epochs,
        base_epochs=min(RunConfig.model_fields["base_epochs"].default, plan.config.epochs),
    )  # fmt: skip
    return forecast(make_plan(config, plan.suite), {}).estimate_flops


ONE_MODEL: Mapping[str, Callable[[_Sizes], float]] = {
    "naive_mtl": lambda sizes: 1.0,
    "pcgrad": lambda sizes: 0.7 * sizes.n_tasks,
    "mmoe": lambda sizes: 6.0,
    "auto_lambda": lambda sizes: 4.0,
}
SEARCHES: Mapping[str, Callable[[_Sizes, MethodInfo], float]] = {
    "stepwise": _stepwise,
    "tag": lambda sizes, info: 2.0 * sizes.naive,
    "hoa": lambda sizes, info: sizes.n_tasks * (sizes.n_tasks + 1) / 2 * sizes.subset * 0.45,
    "boostmtl": lambda sizes, info: sizes.n_subsets * sizes.subset,
    "principled_task_grouping": lambda sizes, info: 4.0 * sizes.naive,
    "etap": lambda sizes, info: 2.0 * sizes.naive + 2 * sizes.n_tasks * sizes.subset,
    "grad_tag": _grad_tag,
}


def make_study_plan(config: StudyConfig, suite: TaskSuite) -> StudyPlan:
    """Check the configuration against the suite (already cut to its tasks) and choose the methods.

    Raises `InvalidInput` for an unknown method, one asked for that does not apply (saying why), and more groups than
    tasks.
    """
    kind = model_kind(config.model, suite)
    definite = make_config(n_groups=config.n_groups, subset_size=2).for_tasks(suite.n_tasks)
    asked = [find_method(name) for name in config.methods or ()]
    left_out = {info.name: reason for info in asked or METHODS if (reason := info.why_not(suite))}
    if asked and left_out:
        raise InvalidInput(f"`methods` must apply to the data set: {next(iter(left_out.values()))}")
    names = dict.fromkeys([*REFERENCES, *(info.name for info in asked or METHODS)])
    methods = tuple(find_method(name) for name in names if name not in left_out)
    return StudyPlan(
        config.model_copy(update={"model": kind, "n_groups": definite.n_groups}),
        suite,
        Architecture(kind, suite.inputs.shape[1:], config.width, suite.n_tasks),
        definite.n_groups or 1,
        methods,
        left_out,
    )
