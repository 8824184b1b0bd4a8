import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping import cluster as cluster_module
from gradtag_core.grouping.cluster import cluster, round_relaxation
from gradtag_core.grouping.constraints import Constraints
from gradtag_core.grouping.density import density, expected_density
from gradtag_core.grouping.sdp import relax


def planted(n_tasks: int, n_groups: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.arange(n_tasks) % n_groups)
    return (group[:, None] == group) + noise * rng.normal(size=(n_tasks, n_tasks)), group


@pytest.mark.parametrize("rounding", ["spectral", "threshold"])
@pytest.mark.parametrize("solver", ["ADMM", "SCS", "CLARABEL"])
def test_example_4_1(appendix_b, rounding, solver):
    grouping = cluster(appendix_b, 3, task_names=list("123456"), rounding=rounding, solver=solver)
    assert grouping.groups == [["1", "2"], ["3", "4"], ["5", "6"]]
    assert grouping.density == 94
    assert grouping.upper_bound == pytest.approx(94, abs=1e-6)
    assert grouping.upper_bound >= 94
    assert grouping.gap <= 1e-6
    assert grouping.status == "optimal"
    assert grouping.n_groups == grouping.n_groups_asked == 3
    assert (grouping.solver, grouping.rounding) == (solver, rounding)
    assert (grouping.threshold is None) == (rounding == "spectral")


@pytest.mark.parametrize("rounding", ["spectral", "threshold"])
def test_planted_groups_are_found_and_proven(rounding):
    affinity, group = planted(30, 5, noise=0.2, seed=1)
    grouping = cluster(affinity, 5, rounding=rounding)
    assert grouping.status == "optimal"
    assert np.array_equal(np.equal.outer(grouping.labels, grouping.labels), np.equal.outer(group, group))


def test_against_all_groupings(partitions):
    for seed in range(15):
        rng = np.random.default_rng(seed)
        affinity = rng.normal(size=(7, 7))
        n_groups = int(rng.integers(1, 8))
        grouping = cluster(affinity, n_groups)
        best = max(density(affinity, labels) for labels in partitions(7, n_groups))
        assert grouping.density == pytest.approx(density(affinity, grouping.labels))
        assert grouping.density <= best + 1e-9
        assert best <= grouping.upper_bound
        assert grouping.n_groups == n_groups
        if grouping.status == "optimal":
            assert grouping.density >= best - 1e-4 * (grouping.upper_bound - grouping.random_density)


def test_the_order_of_the_tasks_does_not_matter():
    affinity, _ = planted(20, 4, noise=0.3, seed=2)
    order = np.random.default_rng(0).permutation(20)
    names = [f"t{index}" for index in range(20)]
    first = cluster(affinity, 4, task_names=names)
    second = cluster(affinity[np.ix_(order, order)], 4, task_names=[names[index] for index in order])
    assert {frozenset(group) for group in first.groups} == {frozenset(group) for group in second.groups}
    assert second.density == pytest.approx(first.density)
    assert second.upper_bound == pytest.approx(first.upper_bound, abs=1e-4)


def test_the_gap_ignores_shifts_and_units():
    rng = np.random.default_rng(7)
    affinity = rng.normal(size=(12, 12))
    shifted = affinity + 5 * rng.normal(size=12)[:, None] + 5 * rng.normal(size=12)[None, :] + 3 * np.eye(12)
    first = cluster(affinity, 4)
    assert first.gap > 0.01
    assert first.status == "solved"
    for other in (cluster(shifted, 4), cluster(1e-5 * affinity, 4), cluster(affinity.T, 4)):
        assert np.array_equal(other.labels, first.labels)
        assert other.gap == pytest.approx(first.gap, abs=1e-4)


@pytest.mark.parametrize("n_groups", [1, 4])
@pytest.mark.parametrize("rounding", ["spectral", "threshold"])
def test_one_group_and_singletons(n_groups, rounding):
    affinity = np.random.default_rng(0).normal(size=(4, 4))
    grouping = cluster(affinity, n_groups, rounding=rounding)
    assert grouping.n_groups == n_groups
    assert (grouping.gap, grouping.status) == (0, "optimal")
    assert grouping.task_names == ("task_1", "task_2", "task_3", "task_4")


@pytest.mark.parametrize("rounding", ["spectral", "threshold"])
def test_one_task(rounding):
    grouping = cluster([[0.25]], 1, rounding=rounding)
    assert (grouping.groups, grouping.density, grouping.gap) == ([["task_1"]], 0.25, 0)


def test_equal_affinities_make_every_grouping_optimal():
    grouping = cluster(np.full((5, 5), 0.1), 2)
    assert (grouping.n_groups, grouping.gap, grouping.status) == (2, 0, "optimal")


def test_more_threshold_more_groups_from_one_solve(monkeypatch):
    affinity, _ = planted(20, 4, noise=2.0, seed=3)
    relaxation = relax(affinity, 4)
    monkeypatch.setattr(cluster_module, "relax", None)
    counts = [
        round_relaxation(relaxation, rounding="threshold", threshold=threshold).n_groups
        for threshold in (0.001, 0.05, 0.2, 0.5, 1.0)
    ]
    assert counts[0] == 1
    assert counts[-1] == 20
    assert all(left <= right for left, right in pairwise(counts))


def test_a_missed_count_has_its_own_bound(partitions, appendix_b):
    grouping = cluster(appendix_b, 2, rounding="threshold", threshold=0.4)
    assert (grouping.status, grouping.n_groups, grouping.n_groups_asked) == ("count_missed", 5, 2)
    best = max(density(appendix_b, labels) for labels in partitions(6, 5))
    assert grouping.density <= best <= grouping.upper_bound
    assert grouping.random_density == expected_density(appendix_b, 5)
    searched = cluster(appendix_b, 4, rounding="threshold")
    assert (searched.status, searched.n_groups) == ("count_missed", 3)


def test_status_tells_an_unfinished_solve_unless_the_groups_are_proven():
    affinity, _ = planted(20, 4, noise=1.0, seed=4)
    relaxation = relax(affinity, 4, max_iterations=20)
    assert round_relaxation(relaxation).status == "solved_inaccurate"
    assert round_relaxation(dataclasses.replace(relaxation, status="failed")).status == "failed"
    easy = relax(np.kron(np.eye(4), np.ones((5, 5))), 4)
    assert round_relaxation(dataclasses.replace(easy, status="solved_inaccurate")).status == "optimal"


def test_same_seed_same_groups():
    affinity = np.random.default_rng(9).normal(size=(25, 25))
    assert np.array_equal(cluster(affinity, 6, seed=3).labels, cluster(affinity, 6, seed=3).labels)


def test_asymmetric_input_counts_by_its_symmetric_part():
    affinity, _ = planted(12, 3, noise=0.5, seed=5)
    twisted = affinity + np.triu(np.ones((12, 12)), 1) - np.tril(np.ones((12, 12)), -1)
    assert cluster(twisted, 3).density == pytest.approx(cluster(affinity, 3).density)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rounding": "floor"}, "`rounding` must be one of `spectral`, `threshold`; found 'floor'"),
        ({"threshold": 0.5}, "`threshold` is used only with `rounding` = threshold"),
        ({"rounding": "threshold", "threshold": 0}, "`threshold` must be above 0 and at most 1; found 0"),
        ({"rounding": "threshold", "threshold": 1.5}, "`threshold` must be above 0 and at most 1; found 1.5"),
        ({"rounding": "threshold", "threshold": float("nan")}, "found nan"),
        ({"rounding": "threshold", "threshold": "0.5"}, "found '0.5'"),
        ({"seed": -1}, "`seed` must be a whole number from 0"),
        ({"seed": 0.5}, "`seed` must be a whole number from 0"),
        (
            {"method": "magic"},
            "`method` must be one of `auto`, `sdp`, .*; found 'magic'",
        ),
        ({"method": "local", "n_groups": None, "penalty": 1.0}, "`penalty` needs the relaxation"),
        ({"method": "lloyd", "rounding": "threshold"}, "`rounding` = threshold needs the relaxation"),
        ({"affinity": 3.0}, r"`affinity` must be square.*found shape \(\)"),
        (
            {"method": "sdp", "constraints": Constraints(max_size=2)},
            "`method` = sdp does not go with constraints",
        ),
        (
            {"rounding": "threshold", "constraints": Constraints(max_size=2)},
            "`rounding` = threshold does not go",
        ),
        (
            {"n_groups": None, "constraints": Constraints(max_size=2)},
            "`n_groups` must be a whole number from 1",
        ),
        ({"n_groups": None, "method": "local"}, "`n_groups` must be a whole number from 1"),
        ({"n_groups": 0}, "`n_groups` must be a whole number from 1 to the number of tasks, 3; found 0"),
        ({"affinity": np.eye(3)[:2]}, "`affinity` must be square"),
        ({"task_names": ["a", "b", "a"]}, "`a` found more than once"),
    ],
)
def test_broken_rules(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        cluster(**{"affinity": np.eye(3), "n_groups": 2, **arguments})


def test_a_penalty_chooses_the_number_of_groups(partitions):
    found = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        affinity, penalty = rng.normal(size=(6, 6)), float(rng.uniform(-0.5, 1.5))
        grouping = cluster(affinity, penalty=penalty)
        best = max(
            density(affinity, labels) - penalty * k for k in range(1, 7) for labels in partitions(6, k)
        )
        value = grouping.density - penalty * grouping.n_groups
        assert value <= best + 1e-9
        assert grouping.density <= grouping.upper_bound
        assert (grouping.penalty, grouping.n_groups_asked) == (penalty, None)
        found += value >= best - 1e-9
    assert found >= 23


def test_a_high_penalty_makes_one_group_and_a_low_one_singletons():
    affinity = np.random.default_rng(1).normal(size=(8, 8))
    assert cluster(affinity, penalty=1e3).n_groups == 1
    assert cluster(affinity, penalty=-1e3).n_groups == 8
    planted_groups, group = planted(40, 5, noise=0.3, seed=2)
    grouping = cluster(planted_groups, penalty=4.0)  # a group of 8 adds about 8, splitting one adds nothing
    assert np.array_equal(np.equal.outer(grouping.labels, grouping.labels), np.equal.outer(group, group))


@pytest.mark.parametrize("method", ["local", "spectral", "lloyd"])
def test_methods_without_a_relaxation_have_a_bound_too(method, partitions):
    for seed in range(10):
        affinity = np.random.default_rng(seed).normal(size=(7, 7))
        grouping = cluster(affinity, 3, method=method, seed=seed)
        best = max(density(affinity, labels) for labels in partitions(7, 3))
        assert (grouping.n_groups, grouping.method, grouping.solver) == (3, method, "none")
        assert grouping.density <= best + 1e-9 <= grouping.upper_bound + 2e-9
        assert grouping.status in ("heuristic", "optimal")


def test_many_tasks_take_the_fast_path_and_too_many_are_refused():
    affinity, group = planted(1001, 4, noise=0.5, seed=3)
    grouping = cluster(affinity, 4)
    assert grouping.method == "local"
    assert np.array_equal(np.equal.outer(grouping.labels, grouping.labels), np.equal.outer(group, group))
    with pytest.raises(InvalidInput, match="at most 5000 tasks; found 5001"):
        cluster(np.zeros((5001, 1), dtype=np.int8), 4)


def test_local_search_equals_brute_force(partitions):
    found = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        n_tasks = int(rng.integers(3, 9))
        n_groups = int(rng.integers(2, n_tasks))
        affinity = rng.normal(size=(n_tasks, n_tasks))
        grouping = cluster(affinity, n_groups, method="local", seed=seed)
        best = max(density(affinity, labels) for labels in partitions(n_tasks, n_groups))
        assert grouping.density <= grouping.upper_bound
        found += grouping.density >= best - 1e-9
    assert found >= 190


def test_constraints_and_the_exact_program(appendix_b):
    names = list("123456")
    free = cluster(appendix_b, 3, task_names=names, method="milp")
    assert (free.density, free.status, free.method) == (pytest.approx(94), "optimal", "milp")
    tied = cluster(appendix_b, 3, task_names=names, constraints=Constraints(cannot_link=(("1", "2"),)))
    assert tied.status == "optimal"
    assert tied.density < 94
    assert not any({"1", "2"} <= set(group) for group in tied.groups)
