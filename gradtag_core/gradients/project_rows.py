"""Projecting gradients that exist only as pieces: Pᵀ g without g.

For a linear layer, Pᵀ vec(δ xᵀ) = Σ_o δ_o (x P_o), where P_o are the rows of P that belong to output o. The
products x P_o depend on the example alone, so the tasks of one example share them: the dense projection costs
2 p d once per example, not once per (example, task) row, and the result is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradtag_core.gradients.per_example import LayerPieces
from gradtag_core.gradients.projection import Projection

CHUNK_ENTRIES = 2**23  # entries of the products x P_o held at a time


@dataclass(frozen=True)
class RowGroups:
    """Which rows belong to one example: `group` (R,) numbers the examples, `slot` (R,) the rows within each,
    `first` (G,) is one row of each example."""

    group: Tensor
    slot: Tensor
    first: Tensor

    @classmethod
    def of(cls, examples: Tensor) -> "RowGroups":
        """Rows must be sorted by example."""
        _, group, sizes = torch.unique_consecutive(examples, return_inverse=True, return_counts=True)
        first = sizes.cumsum(0) - sizes
        return cls(group, torch.arange(len(examples), device=examples.device) - first[group], first)

    @property
    def shape(self) -> tuple[int, int]:
        """Examples, and rows of the example that has most."""
        return len(self.first), int(self.slot.max()) + 1


def project_rows(pieces: Sequence[LayerPieces], rows: RowGroups, projection: Projection) -> Tensor:
    """Pᵀ g for every row: (R, d)."""
    n_rows = len(rows.group)
    total = torch.zeros(n_rows, projection.dim, device=pieces[0].inputs.device)
    for layer in pieces:
        if isinstance(layer.layer, nn.PReLU):
            slope = (layer.output_gradients * layer.inputs.clamp(max=0)).sum(dim=1, keepdim=True)
            total += slope * projection.rows(layer.offset, layer.offset + 1).to(total)
        else:
            total += _project_linear(layer, rows, projection)
    return total


def _project_linear(layer: LayerPieces, rows: RowGroups, projection: Projection) -> Tensor:
    n_in, n_out, dim = layer.inputs.shape[1], layer.output_gradients.shape[1], projection.dim
    n_examples, most = rows.shape
    inputs = layer.inputs[rows.first]
    gradients = inputs.new_zeros(n_examples, most, n_out)
    gradients[rows.group, rows.slot] = layer.output_gradients
    total = inputs.new_zeros(n_examples, most, dim)
    step = max(1, CHUNK_ENTRIES // (n_examples * dim))
    for start in range(0, n_out, step):
        stop = min(start + step, n_out)
        block = projection.rows(layer.offset + start * n_in, layer.offset + stop * n_in).to(inputs)
        products = torch.matmul(inputs, block.view(stop - start, n_in, dim))  # (outputs, examples, d)
        total += torch.bmm(gradients[:, :, start:stop], products.transpose(0, 1))
    projected = total[rows.group, rows.slot]
    if layer.layer.bias is not None:
        bias = layer.offset + n_out * n_in
        projected += layer.output_gradients @ projection.rows(bias, bias + n_out).to(inputs)
    return projected


def projection_flops(pieces: Sequence[LayerPieces], rows: RowGroups, dim: int) -> float:
    """What `project_rows` computes: 2 d per parameter and example, 2 d per output and (padded) row."""
    n_examples, most = rows.shape
    flops = 0.0
    for layer in pieces:
        n_out = layer.output_gradients.shape[1]
        if isinstance(layer.layer, nn.Linear):
            flops += 2.0 * dim * n_examples * n_out * (layer.inputs.shape[1] + most)
        flops += 2.0 * dim * len(rows.group) * (n_out if isinstance(layer.layer, nn.Linear) else 1)
    return flops
