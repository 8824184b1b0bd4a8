"""Logistic regressions on projected gradients, all subsets of tasks at once (paper, section 3.2, algorithm 1).

For a subset S with row weights c (which sum to one, as in real training) and the fixed offsets z:

    minimise over w in R^d:  F_S(w) = sum_i c_i log(1 + exp(-y_i (z_i + φ_i · w))) + penalty / 2 ‖w‖²

A Newton method whose steps come from conjugate gradients. Products with all Hessians are two matrix products
per task, and the Hessian at w = 0, which adds up over tasks, preconditions them: no subset costs a loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import Weighting
from gradtag_core.gradients.features import GradientFeatures

MAX_NEWTON_STEPS = 100
MAX_CG_STEPS = 100
SUBSETS_AT_ONCE = 512


@dataclass(frozen=True)
class Regressions:
    """`weights` (d, m): one column per subset; `gradient_norms` (m,) at the solution, relative to those at w = 0;
    `converged` (m,): whether that reached the tolerance; `flops`."""

    weights: Tensor
    gradient_norms: Tensor
    converged: Tensor
    flops: float


def fit_subsets(
    features: GradientFeatures, subsets: Sequence[Subset], penalty: float, weighting: Weighting,
    tolerance: float = 1e-4, device: torch.device | None = None,
) -> Regressions:  # fmt: skip
    """Fit every subset to a gradient norm of `tolerance` times that at w = 0.

    `penalty` > 0 is absolute; features in float64 give answers in float64.
    """
    blocks = [
        _Problem(features, subsets[start : start + SUBSETS_AT_ONCE], penalty, weighting, device).solve(
            tolerance
        )
        for start in range(0, len(subsets), SUBSETS_AT_ONCE)
    ]
    return Regressions(
        torch.cat([block.weights for block in blocks], dim=1),
        torch.cat([block.gradient_norms for block in blocks]),
        torch.cat([block.converged for block in blocks]),
        sum(block.flops for block in blocks),
    )


@dataclass(frozen=True)
class _TaskBlock:
    """The rows of one task, the subsets that hold the task, and the weight of one of its rows in each of those."""

    projected: Tensor  # (N, d)
    logits: Tensor  # (N, 1)
    labels: Tensor  # (N, 1)
    columns: Tensor  # (m_t,)
    row_weight: Tensor  # (m_t,)


class _Problem:
    """The regressions of one block of subsets; every state tensor has one column per subset."""

    def __init__(
        self, features: GradientFeatures, subsets: Sequence[Subset], penalty: float, weighting: Weighting,
        device: torch.device | None,
    ):  # fmt: skip
        self.penalty = penalty
        self.n_subsets = len(subsets)
        projected = features.projected.to(device) if device else features.projected
        self.like = projected.new_empty(0)
        self.dim = projected.shape[1]
        self.tasks = _task_blocks(features, projected, subsets, weighting)
        self.flops = 0.0
        self.preconditioner = self._hessian_at_zero()

    def _hessian_at_zero(self) -> Tensor:
        """Cholesky factors of the Hessians at w = 0: (m, d, d)."""
        total = torch.zeros(self.n_subsets, self.dim, self.dim).to(self.like)
        total.diagonal(dim1=1, dim2=2).add_(self.penalty)
        for task in self.tasks:
            chance = torch.sigmoid(task.logits)
            gram = task.projected.T @ (task.projected * (chance * (1 - chance)))
            total.index_add_(0, task.columns, task.row_weight[:, None, None] * gram)
            self.flops += 2 * len(task.projected) * self.dim**2 + 2 * len(task.columns) * self.dim**2
        self.flops += self.n_subsets * self.dim**3 / 3
        return torch.linalg.cholesky(total)

    def _scores(self, weights: Tensor) -> list[Tensor]:
        """φ · w of every row of each task in each subset that holds it: a list of (N, m_t)."""
        self.flops += sum(2 * task.projected.numel() * len(task.columns) for task in self.tasks)
        return [task.projected @ weights[:, task.columns] for task in self.tasks]

    def _gather(self, per_row: list[Tensor]) -> Tensor:
        """Σ_i φ_i r_i over the rows of each subset: the transpose of `_scores`, (d, m)."""
        self.flops += sum(2 * task.projected.numel() * len(task.columns) for task in self.tasks)
        total = torch.zeros(self.dim, self.n_subsets).to(self.like)
        for task, values in zip(self.tasks, per_row, strict=True):
            total.index_add_(1, task.columns, task.projected.T @ values)
        return total

    def _objective(self, weights: Tensor, scores: list[Tensor]) -> Tensor:
        total = self.penalty / 2 * weights.square().sum(0)
        for task, score in zip(self.tasks, scores, strict=True):
            logit = task.logits + score
            losses = torch.nn.functional.softplus(logit) - task.labels * logit
            total.index_add_(0, task.columns, task.row_weight * losses.sum(0))
        return total

    def solve(self, tolerance: float) -> Regressions:
        weights = torch.zeros(self.dim, self.n_subsets).to(self.like)
        scores = self._scores(weights)
        objective = self._objective(weights, scores)
        chances, gradient = self._gradient(weights, scores)
        start_norm = gradient.norm(dim=0).clamp(min=torch.finfo(gradient.dtype).tiny)
        for _ in range(MAX_NEWTON_STEPS):
            relative_norm = gradient.norm(dim=0) / start_norm
            active = relative_norm > tolerance
            if not active.any():
                break
            curvature = [
                task.row_weight * chance * (1 - chance)
                for task, chance in zip(self.tasks, chances, strict=True)
            ]
            direction = self._newton_direction(gradient, curvature, active, relative_norm)
            moved = self._line_search(weights, scores, objective, gradient, direction)
            if moved is None:
                break
            weights, scores, objective = moved
            chances, gradient = self._gradient(weights, scores)
        relative_norm = gradient.norm(dim=0) / start_norm
        return Regressions(weights.cpu(), relative_norm.cpu(), (relative_norm <= tolerance).cpu(), self.flops)

    def _gradient(self, weights: Tensor, scores: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        """The chance of a positive label of every row, and the gradients of the objectives, (d, m)."""
        chances = [torch.sigmoid(task.logits + score) for task, score in zip(self.tasks, scores, strict=True)]
        residuals = [
            task.row_weight * (chance - task.labels) for task, chance in zip(self.tasks, chances, strict=True)
        ]
        return chances, self._gather(residuals) + self.penalty * weights

    def _newton_direction(
        self, gradient: Tensor, curvature: list[Tensor], active: Tensor, relative_norm: Tensor
    ) -> Tensor:
        """Solve H v = -g for all subsets by preconditioned conjugate gradients; settled subsets get zero."""
        target = gradient.norm(dim=0) * relative_norm.sqrt().clamp(max=0.1)
        solution = torch.zeros_like(gradient)
        residual = -gradient * active
        solved = self._precondition(residual)
        search = solved.clone()
        product = (residual * solved).sum(0)
        for _ in range(MAX_CG_STEPS):
            image = self._gather(
                [weight * score for weight, score in zip(curvature, self._scores(search), strict=True)]
            )
            image += self.penalty * search
            bend = (search * image).sum(0)
            step = torch.where(bend > 0, product / bend, 0.0)
            solution += step * search
            residual -= step * image
            if (residual.norm(dim=0) <= target)[active].all():
                break
            solved = self._precondition(residual)
            new_product = (residual * solved).sum(0)
            search = solved + torch.where(product > 0, new_product / product, 0.0) * search
            product = new_product
        return solution

    def _precondition(self, residual: Tensor) -> Tensor:
        self.flops += 2 * self.n_subsets * self.dim**2
        return torch.cholesky_solve(residual.T.unsqueeze(-1), self.preconditioner).squeeze(-1).T

    def _line_search(
        self, weights: Tensor, scores: list[Tensor], objective: Tensor, gradient: Tensor, direction: Tensor
    ) -> tuple[Tensor, list[Tensor], Tensor] | None:
        """Halve each subset's step until its objective falls enough (Armijo); None when no subset can move."""
        change = self._scores(direction)
        slope = (gradient * direction).sum(0)
        rounding = 8 * torch.finfo(objective.dtype).eps * objective.abs()
        size = torch.ones_like(objective)
        for _ in range(30):
            moved = weights + size * direction
            moved_scores = [
                score + size[task.columns] * delta
                for task, score, delta in zip(self.tasks, scores, change, strict=True)
            ]
            moved_objective = self._objective(moved, moved_scores)
            too_far = moved_objective > objective + 1e-4 * size * slope + rounding
            if not too_far.any():
                return moved, moved_scores, moved_objective
            size = torch.where(too_far, size / 2, size)
        return None


def _task_blocks(
    features: GradientFeatures, projected: Tensor, subsets: Sequence[Subset], weighting: Weighting
) -> list[_TaskBlock]:
    n_rows = {
        int(task): int(count)
        for task, count in zip(*np.unique(features.rows.task, return_counts=True), strict=True)
    }
    holders: dict[int, list[int]] = {}
    for column, subset in enumerate(subsets):
        for task in subset:
            holders.setdefault(task, []).append(column)
    blocks = []
    for task, columns in sorted(holders.items()):
        rows = features.rows.of_task(task)
        weight = [
            _row_weight([n_rows[other] for other in subsets[column]], n_rows[task], weighting)
            for column in columns
        ]
        blocks.append(
            _TaskBlock(
                projected[rows],
                features.logits[rows, None].to(projected),
                torch.from_numpy(features.rows.label[rows])[:, None].to(projected),
                torch.tensor(columns, device=projected.device),
                torch.tensor(weight).to(projected),
            )
        )
    return blocks


def _row_weight(sizes: Sequence[int], size: int, weighting: Weighting) -> float:
    """The weight of one row of a task with `size` rows in the loss of a subset whose tasks have `sizes` rows."""
    return 1 / sum(sizes) if weighting == "rows" else 1 / (len(sizes) * size)
