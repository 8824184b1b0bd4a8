"""Projected gradients of every (example, task) row at a base model."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gradtag_core.cost import Cost, Meter, measure
from gradtag_core.errors import GradTagError
from gradtag_core.gradients.per_example import LayerPieces, RowGroups, logits_and_pieces
from gradtag_core.gradients.projection import Projection
from gradtag_core.progress import Reporter
from gradtag_core.tasks.suite import Rows, TaskSuite
from gradtag_core.training.trainer import BaseModel

EXAMPLES_AT_ONCE = 512
FIT_ROWS = 2048  # training rows that a data-dependent projection is fitted to


@dataclass(frozen=True)
class GradientFeatures:
    """The linearised model on some rows: logit(θ) ≈ `logits` + `projected` · w for θ = θ* + P w.

    `rows` (R rows), `logits` (R,), `projected` (R, d), both float32, on the CPU; φ = Pᵀ ∇ logit.
    `gradient_energy` is the mean of ‖∇ logit‖² over the rows, before projection.
    """

    rows: Rows
    logits: Tensor
    projected: Tensor
    gradient_energy: float
    cost: Cost

    @property
    def captured_energy(self) -> float:
        """The mean of ‖φ‖² relative to that of the gradients: 1 on average for a random projection."""
        return float(self.projected.double().square().sum(1).mean()) / self.gradient_energy


class Featurizer:
    """Takes gradients at one base model, over all parameters, in evaluation mode (paper, section 3.2, algorithm 1)."""

    def __init__(
        self, suite: TaskSuite, base: BaseModel, projection: Projection, device: torch.device,
        reporter: Reporter | None = None,
    ):  # fmt: skip
        self.base = base
        self.projection = projection
        self._reporter = reporter or Reporter()
        self._device = device
        self._model = base.build(device)
        self._inputs = torch.from_numpy(suite.inputs)
        architecture = base.architecture
        self._passes = architecture.forward_flops(suite.n_tasks) + architecture.backward_flops(suite.n_tasks)

    def fit(self, rows: Rows, seed: int) -> Cost:
        """Fit a projection that depends on data to (a sample of) the training rows; others cost nothing."""
        if not self.projection.depends_on_data:
            return Cost()
        sample = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:FIT_ROWS]
        example = torch.from_numpy(rows.example)
        with measure() as meter:
            _, pieces, groups = self._gradients(
                rows, sample[torch.argsort(example[sample], stable=True)], meter
            )
            meter.flops += self.projection.fit(pieces, groups)
        return meter.cost

    def featurize(self, rows: Rows) -> GradientFeatures:
        """Logits and projected gradients of `rows`.

        Raises `GradTagError` when a gradient is not finite (the base model diverged).
        """
        logits = torch.empty(len(rows))
        projected = torch.empty(len(rows), self.projection.dim)
        energy = 0.0
        with measure() as meter:
            for batch in _batches(torch.from_numpy(rows.example)):
                self._reporter.check()
                batch_logits, pieces, groups = self._gradients(rows, batch, meter)
                batch_projected, flops = self.projection.project(pieces, groups)
                logits[batch], projected[batch] = batch_logits.cpu(), batch_projected.cpu()
                energy += float(sum(layer.squared_norms().double().sum() for layer in pieces))
                meter.flops += flops
        if not torch.isfinite(projected).all():
            raise GradTagError(
                f"The base model of seed {self.base.seed} has gradients that are not finite: "
                "its training diverged. Lower `learning_rate`."
            )
        return GradientFeatures(rows, logits, projected, energy / len(rows), meter.cost)

    def _gradients(
        self, rows: Rows, batch: Tensor, meter: Meter
    ) -> tuple[Tensor, list[LayerPieces], RowGroups]:
        """Logits and pieces of the rows `batch`, which are sorted by example."""
        example, task = (torch.from_numpy(part)[batch] for part in (rows.example, rows.task))
        logits, pieces = logits_and_pieces(
            self._model, self._inputs[example].to(self._device), task.to(self._device)
        )
        meter.flops += len(batch) * self._passes
        return logits, pieces, RowGroups.of(example.to(self._device))


def _batches(example: Tensor) -> Iterator[Tensor]:
    """The rows, example after example, `EXAMPLES_AT_ONCE` examples at a time."""
    by_example = torch.argsort(example, stable=True)
    _, sizes = torch.unique_consecutive(example[by_example], return_counts=True)
    yield from by_example.split([int(part.sum()) for part in sizes.split(EXAMPLES_AT_ONCE)])
