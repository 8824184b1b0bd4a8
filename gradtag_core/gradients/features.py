"""Projected gradients of every (example, task) row at a base model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from gradtag_core.cost import Cost, Meter, measure
from gradtag_core.errors import GradTagError, InvalidInput, quoted
from gradtag_core.gradients.identity import kernel_of
from gradtag_core.gradients.memory import MemoryPlan, Table, pass_bytes
from gradtag_core.gradients.parameters import ParameterChoice
from gradtag_core.gradients.per_example import RowGroups, logits_and_pieces, unsupported_layers
from gradtag_core.gradients.pieces import Pieces
from gradtag_core.gradients.projection import Projection
from gradtag_core.progress import Reporter
from gradtag_core.tasks.suite import Rows, TaskSuite
from gradtag_core.training.trainer import BaseModel

EXAMPLES_AT_ONCE = 512
FIT_ROWS = 2048  # training rows that a data-dependent projection is fitted to
ROWS_READ_AT_ONCE = 2**14


@dataclass(frozen=True)
class GradientFeatures:
    """The linearised model on some rows: logit(θ) ≈ `logits` + `projected` · w for θ = θ* + P w.

    `rows` (R rows), `logits` (R,), `projected` (R, d), both float32, on the CPU; φ = Pᵀ ∇ logit; `projected` is
    mapped from a file where it exceeds its share of a memory budget. `gradient_energy` is the mean of ‖∇ logit‖² over
    the rows, before projection. `warnings` say what was computed in a slower way than it could be.
    """

    rows: Rows
    logits: Tensor
    projected: Tensor
    gradient_energy: float
    cost: Cost
    warnings: tuple[str, ...] = ()

    @property
    def captured_energy(self) -> float:
        """The mean of ‖φ‖² relative to that of the gradients: 1 on average for a random projection."""
        parts = self.projected.split(ROWS_READ_AT_ONCE)
        energy = sum(float(part.double().square().sum()) for part in parts)
        return energy / len(self.projected) / self.gradient_energy


class Featurizer:
    """Takes gradients at one base model, in evaluation mode (paper, section 3.2, algorithm 1).

    `parameters` chooses those that count. `memory_budget` (bytes, None: no limit) is for the whole process: batches
    and blocks of the projection shrink to fit it, and features larger than their share go to a file in `folder`
    (None: where temporary files go). The budget changes results by no more than rounding.
    """

    def __init__(
        self, suite: TaskSuite, base: BaseModel, projection: Projection, device: torch.device,
        reporter: Reporter | None = None, parameters: ParameterChoice = "all",
        memory_budget: int | None = None, folder: Path | None = None,
    ):  # fmt: skip
        self.base = base
        self.projection = projection
        self._suite = suite
        self._reporter = reporter or Reporter()
        self._device = device
        self._parameters: ParameterChoice = parameters
        self._memory_budget = memory_budget
        self._folder = folder
        self._model = base.build(device)
        self._inputs = torch.from_numpy(suite.inputs)
        architecture = base.architecture
        self._passes = architecture.forward_flops(suite.n_tasks) + architecture.backward_flops(suite.n_tasks)

    def fit(self, rows: Rows, seed: int) -> Cost:
        """Fit a projection that depends on data to (a sample of) the training rows; others cost nothing.

        Raises `InvalidInput` when the memory budget is too small.
        """
        plan = self._plan(rows)
        if not self.projection.depends_on_data:
            return Cost()
        sample = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:FIT_ROWS]
        batches = _batches(torch.from_numpy(rows.example)[sample], len(sample), self._most_rows(plan))
        with measure() as meter:
            gradients = _Gradients(
                lambda batch: self._gradients(rows, sample[batch], meter)[1:], list(batches)
            )
            meter.flops += self.projection.fit(gradients)
        return meter.cost

    def featurize(self, rows: Rows) -> GradientFeatures:
        """Logits and projected gradients of `rows`.

        Raises `GradTagError` when a gradient is not finite (the base model diverged), `InvalidInput` when the memory
        budget is too small.
        """
        plan = self._plan(rows)
        logits = torch.empty(len(rows))
        projected = self._table(len(rows), self.projection.dim, plan)
        energy = 0.0
        with measure() as meter:
            for batch in self._batches(rows, self._most_rows(plan)):
                batch_logits, pieces, groups = self._gradients(rows, batch, meter)
                batch_projected, flops = self.projection.project(pieces, groups)
                if not torch.isfinite(batch_projected).all():
                    raise self._diverged("It has projected gradients that are not finite.")
                logits[batch] = batch_logits.cpu()
                projected.write(batch, batch_projected.cpu())
                energy += float(sum(layer.squared_norms().double().sum() for layer in pieces))
                meter.flops += flops
        return GradientFeatures(rows, logits, projected.values, energy / len(rows), meter.cost, self.warnings)

    def kernel(self, rows: Rows, others: Rows) -> tuple[Tensor, Cost]:
        """The inner products of the gradients themselves, whatever the projection: (rows, others), float32.

        Computed by blocks, and kept in a file where the features would be. Raises as `featurize` does.
        """
        plan = self._plan(others)
        found = self._table(len(rows), len(others), plan)
        most = self._most_rows(plan)
        lines = min(most, max(1, plan.batch_bytes // (4 * len(others))))
        with measure() as meter:
            for batch in self._batches(rows, lines):
                pieces = self._gradients(rows, batch, meter)[1]
                line = torch.empty(len(batch), len(others))
                for other in self._batches(others, most):
                    other_pieces = self._gradients(others, other, meter)[1]
                    with FlopCounterMode(display=False) as counter:
                        line[:, other] = kernel_of(pieces, other_pieces).cpu()
                    meter.flops += counter.get_total_flops()
                found.write(batch, line)
        return found.values, meter.cost

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """One sentence where layers have gradients that had to be written out row by row."""
        slow = unsupported_layers(self._model, self._parameters, self._inputs[:1].to(self._device))
        if not slow:
            return ()
        return (f"Gradients of {quoted(slow)} were taken row by row, which is slow and needs much memory.",)

    def _batches(self, rows: Rows, most_rows: int) -> Iterator[Tensor]:
        return _batches(torch.from_numpy(rows.example), EXAMPLES_AT_ONCE, most_rows)

    def _gradients(self, rows: Rows, batch: Tensor, meter: Meter) -> tuple[Tensor, list[Pieces], RowGroups]:
        """Logits, pieces and groups of the rows `batch`, which are sorted by example."""
        self._reporter.check()
        example, task = (torch.from_numpy(part)[batch] for part in (rows.example, rows.task))
        logits, pieces = self._pass(example, task)
        meter.flops += len(batch) * self._passes
        return logits, pieces, RowGroups.of(example.to(self._device))

    def _pass(self, example: Tensor, task: Tensor) -> tuple[Tensor, list[Pieces]]:
        inputs = self._inputs[example].to(self._device)
        try:
            return logits_and_pieces(self._model, inputs, task.to(self._device), self._parameters)
        except InvalidInput:
            raise
        except GradTagError as error:
            raise self._diverged(str(error)) from error

    def _diverged(self, reason: str) -> GradTagError:
        return GradTagError(
            f"The training of the base model of seed {self.base.seed} diverged: lower `learning_rate`. {reason}"
        )

    @cached_property
    def _one_row(self) -> tuple[list[Pieces], RowGroups]:
        """The pieces of some row, for their shapes."""
        example = torch.zeros(1, dtype=torch.long)
        return self._pass(example, example)[1], RowGroups.of(example.to(self._device))

    def _plan(self, rows: Rows) -> MemoryPlan:
        """How memory is shared out for work on these rows; every example must fit a batch with its rows."""
        pieces = self._one_row[0]
        if not self.projection.depends_on_data:
            self.projection.fit([self._one_row])
        per_row = pass_bytes(pieces)
        most = int(np.unique(rows.example, return_counts=True)[1].max())
        suite = self._suite
        data = sum(part.nbytes for part in (suite.inputs, suite.labels, suite.order, rows.example, rows.task))
        model = 2 * sum(part.nbytes for part in self.base.weights.values())
        least = most * per_row + self.projection.working_bytes(pieces, most)
        plan = MemoryPlan.of(self._memory_budget, data + model, least)
        self.projection.block_bytes = plan.block_bytes
        return plan

    def _most_rows(self, plan: MemoryPlan) -> int:
        """Rows of a batch that fits the plan."""
        pieces = self._one_row[0]
        fixed, with_one = (self.projection.working_bytes(pieces, n_rows) for n_rows in (0, 1))
        return max(1, (plan.batch_bytes - fixed) // (pass_bytes(pieces) + with_one - fixed))

    def _table(self, n_rows: int, n_columns: int, plan: MemoryPlan) -> Table:
        limit = plan.feature_bytes
        return Table((n_rows, n_columns), limit is not None and 4 * n_rows * n_columns > limit, self._folder)


class _Gradients:
    """The gradients of some batches of rows, taken anew each time they are gone through, unless there is one batch."""

    def __init__(self, take: Callable[[Tensor], tuple[list[Pieces], RowGroups]], batches: list[Tensor]):
        self._take = take
        self._batches = batches
        self._only = [take(batches[0])] if len(batches) == 1 else None

    def __iter__(self) -> Iterator[tuple[list[Pieces], RowGroups]]:
        return iter(self._only) if self._only else map(self._take, self._batches)


def _batches(example: Tensor, most_examples: int, most_rows: int) -> Iterator[Tensor]:
    """The rows, example after example: up to `most_examples` at a time, and no more than `most_rows` rows if all
    examples of the batch had as many as the one that has most, to which projections fill them up."""
    by_example = torch.argsort(example, stable=True)
    _, sizes = torch.unique_consecutive(example[by_example], return_counts=True)
    start = stop = n_examples = most = 0
    for size in sizes.tolist():
        most = max(most, size)
        if n_examples and (n_examples == most_examples or (n_examples + 1) * most > most_rows):
            yield by_example[start:stop]
            start, n_examples, most = stop, 0, size
        stop += size
        n_examples += 1
    yield by_example[start:stop]
