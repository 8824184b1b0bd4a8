"""What is true of the average-density problem whatever the numbers: each identity as a property."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.grouping.bound import upper_bound
from gradtag_core.grouping.cluster import cluster
from gradtag_core.grouping.density import density, membership
from gradtag_core.grouping.sdp import relax


@st.composite
def problems(draw):
    """An asymmetric affinity matrix, a number of groups and a grouping into as many."""
    n_tasks = draw(st.integers(2, 9))
    n_groups = draw(st.integers(1, n_tasks))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    affinity = draw(st.sampled_from([1e-6, 1.0, 1e6])) * rng.normal(size=(n_tasks, n_tasks))
    labels = rng.permutation(
        np.concatenate([np.arange(n_groups), rng.integers(n_groups, size=n_tasks - n_groups)])
    )
    return affinity, n_groups, labels, rng


def matrix_of(labels: np.ndarray) -> np.ndarray:
    """X of a grouping."""
    members = membership(labels)
    return members / members.sum(axis=0) @ members.T


@settings(max_examples=60, deadline=None)
@given(problems())
def test_density_is_linear_in_the_matrix_of_the_grouping(problem):
    affinity, n_groups, labels, _ = problem
    X = matrix_of(labels)
    assert density(affinity, labels) == pytest.approx((affinity * X).sum(), abs=1e-9 * np.abs(affinity).sum())
    assert np.trace(X) == pytest.approx(n_groups)
    assert X.sum(axis=1) == pytest.approx(1)
    inside = np.linalg.eigvalsh(X - 1 / len(X))
    assert inside.min() >= -1e-12
    assert inside.max() <= 1 + 1e-12


@settings(max_examples=60, deadline=None)
@given(problems())
def test_only_the_symmetric_part_counts(problem):
    affinity, n_groups, labels, _ = problem
    symmetric = (affinity + affinity.T) / 2
    size = np.abs(affinity).sum()
    assert density(affinity, labels) == pytest.approx(density(symmetric, labels), abs=1e-12 * size)
    assert upper_bound(affinity, n_groups) == pytest.approx(upper_bound(symmetric, n_groups), abs=1e-9 * size)


@settings(max_examples=60, deadline=None)
@given(problems())
def test_shifts_of_rows_columns_and_the_diagonal_add_a_constant(problem):
    affinity, n_groups, labels, rng = problem
    size = np.abs(affinity).max()
    rows, columns, level = (
        size * rng.normal(size=len(affinity)),
        size * rng.normal(size=len(affinity)),
        size * rng.normal(),
    )
    shifted = affinity + rows[:, None] + columns[None, :] + level * np.eye(len(affinity))
    added = rows.sum() + columns.sum() + level * n_groups
    assert density(shifted, labels) - density(affinity, labels) == pytest.approx(
        added, abs=1e-9 * size * len(labels) ** 2
    )
    difference = upper_bound(shifted, n_groups) - upper_bound(affinity, n_groups)
    assert difference == pytest.approx(added, abs=1e-9 * size * len(labels) ** 2)


@settings(max_examples=15, deadline=None)
@given(problems())
def test_the_relaxation_moves_by_that_constant_too(problem):
    affinity, n_groups, _, rng = problem
    size = np.abs(affinity).max()
    rows, level = size * rng.normal(size=len(affinity)), size * rng.normal()
    shifted = affinity + rows[:, None] + rows[None, :] + level * np.eye(len(affinity))
    first, second = relax(affinity, n_groups), relax(shifted, n_groups)
    added = 2 * rows.sum() + level * n_groups
    assert second.value - first.value == pytest.approx(added, abs=1e-3 * size * len(affinity))


@settings(max_examples=60, deadline=None)
@given(problems())
def test_density_is_kernel_k_means(problem):
    """sum over tasks of the squared distance to their group's mean = trace - density, for any kernel."""
    affinity, _, labels, _ = problem
    symmetric = (affinity + affinity.T) / 2
    shift = 1.0001 * np.abs(np.linalg.eigvalsh(symmetric)).max()
    points = np.linalg.cholesky(symmetric + shift * np.eye(len(affinity)))
    members = membership(labels)
    means = (members / members.sum(axis=0)).T @ points
    spread = ((points - means[labels]) ** 2).sum()
    kernel = symmetric + shift * np.eye(len(affinity))
    assert spread == pytest.approx(np.trace(kernel) - density(kernel, labels), rel=1e-6, abs=1e-9 * shift)


@settings(max_examples=20, deadline=None)
@given(problems())
def test_no_grouping_beats_any_bound(problem):
    affinity, n_groups, labels, rng = problem
    size = np.abs(affinity).max()
    for dual in (None, np.zeros_like(affinity), size * rng.random(affinity.shape)):
        assert density(affinity, labels) <= upper_bound(affinity, n_groups, dual)
    assert density(affinity, labels) <= relax(affinity, n_groups).upper_bound


@settings(max_examples=10, deadline=None)
@given(problems())
def test_relabelling_the_tasks_relabels_the_groups(problem):
    affinity, n_groups, _, rng = problem
    order = rng.permutation(len(affinity))
    first = cluster(affinity, n_groups, method="milp")
    second = cluster(affinity[np.ix_(order, order)], n_groups, method="milp")
    assert second.density == pytest.approx(first.density)
    assert density(affinity[np.ix_(order, order)], first.labels[order]) == pytest.approx(second.density)
