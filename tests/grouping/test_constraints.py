from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.constraints import (
    Constraints,
    conflict,
    feasible_labels,
    make_rules,
    raise_conflict,
)

NAMES = tuple("abcdef")


def satisfied(labels: np.ndarray, constraints: Constraints, n_groups: int) -> bool:
    """The rules once more, one by one."""
    group = dict(zip(NAMES, labels.tolist(), strict=False))
    sizes = [int((labels == number).sum()) for number in range(n_groups)]
    costs = np.array(constraints.task_costs or [0.0] * len(labels))
    spent = [constraints.group_cost + costs[labels == number].sum() for number in range(n_groups)]
    return (
        all(size >= constraints.min_size for size in sizes)
        and all(size <= (constraints.max_size or len(labels)) for size in sizes)
        and all(group[first] == group[second] for first, second in constraints.must_link)
        and all(group[first] != group[second] for first, second in constraints.cannot_link)
        and all(cost <= (constraints.max_group_cost or np.inf) + 1e-9 for cost in spent)
        and sum(spent) <= (np.inf if constraints.budget is None else constraints.budget) + 1e-9
    )


pairs = st.lists(st.sampled_from([(a, b) for a in NAMES for b in NAMES if a < b]), max_size=3).map(tuple)
some = st.builds(
    Constraints,
    min_size=st.integers(1, 3),
    max_size=st.none() | st.integers(1, 5),
    must_link=pairs,
    cannot_link=pairs,
    task_costs=st.none() | st.tuples(*[st.integers(0, 4).map(float)] * 6),
    max_group_cost=st.none() | st.integers(1, 12).map(float),
    budget=st.none() | st.integers(5, 30).map(float),
)


@settings(max_examples=60, deadline=None)
@given(some, st.integers(1, 4))
def test_labels_are_found_exactly_when_there_are_any(constraints, n_groups):
    rules = make_rules(constraints, NAMES, n_groups)
    possible = [
        labels
        for labels in map(np.array, product(range(n_groups), repeat=6))
        if len(set(labels.tolist())) == n_groups and satisfied(labels, constraints, n_groups)
    ]
    found = feasible_labels(rules)
    assert (found is not None) == bool(possible)
    if found is not None:
        assert satisfied(found, constraints, n_groups)
        assert rules.allow(found)
        assert conflict(rules) == []
        wanted = np.arange(6) % n_groups
        nearest = feasible_labels(rules, wanted)
        assert nearest is not None
        assert (nearest == wanted).sum() == max((labels == wanted).sum() for labels in possible)
    for labels in map(np.array, product(range(n_groups), repeat=6)):
        if len(set(labels.tolist())) == n_groups:
            assert rules.allow(labels) == satisfied(labels, constraints, n_groups)


@pytest.mark.parametrize(
    ("constraints", "n_groups", "named"),
    [
        (Constraints(max_size=2), 2, ["`max_size` = 2"]),
        (Constraints(min_size=4, max_size=5), 2, ["`min_size` = 4"]),
        (
            Constraints(must_link=(("a", "b"), ("b", "c"), ("d", "e")), cannot_link=(("a", "c"), ("a", "d"))), 2,
            ["`must_link` a,b", "`must_link` b,c", "`cannot_link` a,c"],
        ),
        (Constraints(cannot_link=(("a", "b"), ("b", "c"), ("a", "c")), max_size=4), 2,
         ["`cannot_link` a,b", "`cannot_link` b,c", "`cannot_link` a,c"]),
        (Constraints(task_costs=(5, 1, 1, 1, 1, 1), max_group_cost=4, min_size=2), 2, ["`max_group_cost` = 4"]),
        (Constraints(task_costs=(1,) * 6, group_cost=2, budget=9, max_size=5), 2, ["`budget` = 9"]),
    ],
)  # fmt: skip
def test_the_conflicting_rules_are_named_and_no_others(constraints, n_groups, named):
    rules = make_rules(constraints, NAMES, n_groups)
    assert conflict(rules) == [*named, f"`n_groups` = {n_groups}", "6 tasks"]
    with pytest.raises(InvalidInput, match=r"No grouping satisfies all of: .*Loosen one of them"):
        raise_conflict(rules)


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        (Constraints(min_size=0), "`min_size` must be a whole number, at least 1; found 0"),
        (Constraints(max_size=1.5), "`max_size` must be a whole number, at least 1; found 1.5"),  # type: ignore[arg-type]
        (
            Constraints(must_link=(("a", "z"),)),
            "`must_link` must hold pairs of task names; found a,z: `z` is no task",
        ),
        (Constraints(cannot_link=(("a", "a"),)), "found a,a: it does not name two different tasks"),
        (Constraints(cannot_link=(("a",),)), "does not name two different tasks"),  # type: ignore[arg-type]
        (Constraints(task_costs=(1, 2)), "`task_costs` must hold one finite number, at least 0, per task, 6"),
        (Constraints(task_costs=(1, 2, 3, 4, 5, -1)), "`task_costs` must hold one finite number"),
        (Constraints(budget=float("nan")), "`budget` must be a finite number, at least 0; found nan"),
    ],
)
def test_broken_rules(constraints, message):
    with pytest.raises(InvalidInput, match=message):
        make_rules(constraints, NAMES, 2)
