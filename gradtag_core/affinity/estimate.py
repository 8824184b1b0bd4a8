"""Grad-TAE: what training on each subset would give, without training (paper, algorithm 1)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from gradtag_core.affinity.regression import fit_subsets
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import METRICS, Weighting
from gradtag_core.cost import measure
from gradtag_core.errors import GradTagError
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.progress import Reporter
from gradtag_core.training.metrics import score_logits

SUBSETS_PER_REPORT = 256


@dataclass(frozen=True)
class EstimationSettings:
    """`l2` is relative to the mean squared length of a training gradient."""

    l2: float
    weighting: Weighting
    tolerance: float = 1e-4


def estimate_scores(
    train: GradientFeatures, validation: GradientFeatures, subsets: Sequence[Subset], task_names: tuple[str, ...],
    settings: EstimationSettings, seed: int, device: torch.device, reporter: Reporter | None = None,
) -> SubsetScores:  # fmt: skip
    """Regress each subset on the training rows, then score its tasks by the linearised validation logits.

    `seed` labels the base model. Raises `GradTagError` when a regression does not converge.
    """
    reporter = reporter or Reporter()
    penalty = settings.l2 * train.gradient_energy
    values = []
    with measure() as meter:
        for start in range(0, len(subsets), SUBSETS_PER_REPORT):
            reporter.check()
            block = subsets[start : start + SUBSETS_PER_REPORT]
            weights, fit_flops = _fit_block(train, block, penalty, settings, device)
            scores, score_flops = _score_block(validation, weights.to(device), block, device)
            values.append(scores)
            meter.flops += fit_flops + score_flops
    return SubsetScores.of_seed(task_names, subsets, np.concatenate(values), seed, "estimated", meter.cost)


def _fit_block(
    train: GradientFeatures,
    subsets: Sequence[Subset],
    penalty: float,
    settings: EstimationSettings,
    device: torch.device,
) -> tuple[torch.Tensor, float]:
    """One column of weights per subset, (d, m), and the FLOPs.

    Where single precision cannot reach the tolerance, double precision goes on: with a base model that fits its
    training rows well, the gradient to be reduced is itself near the rounding error.
    """
    fits = fit_subsets(train, subsets, penalty, settings.weighting, settings.tolerance, device)
    weights, flops = fits.weights, fits.flops
    if not fits.converged.all():
        left = torch.nonzero(~fits.converged).flatten()
        exact = replace(train, projected=train.projected.double())
        again = [subsets[index] for index in left.tolist()]
        fits = fit_subsets(exact, again, penalty, settings.weighting, settings.tolerance, device)
        weights[:, left] = fits.weights.to(weights)
        flops += fits.flops
    if not fits.converged.all():
        raise GradTagError(
            f"{int((~fits.converged).sum())} of {len(subsets)} regressions stopped at a relative gradient of "
            f"{float(fits.gradient_norms.max()):.1e}, above the tolerance {settings.tolerance:.0e}: raise `l2`."
        )
    return weights, flops


def _score_block(
    validation: GradientFeatures, weights: torch.Tensor, subsets: Sequence[Subset], device: torch.device
) -> tuple[np.ndarray, float]:
    """Every metric of each task of each subset, in the order of the subsets: (sum of sizes, metrics)."""
    subset = np.repeat(np.arange(len(subsets)), [len(members) for members in subsets])
    task = np.concatenate([np.asarray(members) for members in subsets])
    values = np.empty((len(task), len(METRICS)))
    flops = 0.0
    for each in np.unique(task):
        places = np.flatnonzero(task == each)
        rows = validation.rows.of_task(int(each))
        projected = validation.projected[rows].to(device)
        logits = validation.logits[rows, None].to(device) + projected @ weights[:, subset[places]]
        labels = torch.from_numpy(validation.rows.label[rows]).to(device)
        values[places] = score_logits(logits.double(), labels.double()).cpu().numpy()
        flops += 2 * projected.numel() * len(places)
    return values, flops
