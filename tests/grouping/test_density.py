from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.grouping.density import (
    centre,
    density,
    expected_density,
    fill_groups,
    group_densities,
    local_search,
    membership,
    move_gains,
)


@st.composite
def problems(draw, largest: int = 7):
    """A matrix and labels without holes."""
    n_tasks = draw(st.integers(1, largest))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([0.0, 1e-6, 1.0, 1e4]))
    raw = draw(st.lists(st.integers(0, n_tasks - 1), min_size=n_tasks, max_size=n_tasks))
    return scale * rng.normal(size=(n_tasks, n_tasks)), np.unique(raw, return_inverse=True)[1]


def by_loops(affinity: np.ndarray, labels: np.ndarray) -> float:
    total = 0.0
    for group in set(labels.tolist()):
        inside = [i for i, label in enumerate(labels) if label == group]
        total += sum(affinity[i, j] for i in inside for j in inside) / len(inside)
    return total


@settings(deadline=None)
@given(problems())
def test_density_is_its_definition(problem):
    affinity, labels = problem
    assert density(affinity, labels) == pytest.approx(by_loops(affinity, labels), abs=1e-9)
    assert group_densities(affinity, labels).sum() == pytest.approx(density(affinity, labels), abs=1e-9)


def test_density_of_appendix_b(appendix_b):
    assert density(appendix_b, np.array([0, 0, 1, 1, 2, 2])) == 94
    assert group_densities(appendix_b, np.array([0, 0, 1, 1, 2, 2])).tolist() == [14, 40, 40]


@settings(deadline=None)
@given(problems(), st.integers(0, 2**32 - 1), st.floats(-10, 10))
def test_shifts_add_the_same_to_every_grouping(problem, seed, diagonal):
    affinity, labels = problem
    rows, columns = np.random.default_rng(seed).normal(size=(2, len(labels)))
    shifted = affinity + rows[:, None] + columns[None, :] + diagonal * np.eye(len(labels))
    n_groups = int(labels.max()) + 1
    added = rows.sum() + columns.sum() + diagonal * n_groups
    assert density(shifted, labels) == pytest.approx(density(affinity, labels) + added, abs=1e-8)
    assert expected_density(shifted, n_groups) == pytest.approx(
        expected_density(affinity, n_groups) + added, abs=1e-8
    )
    assert density(affinity.T, labels) == pytest.approx(density(affinity, labels), abs=1e-8)


@settings(max_examples=30, deadline=None)
@given(problems(largest=5))
def test_expected_density_is_the_mean_over_all_ways_to_deal_the_tasks(problem):
    affinity, labels = problem
    dealt = [density(affinity, np.array(order)) for order in permutations(labels.tolist())]
    expected = expected_density(affinity, int(labels.max()) + 1)
    assert expected == pytest.approx(np.mean(dealt), abs=1e-8)


@settings(deadline=None)
@given(problems())
def test_centring_removes_what_no_choice_depends_on(problem):
    affinity, labels = problem
    centred = centre(affinity)
    tolerance = 1e-10 * (1 + np.abs(affinity).max())
    assert np.array_equal(centred, centred.T)
    assert np.abs(centred.sum(axis=1)).max() <= tolerance
    assert abs(np.trace(centred)) <= tolerance
    members = membership(labels)
    grouping = (members / members.sum(axis=0)) @ members.T
    value = expected_density(affinity, members.shape[1]) + (centred * grouping).sum()
    assert value == pytest.approx(density(affinity, labels), abs=100 * tolerance)


def test_density_is_what_k_means_maximises():
    points = np.random.default_rng(3).normal(size=(12, 4))
    labels = np.arange(12) % 3
    within = sum(((points[labels == g] - points[labels == g].mean(axis=0)) ** 2).sum() for g in range(3))
    assert density(points @ points.T, labels) == pytest.approx((points**2).sum() - within)


@settings(deadline=None)
@given(problems())
def test_move_gains_are_the_change_of_density(problem):
    affinity, labels = problem
    gains = move_gains(affinity, labels)
    for task, target in np.ndindex(gains.shape):
        moved = labels.copy()
        moved[task] = target
        if target == labels[task]:
            assert gains[task, target] == 0
        elif (labels == labels[task]).sum() == 1:
            assert gains[task, target] == -np.inf
        else:
            change = density(affinity, moved) - density(affinity, labels)
            assert gains[task, target] == pytest.approx(change, abs=1e-9 * (1 + np.abs(affinity).max()))


@settings(deadline=None)
@given(problems())
def test_local_search_ends_where_no_move_helps(problem):
    affinity, labels = problem
    before = labels.copy()
    found = local_search(affinity, labels)
    assert np.array_equal(labels, before)
    assert sorted(set(found)) == sorted(set(labels))
    slack = 1e-9 * (1 + np.abs(affinity).max())
    assert density(affinity, found) >= density(affinity, labels) - slack
    assert move_gains(affinity, found).max() <= slack


def test_local_search_ignores_shifts():
    rng = np.random.default_rng(5)
    affinity, labels = rng.normal(size=(15, 15)), np.arange(15) % 4
    shifted = affinity + 1e5 * rng.normal(size=15)[:, None] + 1e5 * np.eye(15)
    assert np.array_equal(local_search(affinity, labels), local_search(shifted, labels))


@settings(deadline=None)
@given(problems(), st.data())
def test_fill_groups_splits_off_the_best_task(problem, data):
    affinity, labels = problem
    n_groups = data.draw(st.integers(int(labels.max()) + 1, len(labels)))
    filled = fill_groups(affinity, labels, n_groups)
    assert sorted(set(filled.tolist())) == list(range(n_groups))
    if n_groups == labels.max() + 2:
        candidates = []
        for task in np.flatnonzero(np.bincount(labels)[labels] > 1):
            split = labels.copy()
            split[task] = n_groups - 1
            candidates.append(density(affinity, split))
        slack = 1e-8 * (1 + np.abs(affinity).max())
        assert density(affinity, filled) >= max(candidates) - slack
