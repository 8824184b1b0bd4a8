import re
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
def test_solvers_agree(n_tasks, n_groups):
    affinity = random_affinity(n_tasks, seed=n_tasks)
    solvers = ("ADMM", "SCS", "CLARABEL")
    found = [relax(affinity, n_groups, solver=solver) for solver in solvers]
    assert [(each.status, each.solver) for each in found] == [("solved", solver) for solver in solvers]
    for first in found[:2]:
        assert first.value == pytest.approx(found[2].value, rel=1e-4)
        assert first.upper_bound == pytest.approx(found[2].upper_bound, rel=1e-4)
        assert np.abs(first.X - found[2].X).max() <= 1e-2
    for each in found:
        assert_feasible(each.X, n_groups)


@pytest.mark.parametrize("penalty", [-1.0, 0.4, 1.5, 30.0])
def test_solvers_agree_on_the_penalised_problem(penalty):
    affinity = random_affinity(12, seed=3)
    found = [relax(affinity, penalty=penalty, solver=solver) for solver in ("ADMM", "SCS", "CLARABEL")]
    values = [each.value - penalty * np.trace(each.X) for each in found]
    assert values[:2] == pytest.approx(values[2:] * 2, abs=2e-3)
    assert [each.penalised_bound for each in found] == pytest.approx([values[2]] * 3, abs=5e-3)
    assert {each.n_groups for each in found} == {round(np.trace(found[0].X))}
    assert found[0].penalised_bound >= values[0] - 1e-9


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.floats(-3, 3))
def test_no_grouping_beats_the_penalised_bound(partitions, n_tasks, seed, penalty):
    affinity = random_affinity(n_tasks, seed)
    relaxation = relax(affinity, penalty=penalty)
    for n_groups in range(1, n_tasks + 1):
        best = max(density(affinity, labels) for labels in partitions(n_tasks, n_groups))
        assert best - penalty * n_groups <= relaxation.penalised_bound
        assert best <= relaxation.bound_for(n_groups)


def test_forty_tasks_are_solved_to_the_bound():
    relaxation = relax(random_affinity(40, seed=2, n_planted=5), 5, tolerance=1e-6)
    assert relaxation.status == "solved"
    assert relaxation.value == pytest.approx(relaxation.upper_bound, rel=1e-6)
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
    relaxation = relax(affinity, n_groups, solver="SCS")
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
        ({"solver": "GUROBI"}, "`solver` must be one of `ADMM`, `SCS`, `CLARABEL`; found 'GUROBI'"),
        ({"tolerance": 0.0}, "`tolerance` must be above 0 and below 1; found 0.0"),
        ({"n_groups": None}, "Give either `n_groups`, or `penalty`.*found neither"),
        ({"penalty": 1.0}, "found `n_groups` = 2 and `penalty` = 1.0"),
        ({"n_groups": None, "penalty": float("nan")}, "`penalty` must be a finite number; found nan"),
        ({"max_iterations": 0}, "`max_iterations` must be at least 1; found 0"),
        ({"n_groups": 4}, "`n_groups` must be a whole number from 1 to the number of tasks, 3; found 4"),
    ],
)
def test_broken_rules(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        relax(np.eye(3), **{"n_groups": 2, **arguments})


def test_solving_prints_nothing(capfd):
    for solver in ("ADMM", "SCS", "CLARABEL"):
        relax(random_affinity(6, seed=1), 2, solver=solver)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("n_tasks", "solver", "message"),
    [
        (2001, "ADMM", "at most 2000 tasks; found 2001. Use `method` = local"),
        (301, "SCS", "at most 300 tasks; found 301. Use `solver` = ADMM"),
        (101, "CLARABEL", "at most 100 tasks; found 101"),
    ],
)
def test_too_many_tasks_for_a_solver_are_refused_at_once(n_tasks, solver, message):
    with pytest.raises(InvalidInput, match=re.escape(message)):
        relax(np.zeros((n_tasks, n_tasks)), 3, solver=solver)


def test_a_solve_that_takes_too_long_stops_and_says_so(monkeypatch):
    monkeypatch.setattr(sdp, "SECONDS", 0.0)
    affinity = random_affinity(25, seed=4)
    relaxation = relax(affinity, 4)
    assert relaxation.status == "solved_inaccurate"
    assert_feasible(relaxation.X, 4)
    assert relaxation.value <= relaxation.upper_bound
