import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping import sdp
from gradtag_core.grouping.density import density, expected_density
from gradtag_core.grouping.sdp import CLOSED_FORM, relax


def random_affinity(n_tasks: int, seed: int, n_planted: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    group = rng.integers(n_planted, size=n_tasks)
    return (group[:, None] == group) + 0.7 * rng.normal(size=(n_tasks, n_tasks))


def assert_feasible(X: np.ndarray, n_groups: int, tolerance: float = 1e-4) -> None:
    assert np.array_equal(X, X.T)
    assert np.abs(X.sum(axis=1) - 1).max() <= tolerance
    assert abs(np.trace(X) - n_groups) <= tolerance
    assert X.min() >= -tolerance
    assert np.linalg.eigvalsh(X)[0] >= -tolerance


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 7), st.integers(0, 2**32 - 1), st.sampled_from([1e-9, 1.0, 1e9]), st.data())
def test_between_the_best_grouping_and_the_bound(partitions, n_tasks, seed, scale, data):
    n_groups = data.draw(st.integers(1, n_tasks))
    affinity = scale * random_affinity(n_tasks, seed)
    relaxation = relax(affinity, n_groups)
    best = max(density(affinity, labels) for labels in partitions(n_tasks, n_groups))
    tolerance = 1e-4 * scale * n_tasks
    assert best <= relaxation.upper_bound
    assert best <= relaxation.value + tolerance
    assert abs(relaxation.upper_bound - relaxation.value) <= tolerance
    assert_feasible(relaxation.X, n_groups)


@pytest.mark.parametrize(("n_tasks", "n_groups"), [(5, 2), (12, 5), (20, 4), (20, 15)])
def test_two_solvers_agree(n_tasks, n_groups):
    affinity = random_affinity(n_tasks, seed=n_tasks)
    first, second = (relax(affinity, n_groups, solver=solver) for solver in ("SCS", "CLARABEL"))
    assert (first.status, first.solver) == ("solved", "SCS")
    assert (second.status, second.solver) == ("solved", "CLARABEL")
    assert first.value == pytest.approx(second.value, rel=1e-3)
    assert first.upper_bound == pytest.approx(second.upper_bound, rel=1e-3)
    assert np.abs(first.X - second.X).max() <= 1e-2
    assert_feasible(first.X, n_groups)
    assert_feasible(second.X, n_groups)


def test_forty_tasks_are_solved_to_the_bound():
    relaxation = relax(random_affinity(40, seed=2, n_planted=5), 5)
    assert relaxation.status == "solved"
    assert relaxation.value == pytest.approx(relaxation.upper_bound, rel=1e-5)
    assert_feasible(relaxation.X, 5)


def test_identities_of_the_optimum():
    rng = np.random.default_rng(8)
    affinity = random_affinity(10, seed=8)
    rows, columns = 100 * rng.normal(size=(2, 10))
    original = relax(affinity, 3)
    symmetric = relax((affinity + affinity.T) / 2, 3)
    shifted = relax(affinity + rows[:, None] + columns[None, :], 3)
    diagonal = relax(affinity + 50 * np.eye(10), 3)
    scaled = relax(1e6 * affinity, 3)
    for other in (symmetric, shifted, diagonal, scaled):
        assert np.abs(other.X - original.X).max() <= 1e-3
    assert symmetric.value == pytest.approx(original.value, abs=1e-6)
    assert shifted.value == pytest.approx(original.value + rows.sum() + columns.sum(), abs=1e-4)
    assert shifted.upper_bound == pytest.approx(original.upper_bound + rows.sum() + columns.sum(), abs=1e-4)
    assert diagonal.value == pytest.approx(original.value + 150, abs=1e-4)
    assert scaled.value == pytest.approx(1e6 * original.value, rel=1e-5)


def test_blocks_are_found_exactly():
    group = np.repeat([0, 1, 2, 3], [1, 2, 4, 5])
    blocks = (group[:, None] == group).astype(float)
    relaxation = relax(blocks + 0.5 * np.eye(12), 4)
    assert np.abs(relaxation.X - blocks / blocks.sum(axis=1)).max() <= 1e-4
    assert relaxation.value == pytest.approx(14, abs=1e-4)


def test_values_of_appendix_b(appendix_b):
    values = [relax(appendix_b, n_groups).value for n_groups in range(1, 7)]
    assert values == pytest.approx([428 / 6, 92, 94, 94, 94, 94], abs=1e-3)


@pytest.mark.parametrize(("n_tasks", "n_groups"), [(1, 1), (7, 1), (7, 7)])
def test_one_group_and_singletons_need_no_solver(monkeypatch, n_tasks, n_groups):
    monkeypatch.setattr(sdp, "_solve", None)
    affinity = random_affinity(n_tasks, seed=0)
    relaxation = relax(affinity, n_groups)
    expected = np.eye(n_tasks) if n_groups == n_tasks else np.full((n_tasks, n_tasks), 1 / n_tasks)
    assert np.abs(relaxation.X - expected).max() <= 1e-15
    assert (relaxation.solver, relaxation.status) == (CLOSED_FORM, "solved")
    assert relaxation.value == pytest.approx((affinity * expected).sum())
    assert relaxation.upper_bound == pytest.approx(relaxation.value)


@pytest.mark.parametrize("level", [0.0, 0.1, -1e90])
def test_equal_affinities_need_no_solver(monkeypatch, level):
    monkeypatch.setattr(sdp, "_solve", None)
    relaxation = relax(np.full((6, 6), level), 3)
    assert_feasible(relaxation.X, 3)
    assert relaxation.value == pytest.approx(6 * level)
    assert relaxation.upper_bound == pytest.approx(6 * level)


def test_stopping_early_shows_in_the_status_and_keeps_the_bound():
    affinity = random_affinity(20, seed=4)
    early, converged = relax(affinity, 4, max_iterations=20), relax(affinity, 4)
    assert early.status == "solved_inaccurate"
    assert early.upper_bound >= converged.value - 1e-4
    assert early.upper_bound > converged.upper_bound


@pytest.mark.parametrize("n_groups", [3, 5])
def test_without_an_answer_comes_the_relaxation_without_nonnegativity(monkeypatch, partitions, n_groups):
    import cvxpy as cp

    monkeypatch.setattr(cp, "OPTIMAL", "no such status")
    monkeypatch.setattr(cp, "OPTIMAL_INACCURATE", "no such status")
    affinity = random_affinity(6, seed=6)
    relaxation = relax(affinity, n_groups)
    assert relaxation.status == "failed"
    X = relaxation.X
    assert np.abs(X.sum(axis=1) - 1).max() <= 1e-9
    assert np.trace(X) == pytest.approx(n_groups)
    assert np.abs(X @ X - X).max() <= 1e-9
    assert relaxation.value == pytest.approx(relaxation.upper_bound)
    assert max(density(affinity, labels) for labels in partitions(6, n_groups)) <= relaxation.upper_bound


def test_bounds_for_other_numbers_of_groups(partitions):
    affinity = random_affinity(7, seed=9)
    relaxation = relax(affinity, 3)
    assert relaxation.bound_for(3) == relaxation.upper_bound
    for n_groups in range(1, 8):
        best = max(density(affinity, labels) for labels in partitions(7, n_groups))
        assert expected_density(affinity, n_groups) - 1e-9 <= best <= relaxation.bound_for(n_groups)


def test_the_same_answer_every_time_and_from_every_thread():
    affinity = random_affinity(12, seed=3)
    before = affinity.copy()
    first = relax(affinity, 4).X
    relax(random_affinity(12, seed=5), 2)
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(relax(affinity, 4).X)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(np.array_equal(first, other) for other in found)
    assert np.array_equal(affinity, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"solver": "GUROBI"}, "`solver` must be one of `SCS`, `CLARABEL`; found 'GUROBI'"),
        ({"max_iterations": 0}, "`max_iterations` must be at least 1; found 0"),
        ({"n_groups": 4}, "`n_groups` must be a whole number from 1 to the number of tasks, 3; found 4"),
    ],
)
def test_broken_rules(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        relax(np.eye(3), **{"n_groups": 2, **arguments})


def test_solving_prints_nothing(capfd):
    for solver in ("SCS", "CLARABEL"):
        relax(random_affinity(6, seed=1), 2, solver=solver)
    assert capfd.readouterr() == ("", "")
