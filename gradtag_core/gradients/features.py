"""Projected gradients of every (example, task) row at a base model."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradtag_core.cost import Cost, measure
from gradtag_core.errors import GradTagError
from gradtag_core.gradients.per_example import logits_and_pieces
from gradtag_core.gradients.project_rows import RowGroups, project_rows, projection_flops
from gradtag_core.gradients.projection import Projection
from gradtag_core.progress import Reporter
from gradtag_core.tasks.suite import Rows, TaskSuite
from gradtag_core.training.trainer import BaseModel

EXAMPLES_AT_ONCE = 512


@dataclass(frozen=True)
class GradientFeatures:
    """The linearised model on some rows: logit(θ) ≈ `logits` + `projected` · w for θ = θ* + P w.

    `rows` (R rows), `logits` (R,), `projected` (R, d), both float32, on the CPU; φ = Pᵀ ∇ logit.
    """

    rows: Rows
    logits: Tensor
    projected: Tensor
    cost: Cost

    @property
    def mean_squared_norm(self) -> float:
        """The mean of ‖φ‖² over the rows: the scale that the ridge penalty is relative to."""
        return float(self.projected.double().square().sum(1).mean())


def featurize(
    suite: TaskSuite, base: BaseModel, rows: Rows, projection: Projection,
    device: torch.device, reporter: Reporter | None = None,
) -> GradientFeatures:  # fmt: skip
    """Logits and projected gradients of `rows` at `base` (paper, section 3.2 and algorithm 1).

    Gradients are of the logit, in evaluation mode, over all parameters.
    Raises `GradTagError` when a gradient is not finite (the base model diverged).
    """
    reporter = reporter or Reporter()
    model = base.build(device)
    inputs, example, task = (torch.from_numpy(part) for part in (suite.inputs, rows.example, rows.task))
    by_example = torch.argsort(example, stable=True)
    logits = torch.empty(len(rows))
    projected = torch.empty(len(rows), projection.dim)
    passes = base.architecture.forward_flops(suite.n_tasks) + base.architecture.backward_flops(suite.n_tasks)
    with measure() as meter:
        for batch in _batches(by_example, example):
            reporter.check()
            batch_logits, pieces = logits_and_pieces(
                model, inputs[example[batch]].to(device), task[batch].to(device)
            )
            groups = RowGroups.of(example[batch].to(device))
            logits[batch] = batch_logits.cpu()
            projected[batch] = project_rows(pieces, groups, projection).cpu()
            meter.flops += len(batch) * passes + projection_flops(pieces, groups, projection.dim)
    if not torch.isfinite(projected).all():
        raise GradTagError(
            f"The base model of seed {base.seed} has gradients that are not finite: "
            "its training diverged. Lower `learning_rate`."
        )
    return GradientFeatures(rows, logits, projected, meter.cost)


def _batches(by_example: Tensor, example: Tensor) -> Sequence[Tensor]:
    """The rows, example after example, `EXAMPLES_AT_ONCE` examples at a time."""
    _, sizes = torch.unique_consecutive(example[by_example], return_counts=True)
    return by_example.split([int(part.sum()) for part in sizes.split(EXAMPLES_AT_ONCE)])
