"""The losses of one row that the regressions minimise, as functions of its logits."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from gradtag_core.tasks.suite import TaskKind


@runtime_checkable
class RowLoss(Protocol):
    """A convex loss of one row: of one logit, or of the C logits of its classes.

    Logits stand flattened along the last axis, (..., rows · C), and `labels` is (rows,) or what `residuals` broadcasts.
    """

    def residuals(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The derivative of each row's loss in its logits, in their shape."""
        ...

    def curvature_roots(self, projected: Tensor, logits: Tensor) -> Tensor:
        """Rows ψ, in the shape of `projected` (rows · C, d), with Σ ψ ψᵀ the second derivative in the weights."""
        ...


class LogisticLoss:
    """log(1 + exp(-y (z + φ · w))) with labels 0 and 1 (paper, section 3.1)."""

    def residuals(self, logits: Tensor, labels: Tensor) -> Tensor:
        return torch.sigmoid(logits).sub_(labels)

    def curvature_roots(self, projected: Tensor, logits: Tensor) -> Tensor:
        chance = torch.sigmoid(logits)
        return projected * (chance * (1 - chance)).sqrt_()[:, None]


class SoftmaxLoss:
    """Cross-entropy of softmax(z + Φ w) with class numbers as labels; Φ holds one row per class."""

    def __init__(self, n_classes: int):
        self.n_classes = n_classes

    def residuals(self, logits: Tensor, labels: Tensor) -> Tensor:
        per_class = self._per_class(logits).softmax(-1)
        target = torch.nn.functional.one_hot(labels.long(), self.n_classes)
        return (per_class - target).flatten(-2)

    def curvature_roots(self, projected: Tensor, logits: Tensor) -> Tensor:
        """diag(p) - p pᵀ = M Mᵀ with M = diag(√p) - p √pᵀ, since p sums to one."""
        chance = self._per_class(logits).softmax(-1)[..., None]
        per_class = projected.unflatten(0, (len(chance), self.n_classes))
        mean = (chance * per_class).sum(1, keepdim=True)
        return ((per_class - mean) * chance.sqrt()).flatten(0, 1)

    def _per_class(self, logits: Tensor) -> Tensor:
        return logits.unflatten(-1, (logits.shape[-1] // self.n_classes, self.n_classes))


class SquaredLoss:
    """(z + φ · w - y)² with real targets."""

    def residuals(self, logits: Tensor, labels: Tensor) -> Tensor:
        return 2 * (logits - labels)

    def curvature_roots(self, projected: Tensor, logits: Tensor) -> Tensor:
        return projected * 2**0.5


def row_loss(kind: TaskKind, n_outputs: int) -> RowLoss:
    """What training minimises for a task of a kind (`training.losses.entry_losses`)."""
    if kind == "multiclass":
        return SoftmaxLoss(n_outputs)
    return LogisticLoss() if kind == "binary" else SquaredLoss()
