"""A grouping changed by hand: moves, merges and splits that can be undone, and what each one would bring."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.constraints import Rules
from gradtag_core.grouping.density import (
    Array,
    density,
    expected_density,
    group_densities,
    membership,
    move_gains,
)
from gradtag_core.grouping.local import local_grouping
from gradtag_core.grouping.result import OPTIMAL_GAP, Grouping

BY_HAND = "by hand"


@dataclass(frozen=True, eq=False)
class Step:
    """One change in words, and the (n,) labels after it."""

    words: str
    labels: Array


@dataclass(frozen=True, eq=False)
class EditedGrouping:
    """A grouping and the changes made to it; every change returns a new object.

    `affinity`: (n, n) finite numbers, row = evaluated task. `done`: the changes in force; `undone`: those taken
    back, the last one taken back first. Groups keep their numbers through moves and splits; where a group
    closes, the numbers above it fall by one. Methods raise `InvalidInput` for a task or group that is not there.
    """

    affinity: Array
    start: Grouping
    done: tuple[Step, ...] = ()
    undone: tuple[Step, ...] = ()

    @property
    def labels(self) -> Array:
        return self.done[-1].labels if self.done else self.start.labels

    @property
    def n_groups(self) -> int:
        return int(self.labels.max()) + 1

    @property
    def groups(self) -> list[list[str]]:
        """The task names of each group, in the order of the tasks."""
        names = self.start.task_names
        return [
            [names[task] for task in np.flatnonzero(self.labels == group)] for group in range(self.n_groups)
        ]

    def move(self, task: int, group: int) -> "EditedGrouping":
        """Put a task into another group; `group` = `n_groups` opens one for it, and an emptied group closes."""
        self._check("task", task, len(self.labels))
        self._check("group", group, self.n_groups + 1)
        labels = self.labels.copy()
        labels[task] = group
        where = "a group of its own" if group == self.n_groups else f"group {group + 1}"
        return self._with(f"{self.start.task_names[task]} to {where}", labels)

    def merge(self, first: int, second: int) -> "EditedGrouping":
        """Make one group of two, under the smaller number."""
        for group in (first, second):
            self._check("group", group, self.n_groups)
        low, high = sorted((first, second))
        return self._with(
            f"groups {low + 1} and {high + 1} merged", np.where(self.labels == high, low, self.labels)
        )

    def split(self, group: int) -> "EditedGrouping":
        """Divide a group where that leaves the most density; the part without its first task gets the last number."""
        return self._with(f"group {group + 1} split", self._split_labels(group))

    def undo(self) -> "EditedGrouping":
        return replace(self, done=self.done[:-1], undone=(*self.undone, *self.done[-1:]))

    def redo(self) -> "EditedGrouping":
        return replace(self, done=(*self.done, *self.undone[-1:]), undone=self.undone[:-1])

    def reset(self) -> "EditedGrouping":
        """Back to the start, as one change that can be undone."""
        return self._with("back to the start", self.start.labels)

    def split_change(self, group: int) -> float:
        """What `split` adds to the density."""
        return density(self.affinity, self._split_labels(group)) - density(self.affinity, self.labels)

    def to_grouping(self, bound: Callable[[int], float]) -> Grouping:
        """The present groups, with `bound(k)` as the proven limit on the density of any k groups."""
        found = Grouping(
            labels=self.labels, task_names=self.start.task_names, density=density(self.affinity, self.labels),
            upper_bound=bound(self.n_groups), random_density=expected_density(self.affinity, self.n_groups),
            status="heuristic", solver="none", rounding=self.start.rounding, threshold=None, n_groups_asked=None,
            seconds=0.0, method=BY_HAND,
        )  # fmt: skip
        return replace(found, status="optimal") if found.gap <= OPTIMAL_GAP else found

    def _split_labels(self, group: int) -> Array:
        self._check("group", group, self.n_groups)
        members = np.flatnonzero(self.labels == group)
        if len(members) < 2:
            raise InvalidInput(
                f"`group` {group + 1} holds a single task and cannot be split; choose another."
            )
        halves = local_grouping(self.affinity[np.ix_(members, members)], 2)
        labels = self.labels.copy()
        labels[members[halves != halves[0]]] = self.n_groups
        return labels

    def _with(self, words: str, labels: Array) -> "EditedGrouping":
        """The change in force and nothing to redo; a change that changes nothing is none."""
        labels = np.unique(labels, return_inverse=True)[1]
        if np.array_equal(labels, self.labels):
            return self
        labels.flags.writeable = False
        return replace(self, done=(*self.done, Step(words, labels)), undone=())

    def _check(self, name: str, number: int, end: int) -> None:
        if not 0 <= number < end:
            raise InvalidInput(f"`{name}` must be from 1 to {end}; found {number + 1}.")


def move_changes(affinity: Array, labels: Array, task: int) -> Array:
    """What moving a task adds to the density: (k + 1,), for each group and last for a group of its own."""
    group = labels == labels[task]
    if group.sum() == 1:
        return np.append(merge_changes(affinity, labels)[labels[task]], 0.0)
    inside, rest = np.flatnonzero(group), np.flatnonzero(group & (np.arange(len(labels)) != task))
    alone = float(affinity[task, task]) + _one(affinity, rest) - _one(affinity, inside)
    return np.append(move_gains(affinity, labels)[task], alone)


def merge_changes(affinity: Array, labels: Array) -> Array:
    """What merging two groups adds to the density: (k, k), 0 on the diagonal."""
    members = membership(labels)
    sums, sizes = members.T @ affinity @ members, members.sum(axis=0)
    totals, own = np.diag(sums), group_densities(affinity, labels)
    together = (totals[:, None] + totals + sums + sums.T) / (sizes[:, None] + sizes)
    changes = together - own[:, None] - own
    np.fill_diagonal(changes, 0.0)
    return changes


def task_scores(affinity: Array, labels: Array) -> Array:
    """(n,) the mean of each task's row of T over its group, itself included: its share of the density."""
    members = membership(labels)
    return (affinity @ members)[np.arange(len(labels)), labels] / members.sum(axis=0)[labels]


def moved_tasks(labels: Array, reference: Array) -> Array:
    """(n,) True where a task is in another group than in `reference`, groups paired so that fewest are."""
    from scipy.optimize import linear_sum_assignment

    overlap = membership(labels).T @ membership(reference)
    partner = np.full(len(overlap), -1)
    groups, partners = linear_sum_assignment(overlap, maximize=True)
    partner[groups] = partners
    return partner[labels] != reference


def broken_rules(rules: Rules, labels: Array) -> list[str]:
    """Which constraints a grouping breaks, in words; the number of groups is not one of them."""
    limits, members = rules.constraints, membership(labels)
    sizes, costs = members.sum(axis=0), rules.costs @ members + rules.constraints.group_cost
    number = {name: index for index, name in enumerate(rules.task_names)}

    def together(pair: tuple[str, str]) -> bool:
        return bool(labels[number[pair[0]]] == labels[number[pair[1]]])

    words = [f"{a} and {b} must share a group" for a, b in limits.must_link if not together((a, b))]
    words += [f"{a} and {b} must not share a group" for a, b in limits.cannot_link if together((a, b))]
    for group, size in enumerate(sizes.astype(int).tolist(), start=1):
        if not limits.min_size <= size <= rules.max_size:
            words.append(f"group {group} holds {size} task{'s' * (size > 1)}")
        if costs[group - 1] - limits.group_cost > rules.max_cost:
            words.append(f"group {group} costs {costs[group - 1]:g}")
    if not replace(rules, n_groups=len(sizes)).within_budget:
        words.append(f"all groups cost {costs.sum():g}")
    return words


def _one(affinity: Array, group: Array) -> float:
    """The density of one group."""
    return float(affinity[np.ix_(group, group)].sum()) / len(group)
