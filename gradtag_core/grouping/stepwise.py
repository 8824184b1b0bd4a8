"""Forward and backward selection of groups over any scorer of subsets (Grad-TAG, appendix C.1.2, remark 4.3)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.validation import check_n_groups
from gradtag_core.progress import Reporter

ORDERS = 5
MAX_SWEEPS = 20
SMALLEST_GAIN = 1e-12

Members = tuple[int, ...]
Scorer = Callable[[Sequence[Members]], Sequence[Mapping[int, float]]]  # of each group, its tasks' scores


@dataclass(frozen=True, eq=False)
class StepwiseGroups:
    """`groups`: up to k sorted tuples of tasks, together every task once. `total`: the sum of all task scores.

    `trace`: the total after each accepted move of backward selection, its start first, or after each task that
    forward selection placed. `evaluations`: distinct groups that were scored.
    """

    groups: tuple[Members, ...]
    total: float
    trace: tuple[float, ...]
    evaluations: int


class ScoredGroups:
    """Scores any group once: the sum over its tasks of weight times their scores in it, 0 when empty.

    `evaluate` is asked for many groups at a time, which trains or estimates them side by side.
    With scores estimated from gradients this is the accelerated form of remark 4.3. `weights`: one per task
    (None: 1), such as 1 over the standard deviation of its scores so that no easy task rules.
    """

    def __init__(self, evaluate: Scorer, n_tasks: int, weights: Sequence[float] | None = None):
        if n_tasks < 1:
            raise InvalidInput(f"`n_tasks` must be at least 1; found {n_tasks}.")
        self.n_tasks = n_tasks
        self._weights = np.ones(n_tasks) if weights is None else np.asarray(weights, dtype=float)
        if self._weights.shape != (n_tasks,) or not (np.isfinite(self._weights) & (self._weights > 0)).all():
            raise InvalidInput(
                f"`weights` must hold one number above 0 per task, {n_tasks}; found {weights}."
            )
        self._evaluate = evaluate
        self._totals: dict[frozenset[int], float] = {frozenset(): 0.0}

    @property
    def evaluations(self) -> int:
        return len(self._totals) - 1

    def prepare(self, groups: Iterable[frozenset[int]]) -> None:
        """Score at once those of the groups that have not been scored."""
        fresh = [group for group in dict.fromkeys(groups) if group not in self._totals]
        listed = [tuple(sorted(group)) for group in fresh]
        found = self._evaluate(listed) if fresh else []
        for group, members, scores in zip(fresh, listed, found, strict=True):
            wrong = [task for task in members if not np.isfinite(scores.get(task, np.nan))]
            if wrong:
                raise InvalidInput(
                    f"`evaluate` must give a finite score for every task of {members}; none for {wrong}."
                )
            self._totals[group] = float(sum(self._weights[task] * scores[task] for task in members))

    def total(self, group: frozenset[int]) -> float:
        self.prepare([group])
        return self._totals[group]


def forward_selection(
    scored: ScoredGroups,
    n_groups: int,
    *,
    seed: int = 0,
    orders: int = ORDERS,
    reporter: Reporter | None = None,
) -> StepwiseGroups:
    """Put one task after the other where the average over all placed tasks ends up best.

    The paper gives no order of the tasks: `orders` random ones are tried and the best outcome is kept. At most
    n k evaluations an order, and fewer as groups repeat. Groups may stay empty. Ties go to the first group.
    """
    n_groups = check_n_groups(n_groups, scored.n_tasks)
    if orders < 1:
        raise InvalidInput(f"`orders` must be at least 1; found {orders}.")
    generator = np.random.default_rng(seed)
    queues = [generator.permutation(scored.n_tasks).tolist() for _ in range(orders)]
    groups = [[frozenset[int]() for _ in range(n_groups)] for _ in queues]
    traces: list[list[float]] = [[] for _ in queues]
    steps = (reporter or Reporter()).track("Selecting groups", zip(*queues, strict=True), scored.n_tasks)
    for tasks in steps:  # all orders side by side
        scored.prepare(group | {task} for own, task in zip(groups, tasks, strict=True) for group in own)
        for own, trace, task in zip(groups, traces, tasks, strict=True):
            target = int(np.argmax([_joining(scored, group, task) for group in own]))
            own[target] = own[target] | {task}
            trace.append(sum(scored.total(group) for group in own))
    return _result(scored, *max(zip(groups, traces, strict=True), key=lambda outcome: outcome[1][-1]))


def backward_selection(
    scored: ScoredGroups, n_groups: int, *, seed: int = 0, reporter: Reporter | None = None
) -> StepwiseGroups:
    """Start with all tasks in one group and move single tasks while the total of the scores rises.

    Tasks are visited in random order, each going where the total is best; it ends with a sweep without a move,
    or after `MAX_SWEEPS`. The total never falls.
    """
    n_groups = check_n_groups(n_groups, scored.n_tasks)
    generator, reporter = np.random.default_rng(seed), reporter or Reporter()
    groups = [frozenset(range(scored.n_tasks)), *[frozenset[int]()] * (n_groups - 1)]
    trace = [scored.total(groups[0])]
    for _ in range(MAX_SWEEPS):
        before = len(trace)
        for task in generator.permutation(scored.n_tasks).tolist():
            reporter.check()
            source = next(index for index, group in enumerate(groups) if task in group)
            scored.prepare([groups[source] - {task}, *(group | {task} for group in groups)])
            leaving = scored.total(groups[source] - {task}) - scored.total(groups[source])
            gains = [
                -np.inf if index == source else leaving + _joining(scored, group, task)
                for index, group in enumerate(groups)
            ]
            target = int(np.argmax(gains))
            if gains[target] > SMALLEST_GAIN * (1 + abs(trace[-1])):
                groups[source], groups[target] = groups[source] - {task}, groups[target] | {task}
                trace.append(sum(scored.total(group) for group in groups))
        if len(trace) == before:
            break
    return _result(scored, groups, trace)


def _joining(scored: ScoredGroups, group: frozenset[int], task: int) -> float:
    """What adding the task changes: the scores of the group's tasks and the task's own."""
    return scored.total(group | {task}) - scored.total(group)


def _result(scored: ScoredGroups, groups: list[frozenset[int]], trace: list[float]) -> StepwiseGroups:
    members = sorted(tuple(sorted(group)) for group in groups if group)
    return StepwiseGroups(tuple(members), trace[-1], tuple(trace), scored.evaluations)
