"""Projected gradients of every output of every (example, task) row at a base model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from gradtag_core.cost import Cost, Meter, measure
from gradtag_core.errors import GradTagError, InvalidInput, quoted
from gradtag_core.gradients.identity import kernel_of
from gradtag_core.gradients.memory import MemoryPlan, Storage, Table, held_bytes, pass_bytes
from gradtag_core.gradients.parameters import ParameterChoice
from gradtag_core.gradients.passes import logits_and_pieces_by_passes
from gradtag_core.gradients.per_example import RowGroups, logits_and_pieces, unsupported_layers
from gradtag_core.gradients.pieces import Pieces
from gradtag_core.gradients.projection import Projection
from gradtag_core.models.architecture import made_ready, spent_flops
from gradtag_core.progress import Reporter
from gradtag_core.tasks.suite import Rows, TaskKind, TaskSuite
from gradtag_core.training.trainer import BaseModel

FIT_ROWS = 2048  # training rows that a data-dependent projection is fitted to
ROWS_READ_AT_ONCE = 2**14


@dataclass(frozen=True)
class GradientFeatures:
    """The linearised model on some rows: output(θ) ≈ `logits` + `projected` · w for θ = θ* + P w.

    `logits` (K,), `projected` (K, d), both float32, on the CPU; φ = Pᵀ ∇ output. K entries: one for each output of the
    row's task (`kinds`, `outputs` by task; empty: all binary, with one output each), task after task, row after row,
    output after output; one per row where all tasks have one output. `projected` is mapped from a file where it
    exceeds its share of a memory budget. `gradient_energy` is the mean of ‖∇ output‖² over the entries, before
    projection. `warnings` say what was computed in a slower way than it could be; `storage` is where matrices of the
    size of `projected` are to go.
    """

    rows: Rows
    logits: Tensor
    projected: Tensor
    gradient_energy: float
    cost: Cost
    warnings: tuple[str, ...] = ()
    kinds: tuple[TaskKind, ...] = ()
    outputs: tuple[int, ...] = ()
    storage: Storage = field(default_factory=Storage)

    def kind(self, task: int) -> TaskKind:
        return self.kinds[task] if self.kinds else "binary"

    def n_outputs(self, task: int) -> int:
        return self.outputs[task] if self.outputs else 1

    def of_task(self, task: int) -> slice:
        """Where the entries of one task stand; they are contiguous."""
        rows = self.rows.of_task(task)
        return slice(int(self._starts[rows.start]), int(self._starts[rows.stop]))

    @property
    def entry_rows(self) -> np.ndarray:
        """The row of each entry: (K,)."""
        return np.repeat(np.arange(len(self.rows)), np.diff(self._starts))

    @cached_property
    def _starts(self) -> np.ndarray:
        """Where the entries of each row begin, and where the last end: (R + 1,)."""
        counts = np.array(self.outputs)[self.rows.task] if self.outputs else np.ones(len(self.rows), np.int64)
        return np.concatenate([[0], counts.cumsum()])

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
        architecture = base.architecture
        self._inputs = architecture.inputs_of(suite)
        n_heads = architecture.n_outputs(range(suite.n_tasks))
        self._forward, self._backward = (
            architecture.forward_flops(n_heads),
            architecture.backward_flops(n_heads),
        )

    def fit(self, rows: Rows, seed: int) -> Cost:
        """Fit a projection that depends on data to (a sample of) the training rows; others cost nothing.

        Raises `InvalidInput` when the memory budget is too small.
        """
        entries = self._entries(rows)
        generator = torch.Generator().manual_seed(seed)
        n_sample = FIT_ROWS if self.projection.depends_on_data else 1
        chosen = torch.randperm(len(entries.example), generator=generator)[:n_sample]
        sample = _Entries(entries.example[chosen], entries.column[chosen])
        with measure() as meter:
            plan = self._plan(entries, meter, sample)
            if not self.projection.depends_on_data:
                return meter.cost if meter.flops else Cost()
            batches = _batches(sample.example, len(chosen), self._most_rows(plan))
            gradients = _Gradients(lambda batch: self._gradients(sample, batch, meter)[1:], list(batches))
            meter.flops += self.projection.fit(gradients)
        return meter.cost

    def featurize(self, rows: Rows) -> GradientFeatures:
        """Logits and projected gradients of `rows`, one of each per output of their tasks.

        Raises `GradTagError` when a gradient is not finite (the base model diverged), `InvalidInput` when the memory
        budget is too small.
        """
        entries = self._entries(rows)
        n_entries = len(entries.example)
        logits, energy = torch.empty(n_entries), 0.0
        kinds, outputs = self._suite.kinds, self.base.architecture.outputs
        if not n_entries:
            empty = torch.empty(0, self.projection.dim)
            return GradientFeatures(rows, logits, empty, 0.0, Cost(), (), kinds, outputs)
        with measure() as meter:
            plan = self._plan(entries, meter)
            projected = self._table(n_entries, self.projection.dim, plan)
            for batch in self._batches(entries, self._most_rows(plan)):
                batch_logits, pieces, groups = self._gradients(entries, batch, meter)
                batch_projected, flops = self.projection.project(pieces, groups)
                if not torch.isfinite(batch_projected).all():
                    raise self._diverged("It has projected gradients that are not finite.")
                logits[batch] = batch_logits.cpu()
                projected.write(batch, batch_projected.cpu())
                energy += float(sum(layer.squared_norms().double().sum() for layer in pieces))
                meter.flops += flops
        return GradientFeatures(
            rows, logits, projected.values, energy / n_entries, meter.cost, self.warnings, kinds, outputs
        )

    def kernel(self, rows: Rows, others: Rows) -> tuple[Tensor, Cost]:
        """The inner products of the gradients themselves, whatever the projection: (entries, entries of the others),
        float32.

        Computed by blocks, and kept in a file where the features would be. Raises as `featurize` does.
        """
        entries, other_entries = self._entries(rows), self._entries(others)
        n_others = len(other_entries.example)
        if not len(rows):
            return torch.empty(0, n_others), Cost()
        with measure() as meter:
            plan = self._plan(other_entries, meter)
            found = self._table(len(entries.example), n_others, plan)
            most = self._most_rows(plan)
            lines = min(most, max(1, plan.batch_bytes // (4 * n_others)))
            for batch in self._batches(entries, lines):
                pieces = self._gradients(entries, batch, meter)[1]
                line = torch.empty(len(batch), n_others)
                for other in self._batches(other_entries, most):
                    other_pieces = self._gradients(other_entries, other, meter)[1]
                    with FlopCounterMode(display=False) as counter:
                        line[:, other] = kernel_of(pieces, other_pieces).cpu()
                    meter.flops += counter.get_total_flops()
                found.write(batch, line)
        return found.values, meter.cost

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """One sentence where layers have gradients that had to be written out row by row."""
        first = self._inputs[torch.tensor([0])].to(self._device)
        slow = unsupported_layers(self._model, self._parameters, first)
        if not slow:
            return ()
        return (f"Gradients of {quoted(slow)} were taken row by row, which is slow and needs much memory.",)

    def _entries(self, rows: Rows) -> "_Entries":
        outputs = np.array(self.base.architecture.outputs)
        counts, first = outputs[rows.task], (outputs.cumsum() - outputs)[rows.task]
        place = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
        example, column = np.repeat(rows.example, counts), np.repeat(first, counts) + place
        return _Entries(torch.from_numpy(example), torch.from_numpy(column))

    def _batches(self, entries: "_Entries", most_rows: int) -> Iterator[Tensor]:
        return _batches(entries.example, self.base.architecture.examples_at_once, most_rows)

    def _gradients(
        self, entries: "_Entries", batch: Tensor, meter: Meter
    ) -> tuple[Tensor, list[Pieces], RowGroups]:
        """Logits, pieces and groups of the entries `batch`, which are sorted by example."""
        self._reporter.check()
        example, column = entries.example[batch], entries.column[batch]
        before = spent_flops(self._inputs)
        logits, pieces = self._pass(example, column)
        meter.flops += spent_flops(self._inputs) - before
        groups = RowGroups.of(example.to(self._device))
        n_forward = len(groups.first) if self.base.architecture.examples_per_pass else len(batch)
        meter.flops += n_forward * self._forward + len(batch) * self._backward
        return logits, pieces, groups

    def _pass(self, example: Tensor, column: Tensor) -> tuple[Tensor, list[Pieces]]:
        model, most = self._model, self.base.architecture.examples_per_pass
        column = column.to(self._device)
        try:
            if most:
                return logits_and_pieces_by_passes(
                    model, self._inputs, example, column, most, self._parameters
                )
            inputs = self._inputs[example].to(self._device)
            return logits_and_pieces(model, inputs, column, self._parameters)
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

    def _plan(self, entries: "_Entries", meter: Meter, asked: "_Entries | None" = None) -> MemoryPlan:
        """How memory is shared out for work on these entries; every example must fit a batch with its own.

        Inputs that are made on demand are made first, of all entries unless only some are `asked` for, so that what
        they take is known; that is charged to the meter.
        """
        before = spent_flops(self._inputs)
        made_ready(self._inputs, (asked or entries).example.numpy(), self._reporter.check)
        pieces = self._one_row[0]
        meter.flops += spent_flops(self._inputs) - before
        if not self.projection.depends_on_data:
            self.projection.fit([self._one_row])
        per_row = pass_bytes(pieces)
        most = int(entries.example.unique(return_counts=True)[1].max())
        inputs = self._suite.inputs if isinstance(self._suite.inputs, np.memmap) else self._inputs
        data = held_bytes((inputs, self._suite.labels, self._suite.order)) + sum(
            part.nbytes for part in entries
        )
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


class _Entries(NamedTuple):
    """Outputs of rows: their example and their column among the outputs of the model, (K,) each."""

    example: Tensor
    column: Tensor


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
