"""Groupings under constraints: an exact column program where the columns fit, else a stated heuristic.

The program is that of Principled Task Grouping (arXiv 2402.15328) over partitions: one binary per candidate group.
"""

import time
from collections.abc import Sequence
from itertools import combinations
from math import comb
from typing import Any, Literal, get_args

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.grouping.bound import upper_bound
from gradtag_core.grouping.constrained_search import constrained_search
from gradtag_core.grouping.constraints import Constraints, Rules, feasible_labels, make_rules, raise_conflict
from gradtag_core.grouping.density import Array, centre, density, expected_density
from gradtag_core.grouping.local import local_grouping
from gradtag_core.grouping.result import OPTIMAL_GAP, Grouping
from gradtag_core.grouping.rounding import spectral_rounding
from gradtag_core.grouping.sdp import relax
from gradtag_core.grouping.selection import LARGEST_COEFFICIENT, MAX_COLUMNS, Group, Selection, select_groups
from gradtag_core.grouping.validation import check_affinity, check_n_groups

MAX_PARTITION_COLUMNS = 20_000
RELAXED_TASKS = 200
RESTARTS = 5
SECONDS = 60.0

Exactness = Literal["auto", "exact", "heuristic"]


def constrained_grouping(
    affinity: Any,
    n_groups: int | None,
    constraints: Constraints | None = None,
    *,
    task_names: Sequence[str] | None = None,
    exactness: Exactness = "auto",
    seed: int = 0,
    seconds: float = SECONDS,
) -> Grouping:
    """The densest partition into `n_groups` groups that satisfies the constraints.

    "exact": a column program solved by HiGHS, for at most `MAX_PARTITION_COLUMNS` candidate groups; when
    `seconds` run out, the best found with the bound reached. "heuristic": the nearest allowed grouping to that
    of the relaxation (of `local_grouping` above `RELAXED_TASKS` tasks), and a local search of allowed moves and
    swaps from it and from random ones; the bound is the unconstrained one. "auto": exact where the columns fit.
    Raises `InvalidInput` naming the rules that conflict when no grouping satisfies all.
    """
    values, names = check_affinity(affinity, task_names)
    rules = make_rules(constraints or Constraints(), names, check_n_groups(n_groups, len(values)))
    started = time.perf_counter()
    if feasible_labels(rules) is None:
        raise_conflict(rules)
    exact = _is_exact(rules, exactness)
    labels, bound = _program(values, rules, seconds) if exact else (None, np.inf)
    if labels is None:
        labels, heuristic_bound = _heuristic(values, rules, seed)
        bound = min(bound, heuristic_bound)
    found, expected = density(values, labels), expected_density(values, rules.n_groups)
    proven = bound - found <= OPTIMAL_GAP * max(bound - expected, 1e-9 * abs(bound))
    return Grouping(
        labels=labels,
        task_names=names,
        density=found,
        upper_bound=max(bound, found),
        random_density=expected,
        status="optimal" if proven else "solved_inaccurate" if exact else "heuristic",
        solver="HiGHS" if exact else "none",
        rounding="spectral",
        threshold=None,
        n_groups_asked=rules.n_groups,
        seconds=time.perf_counter() - started,
        method="milp" if exact else "constrained search",
    )


def _is_exact(rules: Rules, exactness: Exactness) -> bool:
    if exactness not in get_args(Exactness):
        raise InvalidInput(f"`exactness` must be one of {quoted(get_args(Exactness))}; found {exactness!r}.")
    fits = _count(rules) <= MAX_PARTITION_COLUMNS
    if exactness == "exact" and not fits:
        raise InvalidInput(
            f"The exact program takes at most {MAX_PARTITION_COLUMNS} candidate groups; found {_count(rules)}. "
            "Lower `max_size`, link tasks, or leave it to the heuristic."
        )
    return fits and exactness != "heuristic"


def overlapping_cover(
    affinity: Any,
    n_groups: int,
    constraints: Constraints | None = None,
    *,
    task_names: Sequence[str] | None = None,
    seconds: float = SECONDS,
) -> Selection:
    """At most `n_groups` groups, which may overlap, each task served by the one where its row of T is densest.

    A task's score in a group is the sum of its row of T over the group, divided by the group's size; over a
    partition these add up to the density. A task counts once however many groups hold it, so near-duplicate
    groups gain nothing. Exact; raises `InvalidInput` where the candidate groups do not fit, or what is asked
    cannot be met.
    """
    values, names = check_affinity(affinity, task_names)
    rules = make_rules(constraints or Constraints(), names, check_n_groups(n_groups, len(values)))
    if _count(rules, alone=False) > MAX_COLUMNS:
        raise InvalidInput(
            f"Overlapping groups are chosen among at most {MAX_COLUMNS} candidates; found "
            f"{_count(rules, alone=False)}. Lower `max_size` or ask for a partition."
        )
    groups = _candidates(rules, alone=False)
    scores = [values[np.ix_(group, group)].sum(axis=1) / len(group) for group in groups]
    fixed = rules.constraints.group_cost
    costs = [fixed + float(rules.costs[list(group)].sum()) for group in groups]
    return select_groups(
        groups,
        scores,
        names,
        costs=costs,
        budget=rules.constraints.budget,
        max_groups=n_groups,
        seconds=seconds,
    )


def _largest(rules: Rules, alone: bool) -> int:
    """Tasks that fit into one group; `alone`: of a partition, whose other groups need theirs."""
    others = (rules.n_groups - 1) * rules.constraints.min_size if alone else 0
    return min(rules.max_size, len(rules.task_names) - others)


def _count(rules: Rules, alone: bool = True) -> int:
    """At most so many candidate groups: sets of blocks, were each but one task."""
    n_blocks = int(rules.block.max()) + 1
    return sum(comb(n_blocks, size) for size in range(1, min(n_blocks, _largest(rules, alone)) + 1))


def _candidates(rules: Rules, alone: bool = True) -> list[Group]:
    """Every group that the rules allow."""
    blocks = [np.flatnonzero(rules.block == block).tolist() for block in range(int(rules.block.max()) + 1)]
    largest = _largest(rules, alone)
    allowed = []
    for count in range(1, min(len(blocks), largest) + 1):
        for chosen in combinations(blocks, count):
            group = sorted(task for block in chosen for task in block)
            if (
                rules.constraints.min_size <= len(group) <= largest
                and rules.costs[group].sum() <= rules.max_cost
                and not rules.apart[np.ix_(group, group)].any()
            ):
                allowed.append(tuple(group))
    return allowed


def _program(affinity: Array, rules: Rules, seconds: float) -> tuple[Array | None, float]:
    """Labels and the proven limit; no labels when time ran out before any were found."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    groups = _candidates(rules)
    tasks = np.array([task for group in groups for task in group])
    column = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    holds = coo_array((np.ones(len(tasks)), (tasks, column)), shape=(len(affinity), len(groups)))
    # Centred, the worth of a random grouping is 0; scaled, since HiGHS stops at an absolute gap of 1e-6.
    centred = centre(affinity)
    worth = np.array([centred[np.ix_(group, group)].sum() / len(group) for group in groups])
    scale = (float(np.abs(worth).max()) or 1.0) / LARGEST_COEFFICIENT
    result = milp(
        -worth / scale, integrality=np.ones(len(groups)), bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(holds, 1, 1),
            LinearConstraint(np.ones((1, len(groups))), rules.n_groups, rules.n_groups),
        ],
        options={"time_limit": seconds, "mip_rel_gap": 0.0},
    )  # fmt: skip
    limit = np.inf if result.mip_dual_bound is None else -float(result.mip_dual_bound)
    bound = scale * limit + expected_density(affinity, rules.n_groups)
    if result.x is None:
        return None, bound
    labels = np.zeros(len(affinity), dtype=int)
    for number, chosen in enumerate(np.flatnonzero(result.x > 0.5)):
        labels[list(groups[chosen])] = number
    return labels, bound


def _heuristic(affinity: Array, rules: Rules, seed: int) -> tuple[Array, float]:
    n_tasks, n_groups = len(affinity), rules.n_groups
    if n_tasks <= RELAXED_TASKS:
        relaxation = relax(affinity, n_groups)
        bound, wanted = relaxation.upper_bound, spectral_rounding(relaxation.X, affinity, n_groups, seed)
    else:
        bound, wanted = upper_bound(affinity, n_groups), local_grouping(affinity, n_groups, seed)
    if rules.allow(wanted):
        return wanted, bound
    generator = np.random.default_rng(seed)
    best = np.zeros(0, dtype=int)
    for restart in range(RESTARTS):
        if restart:
            mixed = generator.random(n_tasks) < 0.5
            wanted = np.where(mixed, generator.integers(n_groups, size=n_tasks), wanted)
        start = feasible_labels(rules, wanted)
        if start is None:
            raise_conflict(rules)
        labels = constrained_search(affinity, start, rules)
        if not len(best) or density(affinity, labels) > density(affinity, best):
            best = labels
    return best, bound
