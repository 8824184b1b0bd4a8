"""Standardised inputs against scikit-learn's scaler."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.preprocessing import StandardScaler

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.scaling import GRID, standardise

tables = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 30), st.integers(1, 4)), elements=st.floats(-1e6, 1e6)
)


@given(tables)
def test_results_are_finite_cut_and_on_the_grid(values: np.ndarray) -> None:
    scaled = standardise(values, limit=2.0)
    assert scaled.dtype == np.float32 and scaled.shape == values.shape
    assert np.abs(scaled).max() <= 2
    np.testing.assert_array_equal(scaled * GRID, np.rint(scaled * GRID))


def test_standardise_is_the_scaler_of_scikit_learn() -> None:
    values = np.random.default_rng(0).gamma(2, size=(200, 5)) * [1, 10, 1e-6, 1e6, 3] + [0, 1e3, 0, 5, -7]
    expected = StandardScaler().fit_transform(values)
    assert np.abs(expected).max() < 8
    np.testing.assert_allclose(standardise(values), expected, atol=0.51 / GRID)


@pytest.mark.parametrize("constant", [0.0, 0.1, -3e8, 1e-300, 1e17 / 3])
def test_a_constant_column_becomes_zero(constant: float) -> None:
    values = np.column_stack([np.full(7, constant), np.arange(7.0)])
    scaled = standardise(values)
    assert (scaled[:, 0] == 0).all() and (scaled[:, 1] != 0).any()


def test_rounding_noise_of_another_machine_does_not_show() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((500, 20))
    noisy = values * (1 + 1e-15 * rng.standard_normal(values.shape))
    np.testing.assert_array_equal(standardise(values), standardise(noisy))


def test_every_hop_is_scaled_for_itself() -> None:
    values = np.random.default_rng(0).standard_normal((50, 3, 4)) * [[[1]], [[5]], [[9]]][1]
    np.testing.assert_array_equal(standardise(values)[:, 1], standardise(values[:, 1]))


@pytest.mark.parametrize("values", [np.zeros((0, 2)), np.array([[np.inf]]), np.array([[np.nan]])])
def test_what_cannot_be_scaled_is_refused(values: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="`values`"):
        standardise(values)
