"""What a grouping must satisfy, and which of its rules conflict (Principled Task Grouping, arXiv 2402.15328)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.density import Array, membership

SECONDS = 30.0
SLACK = 1e-9

Pair = tuple[str, str]


@dataclass(frozen=True)
class Constraints:
    """Rules for the groups of a partition; the defaults allow everything.

    `must_link`, `cannot_link`: pairs of task names that share a group, or do not. `task_costs`: one number per
    task, such as its memory; a group costs `group_cost` plus those of its tasks, at most `max_group_cost`, and
    all groups together at most `budget`.
    """

    min_size: int = 1
    max_size: int | None = None
    must_link: tuple[Pair, ...] = ()
    cannot_link: tuple[Pair, ...] = ()
    task_costs: tuple[float, ...] | None = None
    group_cost: float = 0.0
    max_group_cost: float | None = None
    budget: float | None = None

    def __bool__(self) -> bool:
        return self != Constraints()


@dataclass(frozen=True, eq=False)
class Rules:
    """Constraints checked and in numbers, for `n_groups` groups of the tasks named; all arrays are per task.

    `block`: number of the block of must-linked tasks that each task belongs to. `apart`: (n, n) True where two
    tasks may not share a group.
    """

    constraints: Constraints
    task_names: tuple[str, ...]
    n_groups: int
    block: Array
    apart: Array
    costs: Array

    @property
    def max_size(self) -> int:
        return self.constraints.max_size or len(self.task_names)

    @property
    def max_cost(self) -> float:
        """Of the tasks of one group."""
        limit = self.constraints.max_group_cost
        return np.inf if limit is None else limit - self.constraints.group_cost + SLACK * (1 + abs(limit))

    @property
    def within_budget(self) -> bool:
        limit, fixed = self.constraints.budget, self.n_groups * self.constraints.group_cost
        return limit is None or float(self.costs.sum()) + fixed <= limit + SLACK * (1 + abs(limit))

    def allow(self, labels: Array) -> bool:
        """Whether labels 0, ..., k - 1 satisfy every rule."""
        members = membership(labels)
        sizes = members.sum(axis=0)
        linked = all(
            len(set(labels[self.block == block].tolist())) == 1 for block in range(self.block.max() + 1)
        )
        together = labels[:, None] == labels
        return bool(
            linked and self.within_budget and len(sizes) == self.n_groups
            and sizes.min() >= self.constraints.min_size and sizes.max() <= self.max_size
            and not (together & self.apart).any() and (self.costs @ members).max() <= self.max_cost
        )  # fmt: skip


def make_rules(constraints: Constraints, task_names: Sequence[str], n_groups: int) -> Rules:
    """Check constraints against the tasks; raises `InvalidInput` for a wrong name or number, never for a conflict."""
    names = tuple(task_names)
    for name, least in (("min_size", 1), ("max_size", 1)):
        value = getattr(constraints, name)
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if value is not None and not (whole and value >= least):
            raise InvalidInput(f"`{name}` must be a whole number, at least {least}; found {value!r}.")
    for name in ("group_cost", "max_group_cost", "budget"):
        value = getattr(constraints, name)
        if value is not None and not (np.isfinite(value) and value >= 0):
            raise InvalidInput(f"`{name}` must be a finite number, at least 0; found {value}.")
    must = _indices("must_link", constraints.must_link, names)
    cannot = _indices("cannot_link", constraints.cannot_link, names)
    apart = np.zeros((len(names), len(names)), dtype=bool)
    for first, second in cannot:
        apart[first, second] = apart[second, first] = True
    costs = np.zeros(len(names))
    if constraints.task_costs is not None:
        costs = np.asarray(constraints.task_costs, dtype=float)
        if costs.shape != (len(names),) or not (np.isfinite(costs) & (costs >= 0)).all():
            raise InvalidInput(
                f"`task_costs` must hold one finite number, at least 0, per task, {len(names)}; found "
                f"{constraints.task_costs}."
            )
    return Rules(constraints, names, n_groups, _blocks(must, len(names)), apart, costs)


def feasible_labels(rules: Rules, wanted: Array | None = None, seconds: float = SECONDS) -> Array | None:
    """Labels that satisfy every rule, agreeing with `wanted` for as many tasks as possible; None where none exist.

    An assignment program (one binary per block and group) solved by HiGHS. Raises `InvalidInput` when `seconds`
    run out before it is decided.
    """
    from scipy.optimize import Bounds, milp

    if not rules.within_budget or rules.max_cost < 0 or any(True for _ in _linked_apart(rules)):
        return None
    n_blocks, n_groups = int(rules.block.max()) + 1, rules.n_groups
    agreement = np.zeros((n_blocks, n_groups))
    if wanted is not None:
        np.add.at(agreement, (rules.block, wanted), 1)
    else:  # groups are interchangeable: let the first block open the first group
        agreement[0, 0] = 1
    result = milp(
        -agreement.ravel(), constraints=_assignment(rules, n_blocks), integrality=np.ones(agreement.size),
        bounds=Bounds(0, 1), options={"time_limit": seconds},
    )  # fmt: skip
    if result.x is None and result.status != 2:
        raise InvalidInput(
            f"Whether the constraints can be met was not decided in {seconds:g} seconds; use fewer."
        )
    return None if result.x is None else result.x.reshape(agreement.shape).argmax(axis=1)[rules.block]


def conflict(rules: Rules, seconds: float = SECONDS) -> list[str]:
    """The smallest-by-removal set of rules that no grouping satisfies, in words; empty when there is no conflict."""
    if feasible_labels(rules, seconds=seconds) is not None:
        return []
    kept = list(_parts(rules.constraints))
    for part in list(kept):
        fewer = [other for other in kept if other is not part]
        if feasible_labels(_only(rules, fewer), seconds=seconds) is None:
            kept = fewer
    words = [_in_words(*part) for part in kept]
    return [*words, f"`n_groups` = {rules.n_groups}", f"{len(rules.task_names)} tasks"] if words else words


def raise_conflict(rules: Rules) -> NoReturn:
    raise InvalidInput(f"No grouping satisfies all of: {', '.join(conflict(rules))}. Loosen one of them.")


def _parts(constraints: Constraints) -> Iterator[tuple[str, Any]]:
    """Each single rule: a field and its value, or one of its pairs."""
    for name in ("must_link", "cannot_link"):
        for pair in getattr(constraints, name):
            yield name, pair
    default = Constraints()
    for name in ("min_size", "max_size", "max_group_cost", "budget"):
        if getattr(constraints, name) != getattr(default, name):
            yield name, getattr(constraints, name)


def _only(rules: Rules, parts: list[tuple[str, Any]]) -> Rules:
    values: dict[str, Any] = {name: value for name, value in parts if not name.endswith("_link")}
    for link in ("must_link", "cannot_link"):
        values[link] = tuple(value for name, value in parts if name == link)
    dropped = {"min_size": 1, "max_size": None, "max_group_cost": None, "budget": None}
    return make_rules(replace(rules.constraints, **{**dropped, **values}), rules.task_names, rules.n_groups)


def _in_words(name: str, value: Any) -> str:
    return f"`{name}` {value[0]},{value[1]}" if name.endswith("_link") else f"`{name}` = {value:g}"


def _indices(name: str, pairs: Sequence[Pair], task_names: tuple[str, ...]) -> list[tuple[int, int]]:
    number = {task: index for index, task in enumerate(task_names)}
    for pair in pairs:
        unknown = [task for task in pair if task not in number]
        if len(pair) != 2 or unknown or pair[0] == pair[1]:
            problem = f"`{unknown[0]}` is no task" if unknown else "it does not name two different tasks"
            raise InvalidInput(
                f"`{name}` must hold pairs of task names; found {','.join(map(str, pair))}: {problem}."
            )
    return [(number[first], number[second]) for first, second in pairs]


def _blocks(links: list[tuple[int, int]], n_tasks: int) -> Array:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.array(links, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(n_tasks, n_tasks))
    return connected_components(graph, directed=False)[1].astype(int)


def _linked_apart(rules: Rules) -> Iterator[tuple[int, int]]:
    """Pairs that must-links put together and a cannot-link apart."""
    for first, second in np.argwhere(np.triu(rules.apart)):
        if rules.block[first] == rules.block[second]:
            yield int(first), int(second)


def _assignment(rules: Rules, n_blocks: int) -> list[Any]:
    """The rules for binaries z[block, group], row by row."""
    from scipy.optimize import LinearConstraint
    from scipy.sparse import csr_array, eye_array, kron, vstack

    groups = eye_array(rules.n_groups)
    per_group = lambda weights: kron(csr_array(weights[None, :]), groups)  # noqa: E731
    sizes = np.bincount(rules.block).astype(float)
    costs = np.bincount(rules.block, weights=rules.costs)
    rows = [
        LinearConstraint(kron(eye_array(n_blocks), np.ones((1, rules.n_groups))), 1, 1),
        LinearConstraint(per_group(sizes), rules.constraints.min_size, rules.max_size),
    ]
    if np.isfinite(rules.max_cost):
        unit = max(rules.max_cost, 1e-3 * float(costs.max())) or 1.0  # the solver's tolerance is absolute
        rows.append(LinearConstraint(per_group(costs / unit), -np.inf, rules.max_cost / unit))
    pairs = {
        (min(a, b), max(a, b)) for a, b in rules.block[np.argwhere(np.triu(rules.apart))].tolist()
    }  # fmt: skip
    if pairs:
        picks = [
            csr_array(np.bincount(pair, minlength=n_blocks).astype(float)[None, :]) for pair in sorted(pairs)
        ]
        rows.append(LinearConstraint(kron(vstack(picks), groups), -np.inf, 1))
    return rows
