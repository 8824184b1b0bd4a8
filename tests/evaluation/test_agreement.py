import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from gradtag_core.evaluation.agreement import agreement, noise_ceiling, spearman_by_row


def random_matrix(seed, n_tasks=7, ties=False):
    generator = np.random.default_rng(seed)
    return (
        generator.integers(0, 4, (n_tasks, n_tasks)) * 1.0
        if ties
        else generator.normal(size=(n_tasks, n_tasks))
    )


@given(st.integers(0, 1000), st.booleans())
def test_each_row_equals_scipys_spearman_without_the_diagonal(seed, ties):
    first, second = random_matrix(seed, ties=ties), random_matrix(seed + 1)
    for row, found in enumerate(spearman_by_row(first, second)):
        others = np.arange(7) != row
        if np.ptp(first[row, others]) == 0:
            assert found == 0
        else:
            expected, _ = spearmanr(first[row, others], second[row, others])
            assert found == pytest.approx(expected, abs=1e-12)


def test_a_perfect_estimate():
    truth = random_matrix(0)
    found = agreement(truth + 5.0 * np.eye(7), truth)
    assert found.row_spearman == pytest.approx(1)
    assert found.column_spearman == pytest.approx(1)
    assert found.distance_squared == found.distance == 0


def test_rows_may_be_shifted_and_scaled():
    truth, generator = random_matrix(1), np.random.default_rng(2)
    moved = truth * generator.uniform(0.5, 2, (7, 1)) + generator.normal(size=(7, 1))
    assert agreement(moved, truth).row_spearman == pytest.approx(1)
    assert agreement(moved, truth).column_spearman < 1


def test_a_constant_predictor_meets_the_papers_figures_and_not_the_headline():
    """Where tasks differ in difficulty, knowing that alone gives the column Spearman and the distance."""
    difficulty = np.linspace(0.1, 0.9, 20)[:, None]
    truth = difficulty + 0.01 * np.random.default_rng(0).normal(size=(20, 20))
    found = agreement(np.repeat(difficulty, 20, axis=1), truth)
    assert found.row_spearman == 0
    assert found.column_spearman > 0.95
    assert found.distance_squared is not None and found.distance_squared < 0.01


def test_distance_is_the_squared_frobenius_ratio_and_its_root():
    truth = np.ones((3, 3))
    found = agreement(truth + 0.3, truth)
    assert found.distance_squared == pytest.approx(0.09)
    assert found.distance == pytest.approx(0.3)


def test_a_truth_of_zeros_has_no_distance():
    found = agreement(np.ones((4, 4)), np.zeros((4, 4)))
    assert found.distance_squared is found.distance is None
    assert found.row_spearman == 0


def test_empty_cells_are_left_out():
    truth, estimate = random_matrix(3), random_matrix(4)
    holed = truth.copy()
    holed[0, 1] = np.nan
    found = agreement(estimate, holed)
    changed = estimate.copy()
    changed[0, 1] = 1e9
    assert agreement(changed, holed) == found


def test_permuting_tasks_changes_no_figure():
    truth, estimate, order = random_matrix(5), random_matrix(6), np.random.default_rng(0).permutation(7)
    permuted = agreement(estimate[np.ix_(order, order)], truth[np.ix_(order, order)])
    for name, value in agreement(estimate, truth).to_json().items():
        assert permuted.to_json()[name] == pytest.approx(value)


def test_the_ceiling_follows_spearman_brown():
    """Two truths of reliability r: their average has 2 r / (1 + r), and correlates with what is true by its root."""
    generator = np.random.default_rng(0)
    signal = generator.normal(size=(120, 120))
    truths = [signal + generator.normal(size=(120, 120)) for _ in range(2)]
    repeat, ceiling = noise_ceiling(truths)
    assert repeat is not None
    assert repeat == pytest.approx(6 / np.pi * np.arcsin(0.5 / 2), abs=0.03)  # Spearman of a Pearson of 0.5
    assert ceiling == pytest.approx(np.sqrt(2 * repeat / (1 + repeat)))
    reached = agreement(signal, np.mean(truths, axis=0)).row_spearman
    assert ceiling == pytest.approx(reached, abs=0.03)


def test_no_ceiling_without_a_second_seed_or_agreement():
    truth = random_matrix(0)
    assert noise_ceiling([truth]) == (None, None)
    repeat, ceiling = noise_ceiling([truth, -truth])
    assert repeat == pytest.approx(-1)
    assert ceiling is None
