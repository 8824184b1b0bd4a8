import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.constraints import Constraints, make_rules
from gradtag_core.grouping.density import density
from gradtag_core.grouping.program import constrained_grouping, overlapping_cover

CASES = [
    Constraints(),
    Constraints(max_size=3),
    Constraints(min_size=2),
    Constraints(must_link=(("task_1", "task_2"), ("task_2", "task_5"))),
    Constraints(cannot_link=(("task_1", "task_2"), ("task_3", "task_4")), max_size=4),
    Constraints(task_costs=(3, 1, 1, 2, 2, 1, 1), max_group_cost=5),
]


@pytest.mark.parametrize("constraints", CASES)
def test_the_program_equals_brute_force(constraints, partitions):
    for seed in range(3):
        affinity = np.random.default_rng(seed).normal(size=(7, 7))
        grouping = constrained_grouping(affinity, 3, constraints)
        rules = make_rules(constraints, grouping.task_names, 3)
        best = max(density(affinity, labels) for labels in partitions(7, 3) if rules.allow(labels))
        assert rules.allow(grouping.labels)
        assert grouping.density == pytest.approx(best)
        assert grouping.upper_bound == pytest.approx(best)
        assert (grouping.status, grouping.method, grouping.solver) == ("optimal", "milp", "HiGHS")


@pytest.mark.parametrize("constraints", CASES)
def test_the_heuristic_is_allowed_and_nearly_as_good(constraints):
    shares = []
    for seed in range(6):
        affinity = np.random.default_rng(seed).normal(size=(7, 7))
        exact = constrained_grouping(affinity, 3, constraints)
        found = constrained_grouping(affinity, 3, constraints, exactness="heuristic", seed=seed)
        assert make_rules(constraints, found.task_names, 3).allow(found.labels)
        assert found.density <= exact.density + 1e-9 <= found.upper_bound + 2e-9
        shares.append((found.density - found.random_density) / (exact.density - exact.random_density))
    assert np.mean(shares) >= 0.95


@pytest.mark.parametrize("n_tasks", [60, 240])
def test_many_tasks_with_equal_sizes(n_tasks):
    rng = np.random.default_rng(1)
    group = rng.permutation(np.arange(n_tasks) % 6)
    affinity = (group[:, None] == group) + 0.3 * rng.normal(size=(n_tasks, n_tasks))
    names = [f"t{index}" for index in range(n_tasks)]
    first, second = np.flatnonzero(group == 0)[:2]
    constraints = Constraints(
        max_size=n_tasks // 6, min_size=n_tasks // 6, cannot_link=((names[first], names[second]),)
    )
    grouping = constrained_grouping(affinity, 6, constraints, task_names=names)
    assert make_rules(constraints, names, 6).allow(grouping.labels)
    assert (grouping.method, grouping.solver) == ("constrained search", "none")
    assert (np.equal.outer(grouping.labels, grouping.labels) == np.equal.outer(group, group)).mean() > 0.97
    assert grouping.gap < 0.6


def test_an_infeasible_program_names_the_conflict():
    with pytest.raises(InvalidInput, match=r"all of: `max_size` = 2, `n_groups` = 3, 7 tasks"):
        constrained_grouping(np.eye(7), 3, Constraints(max_size=2, must_link=(("task_1", "task_2"),)))


def test_too_many_columns_for_the_exact_program():
    with pytest.raises(InvalidInput, match="at most 20000 candidate groups"):
        constrained_grouping(np.eye(30), 3, exactness="exact")
    with pytest.raises(
        InvalidInput, match="`exactness` must be one of `auto`, `exact`, `heuristic`; found 'no'"
    ):
        constrained_grouping(np.eye(3), 2, exactness="no")  # type: ignore[arg-type]
    assert constrained_grouping(np.eye(20), 10, Constraints(max_size=3)).method == "milp"


def test_overlapping_groups_are_at_least_as_good_as_a_partition():
    for seed in range(4):
        affinity = np.random.default_rng(seed).normal(size=(6, 6))
        cover = overlapping_cover(affinity, 3)
        partition = max(constrained_grouping(affinity, k).density for k in (1, 2, 3))
        assert cover.value >= partition - 1e-9
        assert cover.status == "optimal"
        assert len(cover.groups) <= 3
        for task, number in enumerate(cover.served_by):
            group = cover.groups[number]
            assert task in group
            assert cover.scores[task] == pytest.approx(affinity[task, list(group)].sum() / len(group))


def test_overlapping_groups_under_constraints():
    affinity = np.random.default_rng(7).normal(size=(6, 6))
    rules = Constraints(
        max_size=3, cannot_link=(("task_1", "task_2"),), task_costs=(1,) * 6, group_cost=1, budget=12
    )
    cover = overlapping_cover(affinity, 4, rules)
    assert cover.cost <= 12
    assert all(len(group) <= 3 and not {0, 1} <= set(group) for group in cover.groups)
    with pytest.raises(InvalidInput, match="`max_groups` must be at least 2"):
        overlapping_cover(affinity, 1, rules)
    with pytest.raises(InvalidInput, match="among at most 5000 candidates"):
        overlapping_cover(np.eye(20), 2)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_the_unit_of_the_affinity_does_not_matter(scale, partitions):
    affinity = np.random.default_rng(3).normal(size=(6, 6)) + 50 * np.random.default_rng(4).normal(
        size=(6, 1)
    )
    grouping = constrained_grouping(scale * affinity, 3)
    best = max(density(affinity, labels) for labels in partitions(6, 3))
    assert grouping.density / scale == pytest.approx(best)
    assert grouping.status == "optimal"
    cover, same = overlapping_cover(scale * affinity, 2), overlapping_cover(affinity, 2)
    assert cover.groups == same.groups
    assert cover.value / scale == pytest.approx(same.value)
    assert (cover.status, same.status) == ("optimal", "optimal")
