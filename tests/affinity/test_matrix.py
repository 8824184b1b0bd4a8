import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.affinity.matrix import average
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import pairwise_subsets, random_subsets
from gradtag_core.config import METRICS
from gradtag_core.cost import Cost

AP = METRICS.index("average_precision")


def make_scores(subsets, n_tasks, seeds=(0,), generator=None, values=None):
    generator = generator or np.random.default_rng(0)
    names = tuple(f"t{index}" for index in range(n_tasks))
    n_entries = sum(map(len, subsets))
    parts = [
        SubsetScores.of_seed(
            names, subsets, generator.random((n_entries, len(METRICS))) if values is None else values,
            seed, "estimated", Cost(),
        )
        for seed in seeds
    ]  # fmt: skip
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.join(part)
    return joined


def brute_force(scores, n_tasks):
    """Equation (1), cell by cell."""
    values, counts = np.full((n_tasks, n_tasks), np.nan), np.zeros((n_tasks, n_tasks), dtype=int)
    errors = np.full((n_tasks, n_tasks), np.nan)
    for i in range(n_tasks):
        for j in range(n_tasks):
            found = []
            for index, subset in enumerate(scores.subsets):
                entries = (scores.subset == index) & (scores.task == i)
                if i in subset and j in subset and entries.any():
                    found.append((len(subset), scores.values[entries, AP].mean()))
            if i == j and any(size == 1 for size, _ in found):
                found = [entry for entry in found if entry[0] == 1]
            series = np.array([score for _, score in found])
            counts[i, j] = len(series)
            if len(series):
                values[i, j] = series.mean()
            if len(series) > 1:
                errors[i, j] = series.std(ddof=1) / np.sqrt(len(series))
    return values, counts, errors


@given(st.integers(0, 1000), st.integers(3, 7), st.integers(1, 3))
def test_equals_a_triple_loop(seed, n_tasks, n_seeds):
    generator = np.random.default_rng(seed)
    subsets = random_subsets(n_tasks, min(3, n_tasks - 1), 3, seed)
    scores = make_scores(subsets, n_tasks, seeds=range(n_seeds), generator=generator)
    found = average(scores, "average_precision")
    values, counts, errors = brute_force(scores, n_tasks)
    np.testing.assert_allclose(found.values, values, atol=1e-12)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_allclose(found.standard_errors, errors, atol=1e-9)


def test_pairwise_scores_land_in_their_cells():
    subsets = pairwise_subsets(3)  # (0) (1) (2) (0,1) (0,2) (1,2)
    values = np.zeros((9, len(METRICS)))
    values[:, AP] = [1, 2, 3, 10, 20, 30, 40, 50, 60]
    found = average(make_scores(subsets, 3, values=values), "average_precision").values
    np.testing.assert_allclose(found, [[1, 10, 30], [20, 2, 50], [40, 60, 3]])


def test_counts_are_symmetric_and_the_diagonal_counts_every_subset():
    subsets = random_subsets(6, 3, 12, 0)
    counts = average(make_scores(subsets, 6), "loss").counts
    np.testing.assert_array_equal(counts, counts.T)
    np.testing.assert_array_equal(counts.diagonal(), np.bincount(np.ravel(subsets), minlength=6))


def test_permuting_tasks_permutes_the_matrix():
    subsets = random_subsets(5, 2, 10, 0)
    scores = make_scores(subsets, 5)
    order = np.array([3, 0, 4, 1, 2])
    place = np.argsort(order)
    renamed = SubsetScores(
        tuple(scores.task_names[old] for old in order),
        tuple(tuple(int(place[task]) for task in subset) for subset in scores.subsets),
        scores.subset, place[scores.task], scores.seed, scores.values, "estimated", Cost(),
    )  # fmt: skip
    expected = average(scores, "auc").values[np.ix_(order, order)]
    np.testing.assert_allclose(average(renamed, "auc").values, expected)


def test_an_empty_cell_is_nan_with_count_zero():
    found = average(make_scores([(0, 1), (1, 2)], 3), "f1")
    assert np.isnan(found.values[0, 2]) and found.counts[0, 2] == 0
    assert np.isfinite(found.values[0, 1])


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_standard_errors_survive_a_large_offset(shift):
    subsets = random_subsets(5, 3, 10, 0)
    values = np.random.default_rng(1).random((30, len(METRICS)))
    plain = average(make_scores(subsets, 5, values=values), "loss").standard_errors
    moved = average(make_scores(subsets, 5, values=values + shift), "loss").standard_errors
    np.testing.assert_allclose(moved, plain, rtol=1e-4)
