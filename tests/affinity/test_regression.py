from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from gradtag_core.affinity import regression as module
from gradtag_core.affinity.regression import fit_subsets
from gradtag_core.cost import Cost
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.tasks.suite import Rows

SIZES = (30, 12, 45, 20)
SUBSETS = [(0,), (0, 1), (1, 2, 3), (0, 2), (0, 1, 2, 3)]


def make_features(dim=7, seed=0, offset=1.0, sizes=SIZES):
    generator = np.random.default_rng(seed)
    n_rows = sum(sizes)
    task = np.repeat(np.arange(len(sizes)), sizes)
    label = (generator.random(n_rows) < 0.4).astype(np.float32)
    projected = torch.from_numpy(generator.normal(size=(n_rows, dim)))
    logits = torch.from_numpy(offset * generator.normal(size=n_rows)).float()
    return GradientFeatures(Rows(np.arange(n_rows), task, label), logits, projected, 1.0, Cost())


def reference(features, subset, penalty, weighting):
    """scipy's BFGS on the objective as it stands in the paper, with its fixed offset."""
    keep = np.isin(features.rows.task, subset)
    phi, z = features.projected.numpy()[keep], features.logits.double().numpy()[keep]
    sign = 2 * features.rows.label[keep] - 1
    task = features.rows.task[keep]
    if weighting == "rows":
        weight = np.full(len(sign), 1 / len(sign))
    else:
        weight = np.array([1 / (len(subset) * (task == t).sum()) for t in task])

    def objective(w):
        margin = sign * (z + phi @ w)
        slope = phi.T @ (-weight * sign / (1 + np.exp(margin)))
        return weight @ np.logaddexp(0, -margin) + penalty / 2 * w @ w, slope + penalty * w

    return minimize(objective, np.zeros(phi.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-10}).x


@pytest.mark.parametrize("weighting", ["rows", "tasks"])
@pytest.mark.parametrize("penalty", [1e-4, 1e-2, 1.0])
def test_equals_an_independent_solver(weighting, penalty):
    features = make_features()
    fits = fit_subsets(features, SUBSETS, penalty, weighting, tolerance=1e-9)
    assert fits.converged.all()
    for column, subset in enumerate(SUBSETS):
        expected = reference(features, subset, penalty, weighting)
        np.testing.assert_allclose(fits.weights[:, column].numpy(), expected, rtol=1e-5, atol=1e-6)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.floats(-5, 0), st.floats(0, 30))
def test_converges_to_the_stated_tolerance(seed, log_penalty, offset):
    """More dimensions than rows and offsets that saturate the loss included."""
    features = make_features(dim=25, seed=seed, offset=offset)
    fits = fit_subsets(features, SUBSETS, 10**log_penalty, "rows", tolerance=1e-6)
    assert fits.converged.all()
    assert (fits.gradient_norms <= 1e-6).all()


def test_blocks_of_subsets_and_their_order_do_not_matter(monkeypatch):
    features = make_features()
    together = fit_subsets(features, SUBSETS, 1e-2, "rows", 1e-9).weights
    monkeypatch.setattr(module, "MAX_SUBSETS_AT_ONCE", 2)
    backwards = fit_subsets(features, SUBSETS[::-1], 1e-2, "rows", 1e-9).weights
    torch.testing.assert_close(backwards.flip(1), together, rtol=1e-6, atol=1e-8)


def test_a_large_penalty_leaves_the_base_model():
    fits = fit_subsets(make_features(), SUBSETS, 1e6, "rows")
    assert fits.weights.abs().max() < 1e-5


def test_the_offset_is_fixed_and_not_a_free_parameter():
    """Rows that the base model has right by a wide margin ask for no change; without the offset they would."""
    features = make_features()
    margin = torch.from_numpy(100 * (2 * features.rows.label - 1))
    settled = GradientFeatures(features.rows, margin, features.projected, 1.0, Cost())
    blank = GradientFeatures(features.rows, torch.zeros_like(margin), features.projected, 1.0, Cost())
    penalty = 1e-2
    assert fit_subsets(settled, SUBSETS, penalty, "rows").weights.abs().max() < 1e-10
    assert fit_subsets(blank, SUBSETS, penalty, "rows").weights.abs().max() > 0.1


@pytest.mark.parametrize("weighting", ["rows", "tasks"])
def test_doubling_every_row_changes_nothing(weighting):
    features = make_features()
    twice = np.repeat(np.arange(len(features.rows)), 2)
    rows = Rows(features.rows.example[twice], features.rows.task[twice], features.rows.label[twice])
    doubled = GradientFeatures(rows, features.logits[twice], features.projected[twice], 1.0, Cost())
    expected = fit_subsets(features, SUBSETS, 1e-2, weighting, 1e-9).weights
    torch.testing.assert_close(fit_subsets(doubled, SUBSETS, 1e-2, weighting, 1e-9).weights, expected)


def test_single_precision_suffices_however_small_the_penalty():
    """Rows of one task span few directions; the others' curvature is the penalty alone, far below rounding."""
    features = make_features(dim=60)
    single = replace(features, projected=features.projected.float())
    fits = fit_subsets(single, SUBSETS, 1e-9, "rows", tolerance=1e-2)
    assert fits.converged.all()
    exact = fit_subsets(features, SUBSETS, 1e-9, "rows", tolerance=1e-2)
    assert exact.converged.all()


@pytest.mark.parametrize("rank", [1, 3])
def test_a_matrix_that_rounding_made_indefinite_gets_a_factor(rank):
    root = torch.randn(2, 50, rank, generator=torch.Generator().manual_seed(0)) * 1e3
    hessians = root @ root.mT
    factors = module._factors(hessians.clone())
    assert torch.isfinite(factors).all()
    error = (factors @ factors.mT - hessians).norm(dim=(1, 2)) / hessians.norm(dim=(1, 2))
    assert (error < 1e-4).all()
