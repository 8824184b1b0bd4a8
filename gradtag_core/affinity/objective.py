"""The objectives of many subsets of tasks at once, as sums over tasks that the subsets share.

For a subset S with row weights c (which sum to one, as in real training) and the fixed offsets z:

    F_S(w) = sum_i c_i loss_i(z_i + φ_i · w) + penalty / 2 ‖w‖²

where each task has the loss of its kind; z_i + φ_i · w is one number for each of its outputs.
Every state tensor has one row per subset. Products with all rows of all subsets are two matrix products per task.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from gradtag_core.affinity.losses import RowLoss, row_loss
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import Weighting
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.gradients.memory import Storage


@dataclass
class FlopCount:
    """Multiply and add count as two."""

    total: float = 0.0


@dataclass(frozen=True)
class TaskRows:
    """The N rows of one task: `projected` (N·C, d), `logits` (N·C,), `labels` (N,); C is 1 for one logit a row."""

    projected: Tensor
    logits: Tensor
    labels: Tensor
    loss: RowLoss

    def residuals(self, logits: Tensor) -> Tensor:
        """The derivatives of the rows' losses in their logits, (..., N·C)."""
        return self.loss.residuals(logits, self.labels)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Membership:
    """Which tasks make up each subset, and the weight of one row of the task in the loss of that subset.

    `task`, `weight` (E,): subset after subset, `first` (m,) is where each begins; per task, `holders` are the subsets
    that hold it and `holder_weights` its row's weight in those.
    """

    task: Tensor
    weight: Tensor
    first: Tensor
    holders: list[Tensor]
    holder_weights: list[Tensor]

    @classmethod
    def of(
        cls, subsets: Sequence[Subset], n_rows: Sequence[int], weighting: Weighting, like: Tensor
    ) -> "Membership":
        sizes = np.array([len(subset) for subset in subsets])
        task = np.concatenate([np.asarray(subset) for subset in subsets])
        subset, first = np.repeat(np.arange(len(subsets)), sizes), np.cumsum(sizes) - sizes
        rows = np.asarray(n_rows, dtype=np.float64)[task]
        weight = 1 / (np.add.reduceat(rows, first)[subset] if weighting == "rows" else sizes[subset] * rows)
        places = [np.flatnonzero(task == each) for each in range(len(n_rows))]

        def as_index(values: np.ndarray) -> Tensor:
            return torch.from_numpy(values).to(like.device)

        def as_weight(values: np.ndarray) -> Tensor:
            return torch.from_numpy(values).to(like)

        return cls(
            as_index(task), as_weight(weight), as_index(first),
            [as_index(subset[place]) for place in places], [as_weight(weight[place]) for place in places],
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.first)

    def total(self, per_task: Tensor) -> Tensor:
        """Σ over the tasks of each subset of a sum over their rows: (n, k) -> (m, k)."""
        return embedding_bag(self.task, per_task, self.first, mode="sum", per_sample_weights=self.weight)


@dataclass(frozen=True)
class Expansion:
    """The tasks' losses around one `point` (d,): the `logits` (N·C,) of each task there, and `slopes` (n, d), the sums
    of the gradients of their rows' losses."""

    point: Tensor
    logits: list[Tensor]
    slopes: Tensor


@dataclass(frozen=True)
class Tasks:
    """The rows of every task, where matrices of their size go, and the FLOPs spent on them."""

    rows: list[TaskRows]
    flops: FlopCount = field(default_factory=FlopCount)
    storage: Storage = field(default_factory=Storage)

    @classmethod
    def of(cls, features: GradientFeatures, device: torch.device | None) -> "Tasks":
        """The number format of `projected` is kept."""
        projected = features.projected.to(device)
        labels = torch.from_numpy(features.rows.label).to(projected)
        rows = []
        for task in range(int(features.rows.task.max()) + 1):
            part, kind, n_outputs = features.of_task(task), features.kind(task), features.n_outputs(task)
            logits, own = features.logits[part].to(projected), labels[features.rows.of_task(task)]
            rows.append(TaskRows(projected[part], logits, own, row_loss(kind, n_outputs)))
        return cls(rows, storage=features.storage)

    @property
    def sizes(self) -> list[int]:
        """Rows of each task."""
        return [len(task) for task in self.rows]

    @property
    def dim(self) -> int:
        return self.rows[0].projected.shape[1]

    @property
    def like(self) -> Tensor:
        """An empty tensor of the number format and device of everything here."""
        return self.rows[0].projected.new_empty(0)

    def rotated(self, basis: Tensor) -> "Tasks":
        """The same rows for weights v with w = basis v."""
        self.flops.total += sum(2 * task.projected.numel() * self.dim for task in self.rows)
        if self.like.device.type != "cpu":
            return replace(self, rows=[replace(task, projected=task.projected @ basis) for task in self.rows])
        sizes = [len(task.projected) for task in self.rows]
        table = self.storage.table((sum(sizes), self.dim), self.like.dtype)
        parts = table.values.split(sizes)
        for part, task in zip(parts, self.rows, strict=True):
            torch.mm(task.projected, basis, out=part)
            table.let_go()
        rows = [replace(task, projected=part) for part, task in zip(parts, self.rows, strict=True)]
        return replace(self, rows=rows)

    def expand(self, point: Tensor) -> Expansion:
        logits = [task.logits + task.projected @ point for task in self.rows]
        slopes = [
            task.residuals(logit) @ task.projected for task, logit in zip(self.rows, logits, strict=True)
        ]
        self.flops.total += sum(4 * task.projected.numel() for task in self.rows)
        return Expansion(point, logits, torch.stack(slopes))

    def curvatures(self, expansion: Expansion) -> Tensor:
        """The second derivatives of the sums over each task's rows: (n, d, d)."""
        found = self.like.new_empty(len(self.rows), self.dim, self.dim)
        for out, task, logits in zip(found, self.rows, expansion.logits, strict=True):
            roots = task.loss.curvature_roots(task.projected, logits)
            torch.mm(roots.T, roots, out=out)
            self.flops.total += 2 * roots.numel() * self.dim
        return found


@dataclass(frozen=True)
class SubsetObjectives:
    """F_S of one block of subsets, in coordinates where the penalty is `ridge` (d,) / 2 · v².

    `scale` (d,) turns a gradient in these coordinates into one of the same length as in the original ones.
    """

    tasks: Tasks
    members: Membership
    ridge: Tensor
    scale: Tensor

    def _each(self) -> Iterator[tuple[TaskRows, Tensor, Tensor]]:
        return zip(self.tasks.rows, self.members.holders, self.members.holder_weights, strict=True)

    def norms(self, gradient: Tensor) -> Tensor:
        return (gradient * self.scale).norm(dim=1)

    def gradient_of(self, expansion: Expansion) -> Tensor:
        """The gradients at the point of an expansion, from its slopes: (m, d)."""
        return self.members.total(expansion.slopes) + self.ridge * expansion.point

    def scores(self, weights: Tensor) -> list[Tensor]:
        """φ · w of every row of each task in each subset that holds it: a list of (m_t, N·C)."""
        self._count_product()
        return [weights[holders] @ task.projected.T for task, holders, _ in self._each()]

    def residuals(self, logits: list[Tensor]) -> list[Tensor]:
        return [task.residuals(logit) for task, logit in zip(self.tasks.rows, logits, strict=True)]

    def gradient(self, weights: Tensor, residuals: list[Tensor]) -> Tensor:
        """Σ_i c_i r_i φ_i over the rows of each subset, and the penalty's part: (m, d)."""
        self._count_product()
        total = self.ridge * weights
        for (task, holders, weight), residual in zip(self._each(), residuals, strict=True):
            total.index_add_(0, holders, (residual @ task.projected).mul_(weight[:, None]))
        return total

    def along(self, residuals: list[Tensor], changes: list[Tensor]) -> Tensor:
        """Σ_i c_i r_i Δ_i over the rows of each subset: (m,)."""
        total = self.ridge.new_zeros(len(self.members))
        for (_, holders, weight), residual, change in zip(self._each(), residuals, changes, strict=True):
            dots = torch.bmm(residual[:, None], change[:, :, None]).flatten()
            total.index_add_(0, holders, weight * dots)
        return total

    def _count_product(self) -> None:
        self.tasks.flops.total += sum(
            2 * task.projected.numel() * len(holders) for task, holders, _ in self._each()
        )
