"""Choose groups under an inference budget, each task served by its best group: the objective of TAG and HOA."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any, Literal

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.grouping.validation import check_affinity

MAX_COLUMNS = 5000
SECONDS = 60.0
SMALLEST_GAP = 1e-8
LARGEST_COEFFICIENT = 1e3
ROUNDING = 1e-9  # by which a sum of costs may pass its limit

Group = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Selection:
    """Chosen groups, which may overlap, and the one that serves each task.

    `served_by`: (n,) index into `groups`; `scores`: (n,) of each task in that group, higher is better;
    `value`: their sum; `upper_bound`: no selection has a larger one. `status`: "optimal", or "stopped" when
    time ran out with the best found so far.
    """

    task_names: tuple[str, ...]
    groups: tuple[Group, ...]
    served_by: np.ndarray
    scores: np.ndarray
    value: float
    upper_bound: float
    cost: float
    status: Literal["optimal", "stopped"]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        names = [[self.task_names[task] for task in group] for group in self.groups]
        return {
            "groups": names, "served_by": self.served_by.tolist(), "scores": self.scores.tolist(),
            "task_names": list(self.task_names), "value": self.value, "upper_bound": self.upper_bound,
            "cost": self.cost, "status": self.status, "seconds": self.seconds,
        }  # fmt: skip


def all_groups(n_tasks: int, min_size: int = 1, max_size: int | None = None) -> list[Group]:
    """Every group of `min_size` to `max_size` tasks, small ones first; at most `MAX_COLUMNS` of them."""
    largest = min(n_tasks, max_size or n_tasks)
    count = sum(comb(n_tasks, size) for size in range(min_size, largest + 1))
    if count > MAX_COLUMNS:
        raise InvalidInput(
            f"The exact program takes at most {MAX_COLUMNS} candidate groups; {n_tasks} tasks in groups of up to "
            f"{largest} make {count}. Lower `max_size`."
        )
    return [group for size in range(min_size, largest + 1) for group in combinations(range(n_tasks), size)]


def pair_scores(affinity: np.ndarray, group: Group) -> np.ndarray:
    """Score of each task of a group: the mean of its affinities T[i, j] with the others, T[i, i] when alone.

    HOA's approximation from pairs and singles (Standley et al. 2020, section 4), and TAG's score of a group
    (Fifty et al. 2021, section 3), whose Z[i, j] is T[j, i] here.
    """
    inside = affinity[np.ix_(group, group)]
    if len(group) == 1:
        return inside[0]
    return (inside.sum(axis=1) - np.diag(inside)) / (len(group) - 1)


def select_by_pairs(
    affinity: Any,
    *,
    budget: float,
    singletons: bool,
    single_cost: float = 1.0,
    max_size: int | None = None,
    task_names: Sequence[str] | None = None,
) -> Selection:
    """The best groups by `pair_scores` whose cost is at most `budget`, a group costing 1 and one task `single_cost`.

    HOA: `singletons` = True, the diagonal holding each task's score alone. TAG: `singletons` = False, since its
    affinities say nothing of a task alone. Raises `InvalidInput` for what breaks a rule or cannot be met.
    """
    values, names = check_affinity(affinity, task_names)
    smallest = 1 if singletons or len(values) == 1 else 2
    groups = all_groups(len(values), smallest, max_size)
    costs = [single_cost if len(group) == 1 else 1.0 for group in groups]
    scores = [pair_scores(values, group) for group in groups]
    return select_groups(groups, scores, names, budget=budget, costs=costs)


def select_groups(
    groups: Sequence[Group],
    scores: Sequence[Sequence[float] | np.ndarray],
    task_names: Sequence[str],
    *,
    costs: Sequence[float] | None = None,
    budget: float | None = None,
    max_groups: int | None = None,
    seconds: float = SECONDS,
) -> Selection:
    """Maximise the sum over tasks of the score in the best chosen group that holds the task, as a column program.

    `scores[g]` are those of the tasks of `groups[g]`, in its order; `costs[g]` (None: 1 each) add up to at most
    `budget`. Solved exactly by HiGHS unless `seconds` run out. Raises `InvalidInput` when tasks are in no group
    or the limits cannot be met, naming the least that is needed.
    """
    started = time.perf_counter()
    columns = _Columns(
        groups, scores, len(task_names), np.asarray(costs or np.ones(len(groups)), dtype=float)
    )
    missing = sorted(set(range(len(task_names))) - {task for group in groups for task in group})
    if missing:
        raise InvalidInput(
            f"Every task must be in a candidate group; {quoted([task_names[i] for i in missing])} is in none."
        )
    _check_limits(columns, budget, max_groups)
    result, bound, scale = columns.solve(budget, max_groups, seconds)
    if result.x is None:
        raise InvalidInput(f"No selection was found in {seconds:g} seconds; allow more or lower `max_size`.")
    served = columns.best_served(np.flatnonzero(result.x[: len(groups)] > 0.5))
    chosen = sorted(set(served.tolist()))
    task_scores = np.array([columns.score_of(group, task) for task, group in enumerate(served)])
    value = float(task_scores.sum())
    accuracy = SMALLEST_GAP * (scale + abs(value))
    return Selection(
        tuple(task_names), tuple(tuple(groups[g]) for g in chosen),
        np.array([chosen.index(g) for g in served]), task_scores, value, max(bound, value),
        float(columns.costs[chosen].sum()), "optimal" if bound - value <= accuracy else "stopped",
        time.perf_counter() - started,
    )  # fmt: skip


class _Columns:
    """Variables: one per group (chosen), then one per (group, member) (that group serves the task)."""

    def __init__(self, groups: Sequence[Group], scores: Sequence[Any], n_tasks: int, costs: np.ndarray):
        self.groups, self.n_tasks, self.costs = groups, n_tasks, costs
        self.group = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        self.task = np.array([task for group in groups for task in group])
        self.values = np.concatenate([np.asarray(row, dtype=float) for row in scores])
        if len(self.values) != len(self.task) or not np.isfinite(self.values).all():
            raise InvalidInput("`scores` must hold one finite number per task of each group.")
        self._score = dict(
            zip(zip(self.group.tolist(), self.task.tolist(), strict=True), self.values, strict=True)
        )

    def score_of(self, group: int, task: int) -> float:
        return float(self._score[(group, task)])

    def best_served(self, chosen: np.ndarray) -> np.ndarray:
        """The chosen group with the best score for each task."""
        options = [[g for g in chosen.tolist() if (g, task) in self._score] for task in range(self.n_tasks)]
        return np.array(
            [max(those, key=lambda g: self._score[(g, task)]) for task, those in enumerate(options)]
        )

    def solve(self, budget: float | None, max_groups: int | None, seconds: float) -> tuple[Any, float, float]:
        """The solver's result, the proven limit, and by how much scores differ at most from their task's mean.

        A task is served once, so its mean score is a constant; the rest is scaled, since HiGHS stops at an
        absolute gap of 1e-6.
        """
        means = np.bincount(self.task, weights=self.values) / np.bincount(self.task)
        centred = self.values - means[self.task]
        scale = float(np.abs(centred).max()) or 1.0
        objective = np.concatenate([np.zeros(len(self.groups)), -LARGEST_COEFFICIENT / scale * centred])
        result = self._milp(objective, budget, max_groups, seconds)
        limit = np.inf if result.mip_dual_bound is None else -float(result.mip_dual_bound)
        return result, scale / LARGEST_COEFFICIENT * limit + float(means.sum()), scale

    def least(self, weights: np.ndarray, seconds: float = SECONDS) -> float:
        """The least total weight of groups that hold every task."""
        scale = float(weights.max()) or 1.0
        objective = np.concatenate([weights / scale, 0 * self.values])
        return scale * float(self._milp(objective, None, None, seconds).fun)

    def _milp(
        self, objective: np.ndarray, budget: float | None, max_groups: int | None, seconds: float
    ) -> Any:
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import coo_array, vstack

        n_groups, n_pairs = len(self.groups), len(self.task)
        pair = n_groups + np.arange(n_pairs)
        size = (n_pairs, n_groups + n_pairs)
        once = coo_array((np.ones(n_pairs), (self.task, pair)), shape=(self.n_tasks, size[1]))
        own = coo_array((np.ones(n_pairs), (np.arange(n_pairs), pair)), shape=size)
        chosen = coo_array((np.ones(n_pairs), (np.arange(n_pairs), self.group)), shape=size)
        rules = [LinearConstraint(once, 1, 1), LinearConstraint(own - chosen, -np.inf, 0)]
        rows = [
            row / limit
            for row, limit in ((self.costs, budget), (np.ones(n_groups), max_groups))
            if limit is not None
        ]
        if rows:
            limits = vstack([coo_array(np.concatenate([row, np.zeros(n_pairs)])[None, :]) for row in rows])
            rules.append(LinearConstraint(limits, -np.inf, 1 + ROUNDING))
        whole = np.concatenate([np.ones(n_groups), np.zeros(n_pairs)])
        options = {"time_limit": seconds, "mip_rel_gap": 0.0}
        return milp(objective, constraints=rules, integrality=whole, bounds=Bounds(0, 1), options=options)


def _check_limits(columns: _Columns, budget: float | None, max_groups: int | None) -> None:
    """Name the limit that no selection can meet, with the least that is possible."""
    for name, limit, weights in (
        ("budget", budget, columns.costs), ("max_groups", max_groups, np.ones(len(columns.groups))),
    ):  # fmt: skip
        if limit is not None and not limit > 0:
            raise InvalidInput(f"`{name}` must be above 0; found {limit}.")
        if limit is not None:
            least = columns.least(weights)
            if least > limit * (1 + ROUNDING):
                raise InvalidInput(
                    f"`{name}` must be at least {least:g} to hold every task; found {limit:g}."
                )
