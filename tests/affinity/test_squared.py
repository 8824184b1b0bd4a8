import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from gradtag_core.affinity import squared
from gradtag_core.affinity.losses import SquaredLoss
from gradtag_core.affinity.regression import fit_subsets
from gradtag_core.affinity.squared import fit_subsets_squared
from gradtag_core.cost import Cost
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.tasks.suite import Rows

SIZES = (20, 12, 30)
SUBSETS = [(0,), (0, 1), (0, 1, 2), (2,)]


def make_features(dim=6):
    generator = np.random.default_rng(0)
    n_rows = sum(SIZES)
    rows = Rows(np.arange(n_rows), np.repeat(np.arange(3), SIZES), generator.normal(size=n_rows))
    projected = torch.from_numpy(generator.normal(size=(n_rows, dim)))
    return GradientFeatures(rows, torch.from_numpy(generator.normal(size=n_rows)), projected, 1.0, Cost())


@pytest.mark.parametrize("weighting", ["rows", "tasks"])
@pytest.mark.parametrize("dim", [6, 50])
def test_equals_scikit_learn(weighting, dim):
    features, penalty = make_features(dim), 0.1
    fits = fit_subsets_squared(features, SUBSETS, penalty, weighting)
    assert fits.converged.all() and fits.flops > 0
    for column, subset in enumerate(SUBSETS):
        keep = np.isin(features.rows.task, subset)
        task = features.rows.task[keep]
        weight = np.array(
            [1 / keep.sum() if weighting == "rows" else 1 / (len(subset) * SIZES[t]) for t in task]
        )
        ridge = Ridge(alpha=penalty / 2, fit_intercept=False, tol=1e-12)
        ridge.fit(
            features.projected.numpy()[keep], features.rows.label[keep] - features.logits.numpy()[keep],
            sample_weight=weight,
        )  # fmt: skip
        np.testing.assert_allclose(fits.weights[:, column].numpy(), ridge.coef_, rtol=1e-7, atol=1e-9)


def test_blocks_do_not_matter_and_the_iterative_solver_agrees(monkeypatch):
    features = make_features()
    together = fit_subsets_squared(features, SUBSETS, 0.1, "rows").weights
    iterative = fit_subsets(features, SUBSETS, 0.1, "rows", 1e-11, loss=SquaredLoss()).weights
    torch.testing.assert_close(iterative, together)
    monkeypatch.setattr(squared, "BLOCK_BYTES", 1)
    torch.testing.assert_close(fit_subsets_squared(features, SUBSETS, 0.1, "rows").weights, together)
