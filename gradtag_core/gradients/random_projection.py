"""Random projections, regenerated from a seed (paper, section 3.2), of gradients that exist only as pieces.

For a linear layer, Pᵀ vec(δ xᵀ) = Σ_o δ_o (x P_o), where P_o are the rows of P that belong to output o. The
products x P_o depend on the example alone, so the tasks of one example share them: the dense projection costs
2 p d once per example, not once per (example, task) row, and the result is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from gradtag_core.gradients.per_example import LayerPieces, RowGroups

BLOCK_ROWS = 2048  # fixed: which numbers stand in the matrix must not depend on how it is read
CACHE_BYTES = 512 * 2**20
CHUNK_ENTRIES = 2**23  # entries of the products x P_o held at a time


@dataclass
class RandomProjection:
    """The matrix P of shape (p, `dim`) with E[P Pᵀ] = I: entries N(0, 1/dim), or signs of size 1/sqrt(dim).

    Any slice of rows can be asked for in any order; blocks are kept while they fit `CACHE_BYTES`.
    """

    kind: Literal["gaussian", "rademacher"]
    dim: int
    seed: int
    depends_on_data: bool = field(default=False, init=False)
    _blocks: dict[int, Tensor] = field(default_factory=dict, repr=False)

    def fit(self, pieces: Sequence[LayerPieces], rows: RowGroups) -> float:
        """Nothing: P does not depend on data."""
        return 0.0

    def project(self, pieces: Sequence[LayerPieces], rows: RowGroups) -> tuple[Tensor, float]:
        """Pᵀ g of every row: (R, d), and 2 d FLOPs per parameter and example and per output and (padded) row."""
        total = torch.zeros(len(rows.group), self.dim, device=pieces[0].inputs.device)
        flops = 0.0
        n_examples, most = rows.shape
        for layer in pieces:
            n_out = layer.output_gradients.shape[1]
            if layer.is_linear:
                total += self._project_linear(layer, rows)
                flops += 2.0 * self.dim * n_examples * n_out * (layer.inputs.shape[1] + most)
            else:
                n_out = 1
                total += layer.slope_gradients() * self.rows(layer.offset, layer.offset + 1).to(total)
            flops += 2.0 * self.dim * len(rows.group) * n_out
        return total, flops

    def _project_linear(self, layer: LayerPieces, rows: RowGroups) -> Tensor:
        n_in, n_out = layer.inputs.shape[1], layer.output_gradients.shape[1]
        n_examples, most = rows.shape
        inputs = layer.inputs[rows.first]
        gradients = inputs.new_zeros(n_examples, most, n_out)
        gradients[rows.group, rows.slot] = layer.output_gradients
        total = inputs.new_zeros(n_examples, most, self.dim)
        step = max(1, CHUNK_ENTRIES // (n_examples * self.dim))
        for start in range(0, n_out, step):
            stop = min(start + step, n_out)
            block = self.rows(layer.offset + start * n_in, layer.offset + stop * n_in).to(inputs)
            products = torch.matmul(
                inputs, block.view(stop - start, n_in, self.dim)
            )  # (outputs, examples, d)
            total += torch.bmm(gradients[:, :, start:stop], products.transpose(0, 1))
        projected = total[rows.group, rows.slot]
        if layer.has_bias:
            bias = layer.offset + n_out * n_in
            projected += layer.output_gradients @ self.rows(bias, bias + n_out).to(inputs)
        return projected

    def rows(self, start: int, stop: int) -> Tensor:
        """Rows `start` to `stop` of P: float32, (stop - start, dim)."""
        first, last = start // BLOCK_ROWS, (stop - 1) // BLOCK_ROWS
        parts = [self._block(index) for index in range(first, last + 1)]
        together = torch.cat(parts) if len(parts) > 1 else parts[0]
        offset = first * BLOCK_ROWS
        return together[start - offset : stop - offset]

    def _block(self, index: int) -> Tensor:
        if index in self._blocks:
            return self._blocks[index]
        generator = torch.Generator().manual_seed(_mix(self.seed, index))
        shape = (BLOCK_ROWS, self.dim)
        if self.kind == "gaussian":
            block = torch.randn(shape, generator=generator)
        else:
            block = torch.randint(0, 2, shape, generator=generator).mul_(2).sub_(1).float()
        block /= self.dim**0.5
        if (len(self._blocks) + 1) * block.nbytes <= CACHE_BYTES:
            self._blocks[index] = block
        return block


def _mix(seed: int, index: int) -> int:
    """One 63-bit seed per (seed, block); neighbouring blocks of neighbouring seeds must not coincide."""
    mixed = (seed * 0x9E3779B97F4A7C15 + index * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**64
    mixed = ((mixed ^ (mixed >> 31)) * 0xD6E8FEB86659FD93) % 2**64
    return (mixed ^ (mixed >> 32)) % 2**63
