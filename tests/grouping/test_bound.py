import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.grouping.bound import upper_bound
from gradtag_core.grouping.density import centre, density, expected_density


@settings(max_examples=60, deadline=None)
@given(
    n_tasks=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([0.0, 1e-8, 1.0, 1e8]),
    shift=st.sampled_from([0.0, 1e6]),
    data=st.data(),
)
def test_no_dual_breaks_the_bound(partitions, n_tasks, seed, scale, shift, data):
    rng = np.random.default_rng(seed)
    n_groups = data.draw(st.integers(1, n_tasks))
    affinity = scale * rng.normal(size=(n_tasks, n_tasks)) + shift
    best = max(density(affinity, labels) for labels in partitions(n_tasks, n_groups))
    for dual in (
        None,
        scale * rng.normal(size=(n_tasks, n_tasks)),
        10 * scale * rng.random((n_tasks, n_tasks)),
    ):
        assert best <= upper_bound(affinity, n_groups, dual)


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_exact_for_one_group_and_for_singletons(n_tasks, seed):
    affinity = np.random.default_rng(seed).normal(size=(n_tasks, n_tasks))
    assert upper_bound(affinity, 1) == pytest.approx(affinity.sum() / n_tasks, abs=1e-10)
    assert upper_bound(affinity, n_tasks) == pytest.approx(np.trace(affinity), abs=1e-10)


def test_at_least_as_tight_as_the_largest_eigenvalue():
    rng = np.random.default_rng(1)
    affinity, dual = rng.normal(size=(9, 9)), rng.random((9, 9))
    symmetric = centre(affinity) + (dual + dual.T) / 2
    projector = np.eye(9) - 1 / 9
    largest = np.linalg.eigvalsh(projector @ symmetric @ projector - np.ones((9, 9)))[-1]
    loose = expected_density(affinity, 4) + dual.sum() / 9 + 3 * largest
    assert upper_bound(affinity, 4, dual) < loose
    assert upper_bound(affinity, 2, dual) == pytest.approx(
        expected_density(affinity, 2) + dual.sum() / 9 + largest
    )
