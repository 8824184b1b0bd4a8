"""Grad-TAE: what training on each subset would give, without training (paper, algorithm 1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from gradtag_core.affinity.dual import fit_subsets_dual
from gradtag_core.affinity.regression import Common, Regressions, fit_from, fit_subsets
from gradtag_core.affinity.row_checks import require_usable_rows
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import METRICS, Weighting
from gradtag_core.cost import Cost, measure
from gradtag_core.errors import GradTagError, InvalidInput
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.progress import Reporter
from gradtag_core.tasks.kind_checks import require_binary
from gradtag_core.tasks.suite import Rows
from gradtag_core.training.metrics import score_outputs

SUBSETS_AT_ONCE = 4096  # whose weights and scores are held together
COEFFICIENT_BYTES = 2**28
COLUMNS_AT_ONCE = 256  # subsets whose logits of one task are held together
LOGITS_AT_ONCE = 2**22


@dataclass(frozen=True)
class EstimationSettings:
    """`l2` is relative to the mean squared length of a training gradient."""

    l2: float
    weighting: Weighting
    tolerance: float = 1e-4


@dataclass(frozen=True)
class FeaturePair:
    """The features of the training and the validation rows, from one base model and one projection."""

    train: GradientFeatures
    validation: GradientFeatures


def estimate_scores(
    train: GradientFeatures, validation: GradientFeatures, subsets: Sequence[Subset], task_names: tuple[str, ...],
    settings: EstimationSettings, seed: int, device: torch.device, reporter: Reporter | None = None,
) -> SubsetScores:  # fmt: skip
    """Regress each subset on the training rows, then score its tasks by the linearised validation logits.

    `seed` labels the base model. Raises `InvalidInput` for rows that cannot be fitted or scored, and `GradTagError`
    when a regression does not converge.
    """
    pair = FeaturePair(train, validation)
    return estimate_ensemble_scores([pair], subsets, task_names, settings, seed, device, reporter)


def estimate_ensemble_scores(
    pairs: Sequence[FeaturePair], subsets: Sequence[Subset], task_names: tuple[str, ...],
    settings: EstimationSettings, seed: int, device: torch.device, reporter: Reporter | None = None,
) -> SubsetScores:  # fmt: skip
    """`estimate_scores` of the validation logits averaged over several features of the same rows.

    For projections of several seeds at one base model that is the same as averaging the lifted parameter changes;
    for several base models it scores their ensemble, where averaging scores would be the paper's way.
    """
    estimator = Estimator(pairs, task_names, settings, seed, device, reporter)
    blocks = [subsets[start : start + SUBSETS_AT_ONCE] for start in range(0, len(subsets), SUBSETS_AT_ONCE)]
    parts = [estimator.scores(block) for block in blocks or [subsets]]
    cost = sum((part.cost for part in parts), estimator.cost)
    values = np.concatenate([part.values for part in parts])
    return SubsetScores.of_seed(task_names, subsets, values, seed, "estimated", cost)


class Estimator:
    """Scores subsets in blocks, from what is made once for all: `cost` says what that took.

    The scores of a block are the same whatever other blocks are scored, before it or elsewhere. Raises as
    `estimate_scores` does.
    """

    def __init__(
        self, pairs: Sequence[FeaturePair], task_names: tuple[str, ...], settings: EstimationSettings, seed: int,
        device: torch.device, reporter: Reporter | None = None,
    ):  # fmt: skip
        _require_same_rows(pairs)
        self._pairs = pairs
        self._task_names = task_names
        self._settings = settings
        self._seed = seed
        self._device = device
        self._reporter = reporter or Reporter()
        self._are_finite = False

    @cached_property
    def _made(self) -> tuple[list[Common], Cost]:
        with measure() as meter:
            common = [common_start(pair.train, self._settings, self._device) for pair in self._pairs]
            meter.flops = sum(each.flops for each in common)
        return common, meter.cost

    @property
    def cost(self) -> Cost:
        """Of what all blocks share."""
        return self._made[1]

    def scores(self, subsets: Sequence[Subset]) -> SubsetScores:
        """The scores of a block of subsets; their cost is without what all blocks share."""
        for pair in self._pairs:
            require_usable_rows(
                pair.train, pair.validation, subsets, self._task_names, finite=self._are_finite
            )
        self._are_finite = True
        common = self._made[0]
        with measure() as meter:
            weights = []
            for pair, each in zip(self._pairs, common, strict=True):
                fits = fit_or_raise(pair.train, subsets, self._settings, self._device, self._reporter, each)
                weights.append(fits.weights.to(self._device))
                meter.flops += fits.flops
            validations = [pair.validation for pair in self._pairs]
            values, flops = _score_block(validations, weights, subsets, self._device, self._reporter)
            meter.flops += flops
        return SubsetScores.of_seed(self._task_names, subsets, values, self._seed, "estimated", meter.cost)


def estimate_kernel_scores(
    kernel: Tensor, validation_kernel: Tensor, train: GradientFeatures, validation: GradientFeatures,
    subsets: Sequence[Subset], task_names: tuple[str, ...], settings: EstimationSettings, seed: int,
    device: torch.device, reporter: Reporter | None = None,
) -> SubsetScores:  # fmt: skip
    """`estimate_scores` from inner products of gradients in place of features, as without any projection.

    `kernel` (R, R) is that of the training rows, `validation_kernel` (V, R) that of validation and training rows; of
    `train` and `validation` only rows and logits are read, and all tasks must be binary. `l2` is relative to the mean
    of the kernel's diagonal.
    """
    train, validation = replace(train, projected=kernel), replace(validation, projected=validation_kernel)
    require_usable_rows(train, validation, subsets, task_names)
    require_binary(train.kinds or ("binary",) * len(task_names), task_names, "`projection` = identity")
    reporter = reporter or Reporter()
    penalty = settings.l2 * float(kernel.diagonal().double().mean())
    size = max(1, COEFFICIENT_BYTES // (8 * len(kernel)))
    values = []
    with measure() as meter:
        for start in range(0, len(subsets), size):
            block = subsets[start : start + size]
            fits = fit_subsets_dual(
                kernel, train.rows, train.logits, block, penalty, settings.weighting, settings.tolerance, device,
                reporter,
            )  # fmt: skip
            _require_convergence(fits.converged, fits.gradient_norms, len(block), settings.tolerance)
            scores, flops = _score_block(
                [validation], [fits.coefficients.to(device)], block, device, reporter
            )
            values.append(scores)
            meter.flops += fits.flops + flops
    return SubsetScores.of_seed(task_names, subsets, np.concatenate(values), seed, "estimated", meter.cost)


def common_start(train: GradientFeatures, settings: EstimationSettings, device: torch.device) -> Common:
    """What the regressions of all subsets share."""
    return Common.of(train, settings.l2 * train.gradient_energy, settings.weighting, device)


def fit_or_raise(
    train: GradientFeatures, subsets: Sequence[Subset], settings: EstimationSettings, device: torch.device,
    reporter: Reporter | None = None, common: Common | None = None,
) -> Regressions:  # fmt: skip
    """The regressions of all subsets; `GradTagError` where one does not reach the tolerance.

    `common` is what `common_start` gives, and then no part of the FLOPs. Where single precision cannot reach the
    tolerance, double precision goes on: with a base model that fits its training rows well, the gradient to be reduced
    is itself near the rounding error.
    """
    flops = 0.0
    if common is None:
        common = common_start(train, settings, device)
        flops = common.flops
    fits = fit_from(common, subsets, settings.tolerance, reporter)
    flops += fits.flops
    if fits.converged.all():
        return replace(fits, flops=flops)
    left = torch.nonzero(~fits.converged).flatten()
    exact = replace(train, projected=train.storage.copy(train.projected, torch.float64))
    again = fit_subsets(
        exact, [subsets[index] for index in left.tolist()], settings.l2 * train.gradient_energy, settings.weighting,
        settings.tolerance, device, reporter,
    )  # fmt: skip
    _require_convergence(again.converged, again.gradient_norms, len(subsets), settings.tolerance)
    fits.weights[:, left] = again.weights.to(fits.weights)
    fits.gradient_norms[left] = again.gradient_norms.to(fits.gradient_norms)
    return replace(fits, converged=torch.ones_like(fits.converged), flops=flops + again.flops)


def _require_convergence(converged: Tensor, gradient_norms: Tensor, n_subsets: int, tolerance: float) -> None:
    if not converged.all():
        raise GradTagError(
            f"{int((~converged).sum())} of {n_subsets} regressions stopped at a relative gradient of "
            f"{float(gradient_norms.max()):.1e}, above the tolerance {tolerance:.0e}: raise `l2`."
        )


def _require_same_rows(pairs: Sequence[FeaturePair]) -> None:
    if not len(pairs):
        raise InvalidInput("`pairs` must hold the features of at least one base model; it is empty.")
    for pair in pairs[1:]:
        for rows, first in (
            (pair.train.rows, pairs[0].train.rows),
            (pair.validation.rows, pairs[0].validation.rows),
        ):
            if not all(
                np.array_equal(getattr(rows, name), getattr(first, name)) for name in ("example", "task")
            ):
                raise InvalidInput(
                    "`pairs` must all be features of the same rows in the same order; they differ."
                )


def _score_block(
    validations: Sequence[GradientFeatures], weights: Sequence[Tensor], subsets: Sequence[Subset],
    device: torch.device, reporter: Reporter,
) -> tuple[np.ndarray, float]:  # fmt: skip
    """Every metric of each task of each subset, in the order of the subsets: (sum of sizes, metrics); the FLOPs."""
    values = np.empty((sum(map(len, subsets)), len(METRICS)))
    flops = 0.0
    first = validations[0]
    for task, places, columns in _places(subsets, first.rows):
        own, n_outputs = first.of_task(task), first.n_outputs(task)
        labels = torch.from_numpy(first.rows.label[first.rows.of_task(task)]).to(device).double()
        mean = labels.new_zeros(len(labels) * n_outputs, 1)
        for validation, each in zip(validations, weights, strict=True):
            reporter.check()
            projected = validation.projected[own].to(device)
            logits = validation.logits[own, None].to(device) + projected @ each[:, columns].to(projected)
            mean = mean + logits.double() / len(validations)
            flops += 2 * projected.numel() * len(columns)
        outputs = mean.unflatten(0, (len(labels), n_outputs))
        values[places] = score_outputs(outputs, labels, first.kind(task)).cpu().numpy()
    return values, flops


def _places(subsets: Sequence[Subset], rows: Rows) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Task after task, up to `COLUMNS_AT_ONCE` of the places where it is scored (fewer of a task with very many rows),
    and the subsets they belong to."""
    subset = np.repeat(np.arange(len(subsets)), [len(members) for members in subsets])
    task = np.concatenate([np.asarray(members) for members in subsets])
    for each in np.unique(task):
        places, own = np.flatnonzero(task == each), rows.of_task(int(each))
        step = min(COLUMNS_AT_ONCE, max(1, LOGITS_AT_ONCE // max(1, own.stop - own.start)))
        for start in range(0, len(places), step):
            part = places[start : start + step]
            yield int(each), part, subset[part]
