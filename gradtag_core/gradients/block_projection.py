"""Random projections whose matrix P is regenerated from a seed by block, of gradients that exist only as pieces.

For a linear layer, Pᵀ vec(Σ_t δ_t x_tᵀ) = Σ_t Σ_o δ_to (x_t P_o), where P_o are the rows of P that belong to output
o. The products x_t P_o depend on the example alone, so the tasks of one example share them: the projection costs
2 p times the nonzeros of a row of P once per example, not once per (example, task) row, and the result is the same.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from gradtag_core.gradients.per_example import RowGroups
from gradtag_core.gradients.pieces import EmbeddingPieces, ExplicitPieces, OuterPieces, Pieces
from gradtag_core.gradients.projection import Batches, n_parameters, not_fitted

BLOCK_ROWS = 2048  # fixed: which numbers stand in the matrix must not depend on how it is read
BLOCK_BYTES = 512 * 2**20
CHUNK_BYTES = 2**26  # of rows of P in use and of the products x P_o


class BlockProjection(ABC):
    """A random matrix P of shape (p, `dim`) with E[P Pᵀ] = I; any slice of its rows can be had in any order."""

    depends_on_data = False

    def __init__(self, dim: int, seed: int):
        self.dim = dim
        self.seed = seed
        self.block_bytes = BLOCK_BYTES
        self._n_parameters: int | None = None
        self._device = torch.device("cpu")
        self._blocks: dict[int, tuple[Tensor, ...]] = {}

    @property
    @abstractmethod
    def nonzeros(self) -> int:
        """Entries of each row of P that are not zero."""

    @property
    @abstractmethod
    def nonzero_bytes(self) -> int:
        """What one of them takes while it is in use."""

    @abstractmethod
    def make_block(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """What stands for `BLOCK_ROWS` rows of P: tensors of that length."""

    @abstractmethod
    def apply(self, vectors: Tensor, start: int, n_outputs: int) -> Tensor:
        """(N, n) -> (n_outputs, N, dim): the vectors times each of `n_outputs` consecutive slices of n rows of P,
        the first of which begins at row `start`."""

    @abstractmethod
    def spread(self, weights: Tensor, start: int, stop: int) -> Tensor:
        """Rows `start` to `stop` of P times weights (dim, K): (stop - start, K)."""

    def fit(self, batches: Batches) -> float:
        """Only counts the parameters, which a lift must know: P does not depend on data."""
        for pieces, _ in batches:
            self._n_parameters = n_parameters(pieces)
            break
        return 0.0

    def project(self, pieces: Sequence[Pieces], rows: RowGroups) -> tuple[Tensor, float]:
        """Pᵀ g of every row: (R, dim), and the FLOPs."""
        self._n_parameters = n_parameters(pieces)
        flops = 0.0
        total = torch.zeros(len(rows.group), self.dim, device=rows.group.device)
        for layer in pieces:
            if isinstance(layer, OuterPieces):
                flops += self._add_outer(total, layer, rows)
            elif isinstance(layer, EmbeddingPieces):
                flops += self._add_embedding(total, layer)
            elif isinstance(layer, ExplicitPieces):
                flops += self._add_explicit(total, layer.values, layer.offset)
            else:
                raise TypeError(f"no projection of {type(layer).__name__}")
        return total, flops

    def lift(self, weights: Tensor) -> Tensor:
        """The parameter changes P w, a block of P at a time: (dim, K) -> (K, p)."""
        if self._n_parameters is None:
            raise not_fitted("lifts")
        return self.lift_rows(weights.float(), 0, self._n_parameters)

    def lift_rows(self, weights: Tensor, start: int, stop: int) -> Tensor:
        """The changes of parameters `start` to `stop` alone: (K, stop - start)."""
        lifted = weights.new_empty(weights.shape[1], stop - start)
        for first in range(start, stop, BLOCK_ROWS):
            last = min(first + BLOCK_ROWS, stop)
            lifted[:, first - start : last - start] = self.spread(weights, first, last).T
        return lifted

    def working_bytes(self, pieces: Sequence[Pieces], n_rows: int) -> int:
        """One output's rows of P (as blocks and joined), and for each row its sums and products x P_o."""
        widest = max((layer.inputs.shape[2] for layer in pieces if isinstance(layer, OuterPieces)), default=1)
        positions = max((_positions(layer) for layer in pieces), default=1)
        per_row_of_p = self.nonzeros * self.nonzero_bytes
        return 2 * per_row_of_p * (BLOCK_ROWS + widest) + n_rows * 4 * self.dim * (2 * positions + 4)

    @property
    def _chunk_bytes(self) -> int:
        return min(CHUNK_BYTES, self.block_bytes // 4)

    def blocks(self, start: int, stop: int, device: torch.device) -> tuple[Tensor, ...]:
        """What stands for rows `start` to `stop` of P, on a device."""
        first, last = start // BLOCK_ROWS, (stop - 1) // BLOCK_ROWS
        parts = [self._block(index, device) for index in range(first, last + 1)]
        offset = first * BLOCK_ROWS
        joined = parts[0] if len(parts) == 1 else tuple(torch.cat(same) for same in zip(*parts, strict=True))
        return tuple(part[start - offset : stop - offset] for part in joined)

    def _block(self, index: int, device: torch.device) -> tuple[Tensor, ...]:
        if device != self._device:
            self._device = device
            self._blocks.clear()
        if index in self._blocks:
            return self._blocks[index]
        # Drawn on the CPU: other devices draw other numbers from the same seed.
        drawn = self.make_block(torch.Generator().manual_seed(mix(self.seed, index)))
        block = tuple(part.to(device) for part in drawn)
        if (len(self._blocks) + 1) * sum(
            part.nbytes for part in block
        ) <= self.block_bytes - 2 * self._chunk_bytes:
            self._blocks[index] = block
        return block

    def _add_outer(self, total: Tensor, layer: OuterPieces, rows: RowGroups) -> float:
        n_rows, positions, n_in = layer.inputs.shape
        n_out = layer.output_gradients.shape[2]
        n_examples, most = rows.shape
        shared = n_examples * positions * (self.nonzeros * n_in + most * self.dim)
        formed = n_rows * n_in * (positions + self.nonzeros)
        if shared <= formed:
            self._add_shared(total, layer, rows)
        else:
            self._add_formed(total, layer)
        flops = 2.0 * n_out * min(shared, formed)
        if layer.has_bias:
            flops += self._add_explicit(total, layer.output_gradients.sum(1), layer.offset + n_out * n_in)
        return flops

    def _add_shared(self, total: Tensor, layer: OuterPieces, rows: RowGroups) -> None:
        """With products x P_o that the rows of an example share."""
        inputs = layer.inputs[rows.first]
        n_examples, positions, n_in = inputs.shape
        n_out = layer.output_gradients.shape[2]
        most = rows.shape[1]
        gradients = inputs.new_zeros(n_examples, most, positions, n_out)
        gradients[rows.group, rows.slot] = layer.output_gradients
        sums = inputs.new_zeros(n_examples, most, self.dim)
        for start, stop in self._output_chunks(n_out, n_in, n_examples * positions * self.dim):
            products = self.apply(inputs.flatten(0, 1), layer.offset + start * n_in, stop - start)
            products = products.view(stop - start, n_examples, positions, self.dim)
            # (examples, positions and outputs, dim), summed over with the same layout of the gradients
            products = products.permute(1, 2, 0, 3).reshape(n_examples, -1, self.dim)
            sums += torch.bmm(gradients[..., start:stop].reshape(n_examples, most, -1), products)
        total += sums[rows.group, rows.slot]

    def _add_formed(self, total: Tensor, layer: OuterPieces) -> None:
        """With the gradients of a few outputs at a time formed for every row."""
        n_rows, _, n_in = layer.inputs.shape
        n_out = layer.output_gradients.shape[2]
        for start, stop in self._output_chunks(n_out, n_in, n_rows * n_in):
            own = torch.bmm(layer.output_gradients[..., start:stop].transpose(1, 2), layer.inputs)
            total += self.apply(own.flatten(1), layer.offset + start * n_in, 1)[0]

    def _output_chunks(self, n_out: int, n_in: int, held: int) -> list[tuple[int, int]]:
        """Ranges of outputs, so that their rows of P and `held` numbers for each fit a chunk."""
        step = max(1, self._chunk_bytes // (4 * held + 2 * n_in * self.nonzeros * self.nonzero_bytes))
        return [(start, min(start + step, n_out)) for start in range(0, n_out, step)]

    def _add_embedding(self, total: Tensor, layer: EmbeddingPieces) -> float:
        """Token by token of the vocabulary, those that occur."""
        n_dim = layer.output_gradients.shape[2]
        ids, gradients = layer.ids.flatten(), layer.output_gradients.flatten(0, 1)
        order = torch.argsort(ids, stable=True)
        present, counts = torch.unique_consecutive(ids[order], return_counts=True)
        for each, places in zip(present.tolist(), order.split(counts.tolist()), strict=True):
            found = self.apply(gradients[places], layer.offset + each * n_dim, 1)[0]
            total.index_add_(0, places // layer.ids.shape[1], found)
        return 2.0 * self.nonzeros * gradients.numel()

    def _add_explicit(self, total: Tensor, values: Tensor, offset: int) -> float:
        step = max(1, self._chunk_bytes // (2 * self.nonzeros * self.nonzero_bytes))
        for start in range(0, values.shape[1], step):
            total += self.apply(values[:, start : start + step], offset + start, 1)[0]
        return 2.0 * self.nonzeros * values.numel()


def mix(seed: int, index: int) -> int:
    """One 63-bit seed per (seed, block); neighbouring blocks of neighbouring seeds must not coincide."""
    mixed = (seed * 0x9E3779B97F4A7C15 + index * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**64
    mixed = ((mixed ^ (mixed >> 31)) * 0xD6E8FEB86659FD93) % 2**64
    return (mixed ^ (mixed >> 32)) % 2**63


def _positions(layer: Pieces) -> int:
    return layer.output_gradients.shape[1] if isinstance(layer, OuterPieces | EmbeddingPieces) else 1
