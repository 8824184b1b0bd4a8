from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.affinity import dual
from gradtag_core.affinity.dual import fit_subsets_dual
from gradtag_core.affinity.regression import fit_subsets
from gradtag_core.config import Weighting
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.tasks.suite import Rows

SIZES = (10, 6, 15)
SUBSETS = [(0,), (0, 1), (0, 1, 2), (1, 2)]


def make_features(dim=40, seed=0, offset=1.0):
    generator = np.random.default_rng(seed)
    n_rows = sum(SIZES)
    task = np.repeat(np.arange(len(SIZES)), SIZES)
    rows = Rows(np.arange(n_rows), task, (generator.random(n_rows) < 0.4).astype(np.float32))
    projected = torch.from_numpy(generator.normal(size=(n_rows, dim)))
    return GradientFeatures(
        rows, torch.from_numpy(offset * generator.normal(size=n_rows)), projected, 1.0, Cost()
    )


def fit(features, subsets=SUBSETS, penalty=1e-2, weighting: Weighting = "rows", tolerance=1e-10):
    kernel = features.projected @ features.projected.T
    return fit_subsets_dual(kernel, features.rows, features.logits, subsets, penalty, weighting, tolerance)


@pytest.mark.parametrize("weighting", ["rows", "tasks"])
@pytest.mark.parametrize("dim", [5, 40])
def test_equals_the_primal(weighting, dim):
    features = make_features(dim)
    fits = fit(features, weighting=weighting)
    assert fits.converged.all() and fits.flops > 0
    expected = fit_subsets(features, SUBSETS, 1e-2, weighting, 1e-10).weights
    torch.testing.assert_close(features.projected.T @ fits.coefficients, expected, atol=1e-6, rtol=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(-5, 2), st.floats(0, 30))
def test_converges_where_offsets_saturate_too(seed, log_penalty, offset):
    features = make_features(seed=seed, offset=offset)
    fits = fit(features, penalty=10**log_penalty, tolerance=1e-6)
    assert fits.converged.all()
    assert (fits.gradient_norms <= 1e-6).all()


def test_rows_outside_a_subset_have_no_part():
    features = make_features()
    coefficients = fit(features).coefficients
    for column, subset in enumerate(SUBSETS):
        outside = torch.from_numpy(~np.isin(features.rows.task, subset))
        assert (coefficients[outside, column] == 0).all()
        assert (coefficients[~outside, column] != 0).all()


def test_the_size_of_blocks_and_the_order_of_subsets_do_not_matter(monkeypatch):
    features = make_features()
    together = fit(features).coefficients
    monkeypatch.setattr(dual, "BLOCK_BYTES", 1)
    torch.testing.assert_close(fit(features, SUBSETS[::-1]).coefficients.flip(1), together)


def test_doubling_every_row_changes_nothing():
    features = make_features()
    twice = np.repeat(np.arange(len(features.rows)), 2)
    rows = Rows(*(part[twice] for part in (features.rows.example, features.rows.task, features.rows.label)))
    doubled = GradientFeatures(rows, features.logits[twice], features.projected[twice], 1.0, Cost())
    expected = features.projected.T @ fit(features).coefficients
    torch.testing.assert_close(doubled.projected.T @ fit(doubled).coefficients, expected)


def test_rows_that_are_right_by_a_wide_margin_ask_for_no_change():
    features = make_features()
    margin = torch.from_numpy(100.0 * (2 * features.rows.label - 1)).double()
    assert fit(replace(features, logits=margin)).coefficients.abs().max() < 1e-10
    assert fit(replace(features, logits=0 * margin)).coefficients.abs().max() > 0.1


def test_a_single_precision_kernel_loses_single_precision_only():
    features = make_features()
    single = replace(features, projected=features.projected.float())
    torch.testing.assert_close(fit(single).coefficients, fit(features).coefficients, rtol=1e-3, atol=1e-4)


def test_a_kernel_of_another_shape_is_refused():
    features = make_features()
    with pytest.raises(
        InvalidInput, match=r"`kernel` must have one row and one column for each of the 31 rows"
    ):
        fit_subsets_dual(torch.zeros(31, 5), features.rows, features.logits, SUBSETS, 1e-2, "rows")
