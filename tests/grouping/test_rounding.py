from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.grouping import rounding
from gradtag_core.grouping.density import density
from gradtag_core.grouping.result import first_appearance
from gradtag_core.grouping.rounding import search_threshold, spectral_rounding, threshold_rounding
from gradtag_core.grouping.sdp import relax


def of_groups(labels: list[int]) -> np.ndarray:
    """The X of a partition."""
    same = np.equal.outer(labels, labels)
    return same / same.sum(axis=1)


def test_spectral_rounding_finds_the_optimum(partitions):
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n_tasks = int(rng.integers(4, 8))
        n_groups = int(rng.integers(2, n_tasks))
        affinity = rng.normal(size=(n_tasks, n_tasks))
        labels = spectral_rounding(relax(affinity, n_groups).X, affinity, n_groups, seed)
        best = max(density(affinity, labels) for labels in partitions(n_tasks, n_groups))
        found += density(affinity, labels) >= best - 1e-9
    assert found >= 38


def test_kicks_only_improve(monkeypatch):
    affinities = np.random.default_rng(2).normal(size=(3, 30, 30))
    X = [relax(affinity, 6, max_iterations=200).X for affinity in affinities]

    def densities() -> np.ndarray:
        rounded = [spectral_rounding(*pair, 6) for pair in zip(X, affinities, strict=True)]
        return np.array([density(*pair) for pair in zip(affinities, rounded, strict=True)])

    kicked = densities()
    monkeypatch.setattr(rounding, "KICKS", 0)
    assert (kicked >= densities()).all()
    assert (kicked > densities() + 1e-6).any()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(0, 2**32 - 1), st.booleans(), st.data())
def test_spectral_rounding_forms_exactly_k_groups(n_tasks, seed, constant, data):
    """Whatever X is: also one with fewer distinct rows than groups."""
    n_groups = data.draw(st.integers(1, n_tasks))
    rng = np.random.default_rng(seed)
    affinity = np.ones((n_tasks, n_tasks)) if constant else rng.normal(size=(n_tasks, n_tasks))
    X = of_groups(rng.integers(3, size=n_tasks).tolist())
    labels = spectral_rounding(X, affinity, n_groups, seed=1)
    assert sorted(set(labels.tolist())) == list(range(n_groups))
    assert np.array_equal(labels, spectral_rounding(X, affinity, n_groups, seed=1))


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_threshold_rounding_inverts_the_matrix_of_a_partition(raw):
    labels = first_appearance(np.array(raw))
    X = of_groups(raw)
    assert np.array_equal(first_appearance(threshold_rounding(X, 1 / max(2, len(raw)))), labels)
    threshold = search_threshold(X, int(labels.max()) + 1)
    assert 0 < threshold <= 1
    assert np.array_equal(first_appearance(threshold_rounding(X, threshold)), labels)


def test_threshold_rounding_joins_chains_and_forgives_the_solver():
    X = np.array([[0.5, 0.3, 0.2], [0.3, 0.4, 0.3], [0.2, 0.3, 0.5]])
    assert threshold_rounding(X, 0.3).tolist() == [0, 0, 0]
    assert threshold_rounding(X - 1e-5, 0.3).tolist() == [0, 0, 0]
    assert threshold_rounding(X, 0.31).tolist() == [0, 1, 2]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 15), st.integers(0, 2**32 - 1), st.data())
def test_search_threshold_is_as_close_as_a_fine_grid(n_tasks, seed, data):
    n_groups = data.draw(st.integers(1, n_tasks))
    rng = np.random.default_rng(seed)
    points = rng.random((n_tasks, 2))
    X = points @ points.T / n_tasks * 4
    threshold = search_threshold(X, n_groups)
    lowest, highest = 1 / n_tasks, min(1, 10 / n_tasks)
    assert lowest <= threshold <= highest

    def distance(threshold: float) -> int:
        return abs(int(threshold_rounding(X, threshold).max()) + 1 - n_groups)

    # A grid coarser than the accuracy, since shorter stretches count as noise.
    grid = np.linspace(lowest, highest, 200)
    counts = [distance(value) for value in grid]
    assert distance(threshold) <= min(max(pair) for pair in pairwise(counts))


def test_search_threshold_prefers_a_clear_stretch_over_noise(appendix_b):
    X = relax(appendix_b, 4).X
    assert threshold_rounding(X, search_threshold(X, 4)).max() + 1 == 3


def test_search_threshold_without_any_clear_stretch():
    X = 1 / 5 + 1e-6 * np.random.default_rng(0).random((5, 5))
    assert search_threshold((X + X.T) / 2, 3) == pytest.approx(0.2, abs=1e-2)
