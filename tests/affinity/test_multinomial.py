from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp

from gradtag_core.affinity.multinomial import fit_subsets_multinomial
from gradtag_core.affinity.regression import fit_subsets
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.tasks.suite import Rows

SIZES = (20, 12, 30)
SUBSETS = [(0,), (0, 1), (0, 1, 2)]


def make_features(n_classes, dim=5, seed=0):
    generator = np.random.default_rng(seed)
    n_rows = sum(SIZES)
    labels = generator.integers(0, n_classes, n_rows).astype(np.float32)
    rows = Rows(np.arange(n_rows), np.repeat(np.arange(len(SIZES)), SIZES), labels)
    projected = torch.from_numpy(generator.normal(size=(n_rows, n_classes, dim)))
    return GradientFeatures(
        rows, torch.from_numpy(generator.normal(size=(n_rows, n_classes))), projected, 1.0, Cost()
    )


@pytest.mark.parametrize("n_classes", [2, 4])
def test_equals_an_independent_solver(n_classes):
    features, penalty = make_features(n_classes), 1e-2
    fits = fit_subsets_multinomial(features, SUBSETS, penalty, "rows", 1e-9)
    assert fits.converged.all()
    for column, subset in enumerate(SUBSETS):
        keep = np.isin(features.rows.task, subset)
        phi, z = features.projected.numpy()[keep], features.logits.numpy()[keep]
        label = features.rows.label[keep].astype(int)

        def objective(w, phi=phi, z=z, label=label):
            logits = z + phi @ w
            return (
                logsumexp(logits, axis=1) - logits[np.arange(len(label)), label]
            ).mean() + penalty / 2 * w @ w

        expected = minimize(objective, np.zeros(5), method="BFGS", options={"gtol": 1e-9}).x
        np.testing.assert_allclose(fits.weights[:, column].numpy(), expected, atol=1e-5)


def test_two_classes_are_a_logistic_regression_on_the_difference():
    features = make_features(2)
    difference = replace(
        features,
        projected=features.projected[:, 1] - features.projected[:, 0],
        logits=features.logits[:, 1] - features.logits[:, 0],
    )
    expected = fit_subsets(difference, SUBSETS, 1e-2, "tasks", 1e-10).weights
    found = fit_subsets_multinomial(features, SUBSETS, 1e-2, "tasks", 1e-10).weights
    torch.testing.assert_close(found, expected, atol=1e-8, rtol=1e-6)


def test_a_shift_of_all_classes_changes_nothing():
    features = make_features(3)
    shifted = replace(
        features, projected=features.projected + features.projected[:, :1] * 2, logits=features.logits + 7
    )
    expected = fit_subsets_multinomial(features, SUBSETS, 1e-2, "rows", 1e-10).weights
    torch.testing.assert_close(
        fit_subsets_multinomial(shifted, SUBSETS, 1e-2, "rows", 1e-10).weights, expected
    )


def test_shapes_and_labels_that_do_not_fit_are_refused():
    features = make_features(3)
    with pytest.raises(InvalidInput, match=r"`projected` of shape \(rows, classes, d\)"):
        fit_subsets_multinomial(replace(features, projected=features.projected[:, 0]), SUBSETS, 1e-2, "rows")
    rows = replace(features.rows, label=features.rows.label + 1)
    with pytest.raises(InvalidInput, match=r"class numbers from 0 to 2; found 1\.0 to 3\.0"):
        fit_subsets_multinomial(replace(features, rows=rows), SUBSETS, 1e-2, "rows")
