"""Which tasks change their group from one grouping to another."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtag_core.evaluation.affinity_difference import shared_tasks
from gradtag_core.grouping.edit import moved_tasks
from gradtag_core.grouping.result import Grouping, first_appearance

Array = np.ndarray


@dataclass(frozen=True)
class Flow:
    """Tasks that share a group in both groupings; `stays`: the two groups are paired."""

    reference: int
    other: int
    task_names: tuple[str, ...]
    stays: bool


@dataclass(frozen=True, eq=False)
class GroupChanges:
    """`reference` and `other`: (n,) the groups of the tasks that both groupings have, as each numbers its own.

    Groups are paired so that the fewest tasks move; `moved` (n,) are those outside the partner of their group.
    `adjusted_rand`: 1 for the same groups, 0 for chance (Hubert and Arabie, 1985).
    """

    task_names: tuple[str, ...]
    reference: Array
    other: Array
    moved: Array
    adjusted_rand: float

    @property
    def moved_names(self) -> tuple[str, ...]:
        return tuple(name for name, moved in zip(self.task_names, self.moved, strict=True) if moved)

    @property
    def flows(self) -> list[Flow]:
        """The non-empty intersections of groups, by the reference's group, those that stay first."""
        found = []
        for first, second in np.unique(np.stack([self.reference, self.other]), axis=1).T.tolist():
            members = (self.reference == first) & (self.other == second)
            names = tuple(name for name, is_in in zip(self.task_names, members, strict=True) if is_in)
            found.append(Flow(first, second, names, not self.moved[members].any()))
        return sorted(found, key=lambda flow: (flow.reference, not flow.stays, flow.other))

    @property
    def partners(self) -> dict[int, int]:
        """The reference's group that a group of the other is paired with; groups without a partner are left out."""
        return {flow.other: flow.reference for flow in self.flows if flow.stays}

    def to_json(self) -> dict[str, Any]:
        """Groups are numbered from 1, each as its own run numbers them."""
        moved = [
            {"task": name, "from": int(self.reference[index]) + 1, "to": int(self.other[index]) + 1}
            for index, name in enumerate(self.task_names)
            if self.moved[index]
        ]
        pairs = [[theirs + 1, ours + 1] for theirs, ours in sorted(self.partners.items())]
        return {"adjusted_rand": self.adjusted_rand, "moved": moved, "other_group_is_paired_with": pairs}

    def destination(self, group: int) -> str:
        """A group of the other run in words: its number, and its partner's where it has one."""
        partner = self.partners.get(group)
        return f"{group + 1} (new)" if partner is None else f"{group + 1} (pairs with {partner + 1})"


def group_changes(reference: Grouping, other: Grouping) -> GroupChanges | None:
    """Compare two groupings on the tasks that both have, matched by name; None where there is none."""
    from sklearn.metrics import adjusted_rand_score

    names = shared_tasks(reference.task_names, other.task_names)
    if not names:
        return None
    ours, theirs = (_labels(grouping, names) for grouping in (reference, other))
    moved = moved_tasks(first_appearance(theirs), first_appearance(ours))
    return GroupChanges(names, ours, theirs, moved, float(adjusted_rand_score(ours, theirs)))


def _labels(grouping: Grouping, names: tuple[str, ...]) -> Array:
    number = dict(zip(grouping.task_names, grouping.labels.tolist(), strict=True))
    return np.array([number[name] for name in names], dtype=np.int64)
