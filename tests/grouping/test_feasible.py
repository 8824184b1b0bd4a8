import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.grouping.feasible import mean_grouping, nearest_feasible


def nearly_feasible(n_tasks: int, n_groups: int, noise: float, seed: int) -> np.ndarray:
    """psd, unit row sums and trace k, but with entries below 0."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n_tasks) % n_groups)
    same = (labels[:, None] == labels).astype(float)
    vectors = np.linalg.qr(rng.normal(size=(n_tasks, n_tasks)) - 1 / n_tasks)[0]
    vectors -= vectors.mean(axis=0)
    inside = same / same.sum(axis=1) - 1 / n_tasks + noise * vectors @ vectors.T / n_tasks
    wobble = np.eye(n_tasks) + noise * (rng.normal(size=(n_tasks, n_tasks)) / n_tasks)
    inside = wobble @ inside @ wobble.T
    inside -= inside.mean(axis=0)
    inside -= inside.mean(axis=1)[:, None]
    return inside * (n_groups - 1) / np.trace(inside) + 1 / n_tasks


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 15), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-6, 1e-3, 0.1]), st.data())
def test_points_are_feasible_and_near(n_tasks, seed, noise, data):
    n_groups = data.draw(st.integers(2, n_tasks - 1))
    X = nearly_feasible(n_tasks, n_groups, noise, seed)
    for asked in (n_groups, None):
        points = list(nearest_feasible(X, asked))
        assert len(points) == 2
        for point in points:
            assert np.array_equal(point, point.T)
            assert np.abs(point.sum(axis=1) - 1).max() <= 1e-9
            assert point.min() >= 0
            assert np.linalg.eigvalsh(point)[0] >= -1e-12
            if asked:
                assert np.trace(point) == pytest.approx(n_groups, abs=1e-9)
        assert min(np.linalg.norm(point - X) for point in points) <= 3 * noise * n_tasks + 1e-9


@pytest.mark.parametrize(("n_tasks", "n_groups"), [(1, 1), (5, 1), (5, 5), (6, 3)])
def test_mean_grouping(n_tasks, n_groups):
    mean = mean_grouping(n_tasks, n_groups)
    assert np.trace(mean) == pytest.approx(n_groups)
    assert np.abs(mean.sum(axis=1) - 1).max() <= 1e-12
    assert mean.min() >= -1e-15
