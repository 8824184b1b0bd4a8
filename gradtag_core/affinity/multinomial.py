"""Multinomial regressions on projected gradients: one gradient per class (paper, section 3.2)."""

from collections.abc import Sequence

import numpy as np
import torch

from gradtag_core.affinity.losses import SoftmaxLoss
from gradtag_core.affinity.regression import Regressions, fit_subsets
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import Weighting
from gradtag_core.errors import InvalidInput
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.progress import Reporter


def fit_subsets_multinomial(
    features: GradientFeatures, subsets: Sequence[Subset], penalty: float, weighting: Weighting,
    tolerance: float = 1e-4, device: torch.device | None = None, reporter: Reporter | None = None,
) -> Regressions:  # fmt: skip
    """Minimise the mean cross-entropy of softmax(z_i + Φ_i w) plus penalty / 2 ‖w‖² for every subset.

    `features.projected` is (R, C, d), `logits` (R, C), and the labels are class numbers below C.
    """
    shape = tuple(features.projected.shape)
    if len(shape) != 3 or tuple(features.logits.shape) != shape[:2]:
        raise InvalidInput(
            "`features` must hold `projected` of shape (rows, classes, d) and `logits` of shape (rows, classes); found "
            f"{shape} and {tuple(features.logits.shape)}."
        )
    labels = features.rows.label
    if not np.isin(labels, np.arange(shape[1])).all():
        raise InvalidInput(
            f"Labels must be class numbers from 0 to {shape[1] - 1}; found {labels.min()} to {labels.max()}."
        )
    loss = SoftmaxLoss(shape[1])
    return fit_subsets(features, subsets, penalty, weighting, tolerance, device, reporter, loss)
