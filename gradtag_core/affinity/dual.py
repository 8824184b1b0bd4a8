"""Logistic regressions solved among the rows instead of the features: for more features than rows, or for a kernel.

The minimiser is w = Σ a_i φ_i over the rows of S (representer theorem), so that only K = Φ Φᵀ is needed:

    F_S(a) = sum_i c_i log(1 + exp(-y_i (z_i + (K a)_i))) + penalty / 2 aᵀ K a

Newton's method with one factorisation of the size of the subset per step, many subsets side by side.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gradtag_core.affinity.line_search import step_to_flat
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import Weighting
from gradtag_core.errors import InvalidInput
from gradtag_core.progress import Reporter
from gradtag_core.tasks.suite import Rows
from gradtag_core.training.trainer import entry_weights

MAX_STEPS = 100
BLOCK_BYTES = 2**28


@dataclass(frozen=True)
class DualRegressions:
    """`coefficients` (R, m), float64, zero outside a subset's rows: logits move by kernel @ coefficients;
    `gradient_norms` (m,) in the space of the weights, relative to those at zero; `converged` (m,); `flops`."""

    coefficients: Tensor
    gradient_norms: Tensor
    converged: Tensor
    flops: float


def fit_subsets_dual(
    kernel: Tensor, rows: Rows, logits: Tensor, subsets: Sequence[Subset], penalty: float, weighting: Weighting,
    tolerance: float = 1e-4, device: torch.device | None = None, reporter: Reporter | None = None,
) -> DualRegressions:  # fmt: skip
    """Fit every subset to a gradient norm of `tolerance` times that at zero, in double precision.

    `kernel` (R, R) holds the inner products of the features of the `rows`, `logits` (R,) the fixed offsets. Memory
    beside the result stays under `BLOCK_BYTES`, or what one subset needs.
    """
    if kernel.shape != (len(rows), len(rows)):
        raise InvalidInput(
            f"`kernel` must have one row and one column for each of the {len(rows)} rows; its shape is "
            f"{tuple(kernel.shape)}."
        )
    coefficients = torch.zeros(len(rows), len(subsets), dtype=torch.float64)
    norms = torch.zeros(len(subsets), dtype=torch.float64)
    flops = 0.0
    places = [_rows_of(rows, subset) for subset in subsets]
    by_size = sorted(range(len(subsets)), key=lambda index: len(places[index]))
    while by_size:
        (reporter or Reporter()).check()
        size = max(1, BLOCK_BYTES // (4 * 8 * len(places[by_size[-1]]) ** 2))
        block, by_size = by_size[-size:], by_size[:-size]
        problem = _Problem.of(kernel, rows, logits, [places[index] for index in block], weighting, device)
        found, norms[block], block_flops = problem.solve(penalty, tolerance)
        flops += block_flops
        for column, own in zip(block, found, strict=True):
            coefficients[places[column], column] = own[: len(places[column])]
    return DualRegressions(coefficients, norms, norms <= tolerance, flops)


def _rows_of(rows: Rows, subset: Subset) -> np.ndarray:
    parts = [rows.of_task(task) for task in subset]
    return np.concatenate([np.arange(part.start, part.stop) for part in parts])


@dataclass(frozen=True)
class _Problem:
    """A block of subsets, padded with rows of no weight to the largest: (m, r) each, `kernel` (m, r, r)."""

    kernel: Tensor
    logits: Tensor
    labels: Tensor
    weights: Tensor

    @classmethod
    def of(
        cls, kernel: Tensor, rows: Rows, logits: Tensor, places: list[np.ndarray], weighting: Weighting,
        device: torch.device | None,
    ) -> "_Problem":  # fmt: skip
        most = max(map(len, places))
        kernels = torch.zeros(len(places), most, most, dtype=torch.float64)
        own_logits, labels, weights = (torch.zeros(len(places), most, dtype=torch.float64) for _ in range(3))
        for index, place in enumerate(places):
            size, where = len(place), torch.from_numpy(place)
            kernels[index, :size, :size] = kernel[where][:, where]
            own_logits[index, :size] = logits[where]
            labels[index, :size] = torch.from_numpy(rows.label[place])
            tasks = rows.task[place]
            held = tasks[:, None] == np.unique(tasks)
            weights[index, :size] = torch.from_numpy(entry_weights(held, weighting).sum(1))
        weights /= weights.sum(1, keepdim=True)  # those are in single precision
        return cls(*(part.to(device) for part in (kernels, own_logits, labels, weights)))

    def solve(self, penalty: float, tolerance: float) -> tuple[Tensor, Tensor, float]:
        """Coefficients (m, r), relative gradient norms (m,), FLOPs."""
        coefficients, flops = torch.zeros_like(self.logits), 0.0
        at_zero, relative = None, torch.ones(len(self.logits)).to(self.logits)
        for _ in range(MAX_STEPS):
            moved = self._times(coefficients)
            chance = torch.sigmoid(self.logits + moved)
            excess = self.weights * (chance - self.labels) + penalty * coefficients
            image = self._times(excess)
            norm = (excess * image).sum(1).clamp(min=0).sqrt()  # that of Σ excess_i φ_i
            at_zero = norm.clamp(min=torch.finfo(norm.dtype).tiny) if at_zero is None else at_zero
            relative = norm / at_zero
            if (relative <= tolerance).all():
                break
            direction = self._newton(excess, image, chance, penalty)
            direction *= (relative > tolerance)[:, None]
            change = self._times(direction)
            slope = (excess * change).sum(1)
            size = step_to_flat(self._slopes(coefficients, moved, direction, change, penalty), slope)
            coefficients = coefficients + size[:, None] * direction
            flops += len(chance) * (chance.shape[1] ** 3 / 3 + 9.0 * chance.shape[1] ** 2)
        return coefficients.cpu(), relative.cpu(), flops

    def _times(self, coefficients: Tensor) -> Tensor:
        return torch.bmm(self.kernel, coefficients[..., None]).squeeze(-1)

    def _newton(self, excess: Tensor, image: Tensor, chance: Tensor, penalty: float) -> Tensor:
        """-(penalty + D K)⁻¹ excess by the symmetric penalty + √D K √D, which stays definite as D vanishes."""
        root = (self.weights * chance * (1 - chance)).sqrt()
        system = root[:, :, None] * self.kernel * root[:, None, :]
        system.diagonal(dim1=1, dim2=2).add_(penalty)
        solved = torch.cholesky_solve((root * image)[..., None], torch.linalg.cholesky(system)).squeeze(-1)
        return (root * solved - excess) / penalty

    def _slopes(
        self, coefficients: Tensor, moved: Tensor, direction: Tensor, change: Tensor, penalty: float
    ) -> Callable[[Tensor], Tensor]:
        def slope_at(size: Tensor) -> Tensor:
            step = size[:, None]
            chance = torch.sigmoid(self.logits + moved + step * change)
            excess = self.weights * (chance - self.labels) + penalty * (coefficients + step * direction)
            return (excess * change).sum(1)

        return slope_at
