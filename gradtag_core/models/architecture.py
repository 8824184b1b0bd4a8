"""What a model is made of, known without building it: its parameters and what a pass costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from gradtag_core.config import ModelKind, ProjectionKind

if TYPE_CHECKING:
    from gradtag_core.models.multitask import MultitaskModel

SJLT_NONZEROS = 4  # entries in each row of a sparse random projection


@dataclass(frozen=True)
class Architecture:
    """All that is needed to build a model: `input_shape` is that of one example."""

    kind: ModelKind
    input_shape: tuple[int, ...]
    width: int
    n_tasks: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def build(self, seed: int) -> MultitaskModel:
        """A freshly initialised model; the same seed gives the same weights and leaves torch's generator alone."""
        import torch

        from gradtag_core.models.mlp import MLP
        from gradtag_core.models.multitask import MultitaskModel
        from gradtag_core.models.sign import SIGN

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = (SIGN if self.kind == "sign" else MLP)(self.input_shape, self.width)
            return MultitaskModel(encoder, self.width, self.n_tasks)

    def _linear_layers(self, n_heads: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """(in, out) of the layers that read the inputs, and of the others."""
        width = self.width
        if self.kind == "mlp":
            return [(prod(self.input_shape), width)], [(width, width), (width, n_heads)]
        n_hops, n_features = self.input_shape if len(self.input_shape) == 2 else (1, *self.input_shape)
        return [(n_features, width)] * n_hops, [(width, width)] * n_hops + [
            (n_hops * width, width),
            (width, n_heads),
        ]

    @property
    def n_parameters(self) -> int:
        first, rest = self._linear_layers(self.n_tasks)
        slopes = 2 if self.kind == "mlp" else len(first) + 2  # one PReLU slope each
        return sum((n_in + 1) * n_out for n_in, n_out in first + rest) + slopes

    def forward_flops(self, n_heads: int) -> float:
        """One example through the encoder and `n_heads` heads; multiply and add count as two, as everywhere."""
        first, rest = self._linear_layers(n_heads)
        return 2.0 * sum(n_in * n_out for n_in, n_out in first + rest)

    def backward_flops(self, n_heads: int) -> float:
        """Carrying the gradient of one example back to the first layers' outputs."""
        _, rest = self._linear_layers(n_heads)
        return 2.0 * sum(n_in * n_out for n_in, n_out in rest)

    def step_flops(self, n_heads: int) -> float:
        """One example of a training step: forward, backward and the gradients of the weights."""
        return 2 * self.forward_flops(n_heads) + self.backward_flops(n_heads)

    def featurize_flops(self, n_examples: int, n_rows: int, dim: int, projection: ProjectionKind) -> float:
        """About what the projected gradients of `n_rows` (example, task) rows cost, for forecasts.

        A random projection costs 2 p times the nonzeros in a row of its matrix per example, since the tasks of an
        example share it, and 2 d per output and row; a factored one 2 d per input and example and per output and row.
        A principal one: both factors of each layer onto about half their directions, three times `dim` coordinates
        and their leading directions, and a fit to 2,048 rows. The identity: once for logits and
        once for `kernel_flops`.
        """
        passes = self.forward_flops(self.n_tasks) + self.backward_flops(self.n_tasks)
        first, rest = self._linear_layers(self.n_tasks)
        sizes_in, sizes_out = ([layer[side] for layer in first + rest] for side in (0, 1))
        if projection == "identity":
            return 2 * n_rows * passes
        if projection == "factored":
            return n_rows * (passes + 2.0 * dim * sum(sizes_out)) + n_examples * 2.0 * dim * sum(sizes_in)
        if projection != "pca":
            nonzeros = min(SJLT_NONZEROS, dim) if projection == "sjlt" else dim
            per_row = passes + 2.0 * (dim + nonzeros) * sum(sizes_out)
            return n_rows * per_row + n_examples * 2.0 * nonzeros * self.n_parameters
        sketch = 3.0 * dim
        per_row = passes + sum(size**2 for size in sizes_out) + 2 * sketch * dim
        moments = sum(2 * 2048 * size**2 + 9 * size**3 for size in sizes_in + sizes_out)
        fit = min(n_rows, 2048) * (per_row + 2 * sketch**2) + moments + 9 * sketch**3
        return n_rows * per_row + n_examples * sum(size**2 for size in sizes_in) + fit

    def kernel_flops(self, n_rows: int, n_others: int) -> float:
        """About what the inner products of rows' gradients with others' cost: of the inputs and of the output
        gradients of each layer."""
        first, rest = self._linear_layers(self.n_tasks)
        return 2.0 * n_rows * n_others * sum(sum(layer) for layer in first + rest)
