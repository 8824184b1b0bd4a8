"""What a grouping method returns: the groups, how good they are, and how good they could be at most."""

from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np

from gradtag_core.errors import InvalidInput, quoted

Status = Literal["optimal", "solved", "solved_inaccurate", "failed", "count_missed", "heuristic"]

OPTIMAL_GAP = 1e-4
SAME_DENSITY = 1e-9
LARGEST = 1e200  # of a stored number: differences of such are still numbers


def first_appearance(labels: np.ndarray) -> np.ndarray:
    """The same groups, numbered 0, 1, 2, ... in the order in which the tasks meet them."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


@dataclass(frozen=True, eq=False)
class Grouping:
    """A partition of the tasks, with a proven limit on the density of any partition into as many groups.

    `labels`: (n,) group of each task, renumbered in order of first appearance.
    `density`, `upper_bound`: in units of the affinity; the bound holds for the number of groups formed.
    `random_density`: what a random grouping into as many groups has on average.
    `status`: "optimal" (proven: the gap is at most `OPTIMAL_GAP`), "solved" (the relaxation is solved; a gap
    is left), "solved_inaccurate" (the solver stopped early), "failed" (the solver gave nothing; the groups
    come from the relaxation without X >= 0), "count_missed" (the threshold formed another number of groups
    than `n_groups_asked`), "heuristic" (found without a relaxation, so that the bound is loose).
    `threshold`: the one used (None: not a threshold rounding). `seconds`: relaxation and rounding together.
    `method`: what found the groups; `penalty`: the price per group where their number was free.
    """

    labels: np.ndarray
    task_names: tuple[str, ...]
    density: float
    upper_bound: float
    random_density: float
    status: Status
    solver: str
    rounding: str
    threshold: float | None
    n_groups_asked: int | None
    seconds: float
    method: str = "sdp"
    penalty: float | None = None

    def __post_init__(self) -> None:
        labels = first_appearance(np.asarray(self.labels))
        if len(labels) != len(self.task_names):
            raise InvalidInput(
                f"`labels` must have one entry per task, {len(self.task_names)}; found {len(labels)}."
            )
        labels.flags.writeable = False
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "task_names", tuple(self.task_names))

    @property
    def gap(self) -> float:
        """The share of the possible lead over a random grouping that may be missing.

        (upper bound - density) / (upper bound - random density): 0 is proven optimal, 1 as good as random.
        Unlike a gap relative to the bound itself, it stays the same when the affinity is scaled or shifted by
        r1' + 1c' or a multiple of the identity, none of which changes what the best groups are. 0 where every
        grouping has the same density.
        """
        lead = self.upper_bound - self.random_density
        if lead <= SAME_DENSITY * max(abs(self.upper_bound), abs(self.random_density)):
            return 0.0
        return max(0.0, self.upper_bound - self.density) / lead

    @property
    def n_groups(self) -> int:
        return int(self.labels.max()) + 1

    @property
    def groups(self) -> list[list[str]]:
        """The task names of each group, in the order of the tasks."""
        groups: list[list[str]] = [[] for _ in range(self.n_groups)]
        for name, label in zip(self.task_names, self.labels, strict=True):
            groups[label].append(name)
        return groups

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file, with the gap and the groups for whoever reads it."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values |= {"labels": self.labels.tolist(), "task_names": list(self.task_names)}
        return values | {"gap": self.gap, "groups": self.groups}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Grouping":
        """The inverse of `to_json`; raises `InvalidInput` when a field without a default is missing or one cannot be
        what was written."""
        names = [field.name for field in fields(cls)]
        missing = [
            field.name for field in fields(cls) if field.name not in values and field.default is MISSING
        ]
        if missing:
            raise InvalidInput(f"A stored grouping needs every field; {quoted(missing, 99)} not found.")
        if values["status"] not in get_args(Status):
            raise InvalidInput(
                f"`status` must be one of {quoted(get_args(Status), 99)}; found {values['status']!r}."
            )
        found = {name: values[name] for name in names if name in values}
        wrong = [name for name, value in found.items() if not _could_be(name, value)]
        if wrong:
            raise InvalidInput(
                f"A stored grouping must hold a group number per task, names, texts and finite numbers; found others "
                f"in {quoted(wrong, 99)}."
            )
        return cls(**found)


def _could_be(name: str, value: Any) -> bool:
    """Whether `to_json` could have written this value of a field."""
    if name in ("labels", "task_names"):
        fits = _is_group_number if name == "labels" else lambda item: isinstance(item, str)
        return isinstance(value, list) and len(value) > 0 and all(map(fits, value))
    if name in ("status", "solver", "rounding", "method"):
        return isinstance(value, str)
    if name == "n_groups_asked":
        return value is None or _is_group_number(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
    return is_number or (value is None and name in ("threshold", "penalty"))


def _is_group_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31
