"""What a model is made of, known without building it: its parameters and what a pass costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from gradtag_core.config import ProjectionKind

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gradtag_core.tasks.suite import TaskSuite

READY_AT_ONCE = 256
NUMBERS_AT_ONCE = 2**26  # that the layers of a pass read and give
SJLT_NONZEROS = 4  # entries in each row of a sparse random projection


class Layer(NamedTuple):
    """A product of `n_in` numbers with a matrix into `n_out`, at each of `positions` (of a text, an image, ...).

    `is_first`: it reads the inputs, so that no gradient is carried through it. `trained`: its weights are.
    """

    n_in: int
    n_out: int
    positions: int = 1
    is_first: bool = False
    trained: bool = True

    @property
    def flops(self) -> float:
        return 2.0 * self.positions * self.n_in * self.n_out

    @property
    def span(self) -> float:
        """How many positions the short form of its gradient has; more are summed up into the gradient itself."""
        return float(min(self.positions, self.n_in * self.n_out / (self.n_in + self.n_out)))


@runtime_checkable
class ModelInputs(Protocol):
    """What a model reads of each example of a suite; a tensor on the CPU is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, examples: Tensor, /) -> Tensor: ...

    @property
    def nbytes(self) -> int: ...


def spent_flops(inputs: ModelInputs) -> float:
    """What it took so far to make the inputs that were asked for, once for each example; a tensor took nothing."""
    return float(getattr(inputs, "flops", 0.0))


def made_ready(inputs: ModelInputs, examples: np.ndarray, check: Callable[[], None]) -> None:
    """Ask for inputs that are made on demand some at a time, with a call of `check` between, so that it can end it."""
    import torch

    if isinstance(inputs, torch.Tensor):
        return
    for part in torch.from_numpy(np.unique(examples)).split(READY_AT_ONCE):
        check()
        inputs[part]


class Architecture(ABC):
    """All that is needed to build a model for some tasks and to know what it costs.

    A model maps inputs (B, ...) and `tasks` (None: all) to their outputs, (B, sum of `outputs` of these tasks).
    Subclasses are frozen dataclasses that need no torch until they build.
    """

    n_tasks: int
    outputs: tuple[int, ...]  # of each task
    width: int  # neurons per hidden layer

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """What tells this architecture from others, for keys."""

    @abstractmethod
    def build(self, seed: int) -> nn.Module:
        """A fresh model; the same seed gives the same weights and leaves torch's generator alone."""

    @abstractmethod
    def layers(self) -> list[Layer]:
        """All layers but the head."""

    @property
    @abstractmethod
    def head_width(self) -> int:
        """How many numbers the head reads of each example; 0 where a task's outputs are not a layer of their own."""

    @abstractmethod
    def small(self, width: int) -> Architecture:
        """What a small model that stands in for this one is made of."""

    def small_learning_rate(self, learning_rate: float, width: int) -> float:
        """The step size of a small model: narrower layers want larger steps, as the root of the widths' ratio."""
        return learning_rate * (self.width / width) ** 0.5

    @abstractmethod
    def inputs_of(self, suite: TaskSuite) -> ModelInputs:
        """What the model reads of the examples of a suite."""

    def frozen_flops(self, positions: int | None = None) -> float:
        """What it takes, once for each example, to make what the model reads of it."""
        return 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is slower than it could be, a sentence each."""
        return ()

    @property
    def stackable(self) -> bool:
        """Whether many of these train side by side in common tensors (`training.stacked`)."""
        return False

    @property
    def kept_numbers(self) -> int:
        """Numbers that a pass with gradients keeps of one example."""
        return round(sum(layer.positions * (layer.n_in + layer.n_out) for layer in self.layers()))

    @property
    def scored_at_once(self) -> int:
        """Examples of one pass without gradients: fewer where each has many positions, such as pixels."""
        return self._at_once(8192)

    @property
    def examples_at_once(self) -> int:
        """Examples of one pass with gradients, at most."""
        return self._at_once(512)

    def _at_once(self, usual: int) -> int:
        return max(1, min(usual, NUMBERS_AT_ONCE // max(1, self.kept_numbers)))

    @property
    def examples_per_pass(self) -> int | None:
        """Examples that one pass for gradients holds, for models with large activations: the rows of each then share
        the forward pass. None: as many as there are, each row with a forward pass of its own."""
        return None

    @property
    def mixing_flops(self) -> float:
        """Of one example, products without weights, such as those of attention; both factors have gradients."""
        return 0.0

    def n_outputs(self, tasks: Sequence[int]) -> int:
        """How many outputs these tasks have together."""
        return sum(self.outputs[task] for task in tasks)

    def columns(self, tasks: Sequence[int]) -> list[int]:
        """Where the outputs of these tasks stand among those of all, in the order given."""
        starts = [sum(self.outputs[:task]) for task in tasks]
        return [
            start + place
            for start, task in zip(starts, tasks, strict=True)
            for place in range(self.outputs[task])
        ]

    def _with_head(self, n_heads: int) -> list[Layer]:
        return [*self.layers(), Layer(self.head_width, n_heads)] if self.head_width else self.layers()

    def forward_flops(self, n_heads: int) -> float:
        """One example through the encoder and `n_heads` outputs; multiply and add count as two, as everywhere."""
        return self.mixing_flops + sum(layer.flops for layer in self._with_head(n_heads))

    def backward_flops(self, n_heads: int) -> float:
        """Carrying the gradient of one example back to the first layers' outputs."""
        layers = self._with_head(n_heads)
        return 2 * self.mixing_flops + sum(layer.flops for layer in layers if not layer.is_first)

    def step_flops(self, n_heads: int) -> float:
        """One example of a training step: forward, backward and the gradients of the weights."""
        weights = sum(layer.flops for layer in self._with_head(n_heads) if layer.trained)
        return self.forward_flops(n_heads) + self.backward_flops(n_heads) + weights

    def featurize_flops(self, n_examples: int, n_rows: int, dim: int, projection: ProjectionKind) -> float:
        """About what the projected gradients of `n_rows` (example, task) rows cost, for forecasts.

        A random projection costs 2 p times the nonzeros in a row of its matrix per example, since the tasks of an
        example share it, and 2 d per output and row; a factored one 2 d per input and example and per output and row.
        A principal one: both factors of each layer onto about half their directions, three times `dim` coordinates
        and their leading directions, and a fit to 2,048 rows. The identity: once for logits and
        once for `kernel_flops`.
        """
        n_heads = sum(self.outputs)
        forward, backward = self.forward_flops(n_heads), self.backward_flops(n_heads)
        passes = forward * (n_examples / n_rows if self.examples_per_pass else 1) + backward
        trained = [layer for layer in self._with_head(n_heads) if layer.trained]
        inputs, outputs = (sum(layer.span * layer[side] for layer in trained) for side in (0, 1))
        if projection == "identity":
            return 2 * n_rows * passes
        if projection == "factored":
            return n_rows * (passes + 2.0 * dim * outputs) + n_examples * 2.0 * dim * inputs
        if projection != "pca":
            nonzeros = min(SJLT_NONZEROS, dim) if projection == "sjlt" else dim
            weights = sum(layer.span * layer.n_in * layer.n_out + layer.n_out for layer in trained)
            return (
                n_rows * (passes + 2.0 * (dim + nonzeros) * outputs) + n_examples * 2.0 * nonzeros * weights
            )
        sketch = 3.0 * dim
        squares_in, squares_out = (sum(layer.span * layer[side] ** 2 for layer in trained) for side in (0, 1))
        per_row = passes + squares_out + 2 * sketch * dim
        moments = sum(
            2 * 2048 * layer.span * size**2 + 9 * size**3 for layer in trained for size in layer[:2]
        )
        fit = min(n_rows, 2048) * (per_row + 2 * sketch**2) + moments + 9 * sketch**3
        return n_rows * per_row + n_examples * squares_in + fit

    def kernel_flops(self, n_rows: int, n_others: int) -> float:
        """About what the inner products of rows' gradients with others' cost: of the inputs and of the output
        gradients of each layer."""
        trained = [layer for layer in self._with_head(sum(self.outputs)) if layer.trained]
        return 2.0 * n_rows * n_others * sum(layer.span**2 * (layer.n_in + layer.n_out) for layer in trained)
