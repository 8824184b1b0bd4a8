from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau
from sklearn.metrics import roc_auc_score

from gradtag_core.training.concordance import concordance_index

FEW = [-2.0, -0.5, 0.0, 0.5, 3.0]  # so that ties are common


def found(predictions, targets):
    return concordance_index(torch.from_numpy(predictions), torch.from_numpy(targets)).numpy()


def by_pairs(predictions, targets):
    """Each pair of rows in turn."""
    right = comparable = 0.0
    for first in range(len(targets)):
        for second in range(len(targets)):
            if targets[first] > targets[second]:
                comparable += 1
                right += (predictions[first] > predictions[second]) + (
                    predictions[first] == predictions[second]
                ) / 2
    return right / comparable if comparable else np.nan


@st.composite
def tables(draw):
    n_rows, n_columns = draw(st.integers(1, 20)), draw(st.integers(1, 3))
    some = st.sampled_from(FEW) | st.floats(-1e6, 1e6)
    return draw(arrays(np.float64, (n_rows, n_columns), elements=some)), draw(
        arrays(np.float64, n_rows, elements=some)
    )


@given(tables())
def test_equals_counting_all_pairs(table):
    predictions, targets = table
    expected = [by_pairs(column, targets) for column in predictions.T]
    np.testing.assert_allclose(found(predictions, targets), expected, rtol=1e-12)


@given(
    arrays(np.float64, (15, 2), elements=st.sampled_from(FEW)),
    arrays(np.float64, 15, elements=st.sampled_from([0.0, 1.0])).filter(lambda x: 0 < x.sum() < 15),
)
def test_equals_the_area_under_the_curve_where_targets_are_zero_and_one(predictions, targets):
    expected = [roc_auc_score(targets, column) for column in predictions.T]
    np.testing.assert_allclose(found(predictions, targets), expected, atol=1e-12)


@pytest.mark.parametrize("n_rows", [2, 3, 1000, 1025])
def test_without_ties_it_is_a_shifted_rank_correlation(n_rows):
    generator = np.random.default_rng(n_rows)
    predictions, targets = generator.normal(size=(n_rows, 4)), generator.normal(size=n_rows)
    correlations: list[Any] = [kendalltau(column, targets) for column in predictions.T]
    expected = [(1 + each.statistic) / 2 for each in correlations]
    np.testing.assert_allclose(found(predictions, targets), expected, atol=1e-12)


@given(tables(), st.randoms(use_true_random=False))
def test_order_of_rows_and_rising_transforms_change_nothing_and_falling_ones_mirror(table, random):
    predictions, targets = table
    order = random.sample(range(len(targets)), len(targets))
    expected = found(predictions, targets)
    np.testing.assert_array_equal(found(predictions[order], targets[order]), expected)
    np.testing.assert_array_equal(found(8 * predictions, targets), expected)
    np.testing.assert_allclose(found(-predictions, targets), 1 - expected, atol=1e-12)


def test_single_precision_stays_single_precision():
    found = concordance_index(torch.tensor([[1.0], [2.0]]), torch.tensor([0.0, 1.0]))
    assert found.dtype == torch.float32 and found.tolist() == [1.0]
