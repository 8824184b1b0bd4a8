import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.grouping import admm
from gradtag_core.grouping.admm import solve_admm
from gradtag_core.grouping.bound import penalised_bound, upper_bound
from gradtag_core.grouping.density import centre


def noisy_blocks(n_tasks: int, n_groups: int, noise: float, seed: int) -> np.ndarray:
    """Centred, of spectral norm 1."""
    rng = np.random.default_rng(seed)
    group = np.arange(n_tasks) % n_groups
    centred = centre((group[:, None] == group) + noise * rng.normal(size=(n_tasks, n_tasks)))
    return centred / np.linalg.norm(centred, 2)


def solve(centred: np.ndarray, n_groups: int | None, tolerance: float = 1e-5, penalty: float = 0.0):
    return solve_admm(centred, n_groups, penalty=penalty, tolerance=tolerance, max_iterations=4000)


def assert_exactly_feasible(X: np.ndarray, n_groups: int | None) -> None:
    assert np.array_equal(X, X.T)
    assert np.abs(X.sum(axis=1) - 1).max() <= 1e-11
    assert X.min() >= 0
    assert np.linalg.eigvalsh(X)[0] >= -1e-12
    if n_groups is not None:
        assert np.trace(X) == pytest.approx(n_groups, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 15), st.integers(0, 2**32 - 1), st.floats(0, 3), st.data())
def test_feasible_with_a_proven_gap(n_tasks, seed, noise, data):
    n_groups = data.draw(st.integers(2, n_tasks - 1))
    centred = noisy_blocks(n_tasks, n_groups, noise, seed)
    found = solve(centred, n_groups, tolerance=1e-4)
    assert_exactly_feasible(found.X, n_groups)
    value, bound = float((centred * found.X).sum()), upper_bound(centred, n_groups, found.dual)
    assert value <= bound
    assert found.gap == pytest.approx((bound - value) / bound, abs=1e-9)
    assert found.gap <= 1e-4


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 12), st.integers(0, 2**32 - 1), st.floats(-0.5, 1.2))
def test_feasible_with_the_number_of_groups_free(n_tasks, seed, penalty):
    centred = noisy_blocks(n_tasks, 3, 1.0, seed)
    found = solve(centred, None, penalty=penalty, tolerance=1e-3)
    assert_exactly_feasible(found.X, None)
    value = float((centred * found.X).sum()) - penalty * np.trace(found.X)
    assert value <= penalised_bound(centred, penalty, found.dual) + 1e-12
    assert found.gap <= 1e-3


def test_single_precision_finds_what_double_does(monkeypatch):
    centred = noisy_blocks(60, 6, 0.7, seed=1)
    double = solve(centred, 6, tolerance=6e-4)
    monkeypatch.setattr(admm, "SINGLE_PRECISION_TASKS", 10)
    single = solve(centred, 6, tolerance=6e-4)
    assert_exactly_feasible(single.X, 6)
    assert single.gap <= 6e-4
    assert (centred * single.X).sum() == pytest.approx((centred * double.X).sum(), rel=1e-3)


def test_partial_and_full_spectra_agree(monkeypatch):
    centred = noisy_blocks(40, 3, 0.3, seed=2)
    monkeypatch.setattr(admm, "PARTIAL_SHARE", 0.0)
    full = solve(centred, 3)
    monkeypatch.setattr(admm, "PARTIAL_SHARE", 1.0)
    partial = solve(centred, 3)
    assert np.abs(full.X - partial.X).max() <= 1e-6


def test_stopping_early_keeps_feasibility_and_bound():
    centred = noisy_blocks(30, 4, 1.5, seed=3)
    early = solve_admm(centred, 4, penalty=0, tolerance=1e-9, max_iterations=7)
    late = solve(centred, 4)
    assert early.iterations == 7
    assert_exactly_feasible(early.X, 4)
    assert (centred * early.X).sum() <= (centred * late.X).sum() + 1e-6
    assert upper_bound(centred, 4, early.dual) >= upper_bound(centred, 4, late.dual) - 1e-6


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12), st.data())
def test_projection_onto_the_spectrum_is_the_nearest_point(values, data):
    """Optimal when moving weight between any two entries that may change does not bring it nearer."""
    total = data.draw(st.integers(1, len(values)))
    found = admm._onto_spectrum(np.array(values), total + 1, 0.0)
    assert found.sum() == pytest.approx(total)
    assert found.min() >= 0
    assert found.max() <= 1
    rest = np.array(values) - found
    can_rise, can_fall = rest[found < 1 - 1e-9], rest[found > 1e-9]
    assert can_rise.max(initial=-np.inf) <= can_fall.min(initial=np.inf) + 1e-9
