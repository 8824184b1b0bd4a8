"""Gradients of one scalar output per row, in the short forms that layers give them.

A layer that multiplies by a matrix has δ xᵀ as its gradient, summed over the positions it was applied to: inputs and
output gradients hold all of it. The pieces of one backward pass cover the chosen parameters once, in their order.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

CHUNK_ENTRIES = 2**22  # of intermediate results held at a time


@dataclass(frozen=True)
class Pieces(ABC):
    """The gradients g_r of R rows over `size` neighbouring parameters, the first of which stands at `offset` in the
    flattened vector of chosen parameters (`named_parameters` order)."""

    offset: int

    @property
    @abstractmethod
    def size(self) -> int:
        """How many parameters these are."""

    @abstractmethod
    def __len__(self) -> int:
        """R, how many rows."""

    @abstractmethod
    def gradients(self) -> Tensor:
        """The gradients themselves, (R, size)."""

    @abstractmethod
    def squared_norms(self) -> Tensor:
        """‖g_r‖², (R,)."""

    @abstractmethod
    def weighted_sum(self, weights: Tensor) -> Tensor:
        """Σ_r weights[r, k] g_r for weights (R, K): (K, size)."""

    @abstractmethod
    def select(self, rows: Tensor) -> "Pieces":
        """The pieces of the rows that an index or a mask picks."""

    def gram(self, other: "Pieces") -> Tensor:
        """g_r · g'_s with the pieces of R' other rows at the same parameters: (R, R')."""
        return self.gradients() @ other.gradients().T


@dataclass(frozen=True)
class ExplicitPieces(Pieces):
    """Gradients written out, `values` (R, size)."""

    values: Tensor

    @property
    def size(self) -> int:
        return self.values.shape[1]

    def __len__(self) -> int:
        return len(self.values)

    def gradients(self) -> Tensor:
        return self.values

    def squared_norms(self) -> Tensor:
        return self.values.square().sum(1)

    def weighted_sum(self, weights: Tensor) -> Tensor:
        return weights.to(self.values).T @ self.values

    def select(self, rows: Tensor) -> "ExplicitPieces":
        return replace(self, values=self.values[rows])


@dataclass(frozen=True)
class OuterPieces(Pieces):
    """g = Σ_t δ_t x_tᵀ flattened as (out, in), then Σ_t δ_t where the layer `has_bias`.

    `inputs` (R, T, in), `output_gradients` (R, T, out), over T positions: 1 for a layer applied once to a vector.
    """

    inputs: Tensor
    output_gradients: Tensor
    has_bias: bool

    @property
    def size(self) -> int:
        return self.output_gradients.shape[2] * (self.inputs.shape[2] + self.has_bias)

    def __len__(self) -> int:
        return len(self.inputs)

    def gradients(self) -> Tensor:
        weight = torch.bmm(self.output_gradients.transpose(1, 2), self.inputs).flatten(1)
        return torch.cat([weight, self.output_gradients.sum(1)], dim=1) if self.has_bias else weight

    def squared_norms(self) -> Tensor:
        if self.inputs.shape[1] == 1:
            inputs = torch.linalg.vector_norm(self.inputs, dim=(1, 2)).square() + self.has_bias
            return inputs * torch.linalg.vector_norm(self.output_gradients, dim=(1, 2)).square()
        if self._is_short(self):
            inputs = torch.bmm(self.inputs, self.inputs.transpose(1, 2)) + self.has_bias
            outputs = torch.bmm(self.output_gradients, self.output_gradients.transpose(1, 2))
            return (inputs * outputs).sum((1, 2))
        return _squared_norms_in_blocks(self)

    def gram(self, other: Pieces) -> Tensor:
        if not isinstance(other, OuterPieces):
            return super().gram(other)
        if not self._is_short(other):
            return _gram_in_blocks(self, other)
        if self.inputs.shape[1] == other.inputs.shape[1] == 1:
            inputs = self.inputs[:, 0] @ other.inputs[:, 0].T + self.has_bias
            return inputs * (self.output_gradients[:, 0] @ other.output_gradients[:, 0].T)
        parts = []
        for start, stop in _chunks(len(self), self.inputs.shape[1] * other.inputs.shape[:2].numel()):
            inputs = _position_products(self.inputs[start:stop], other.inputs) + self.has_bias
            outputs = _position_products(self.output_gradients[start:stop], other.output_gradients)
            parts.append((inputs * outputs).sum((1, 3)))
        return torch.cat(parts)

    def weighted_sum(self, weights: Tensor) -> Tensor:
        n_out = self.output_gradients.shape[2]
        n_weights = n_out * self.inputs.shape[2]
        total = self.inputs.new_empty(weights.shape[1], self.size)
        inputs = self.inputs.flatten(0, 1)
        for start, stop in _chunks(len(total), self.output_gradients.numel()):
            scaled = torch.einsum(
                "rto,rk->rtko", self.output_gradients, weights[:, start:stop].to(self.inputs)
            ).reshape(len(inputs), (stop - start) * n_out)
            total[start:stop, :n_weights] = (scaled.T @ inputs).view(stop - start, n_weights)
            if self.has_bias:
                total[start:stop, n_weights:] = scaled.sum(0).view(stop - start, n_out)
        return total

    def select(self, rows: Tensor) -> "OuterPieces":
        return replace(self, inputs=self.inputs[rows], output_gradients=self.output_gradients[rows])

    def _is_short(self, other: "OuterPieces") -> bool:
        """Whether products of positions cost less than products of gradients."""
        n_in, n_out = self.inputs.shape[2], self.output_gradients.shape[2]
        return self.inputs.shape[1] * other.inputs.shape[1] * (n_in + n_out) <= n_in * n_out


@dataclass(frozen=True)
class EmbeddingPieces(Pieces):
    """The gradient of a table (n_embeddings, dim) that T positions looked up: Σ_t e_{id_t} δ_tᵀ, flattened.

    `ids` (R, T), `output_gradients` (R, T, dim), which are made zero where the id is `padding_idx`.
    """

    ids: Tensor
    output_gradients: Tensor
    n_embeddings: int
    padding_idx: int | None = None

    def __post_init__(self) -> None:
        if self.padding_idx is not None:
            padding = (self.ids == self.padding_idx)[..., None]
            object.__setattr__(self, "output_gradients", self.output_gradients.masked_fill(padding, 0))

    @property
    def size(self) -> int:
        return self.n_embeddings * self.output_gradients.shape[2]

    def __len__(self) -> int:
        return len(self.ids)

    def gradients(self) -> Tensor:
        dim = self.output_gradients.shape[2]
        table = self.output_gradients.new_zeros(len(self), self.n_embeddings, dim)
        places = self.ids[..., None].expand(-1, -1, dim)
        return table.scatter_add_(1, places, self.output_gradients).flatten(1)

    def squared_norms(self) -> Tensor:
        if not self._is_short(self):
            return _squared_norms_in_blocks(self)
        same = self.ids[:, :, None] == self.ids[:, None, :]
        products = torch.bmm(self.output_gradients, self.output_gradients.transpose(1, 2))
        return (products * same).sum((1, 2))

    def gram(self, other: Pieces) -> Tensor:
        if not isinstance(other, EmbeddingPieces):
            return super().gram(other)
        if not self._is_short(other):
            return _gram_in_blocks(self, other)
        parts = []
        for start, stop in _chunks(len(self), self.ids.shape[1] * other.ids.numel()):
            same = self.ids[start:stop, :, None, None] == other.ids
            products = _position_products(self.output_gradients[start:stop], other.output_gradients)
            parts.append((products * same).sum((1, 3)))
        return torch.cat(parts)

    def weighted_sum(self, weights: Tensor) -> Tensor:
        dim = self.output_gradients.shape[2]
        total = self.output_gradients.new_zeros(weights.shape[1], self.n_embeddings, dim)
        for start, stop in _chunks(len(total), self.output_gradients.numel()):
            scaled = torch.einsum("rtd,rk->krtd", self.output_gradients, weights[:, start:stop].to(total))
            total[start:stop].index_add_(1, self.ids.flatten(), scaled.flatten(1, 2))
        return total.flatten(1)

    def select(self, rows: Tensor) -> "EmbeddingPieces":
        return replace(self, ids=self.ids[rows], output_gradients=self.output_gradients[rows])

    def _is_short(self, other: "EmbeddingPieces") -> bool:
        return self.ids.shape[1] * other.ids.shape[1] <= self.n_embeddings


def _position_products(left: Tensor, right: Tensor) -> Tensor:
    """Inner products of all positions of all rows: (R, T, n) and (R', T', n) -> (R, T, R', T')."""
    return (left.flatten(0, 1) @ right.flatten(0, 1).T).view(*left.shape[:2], *right.shape[:2])


def _chunks(total: int, entries: int) -> list[tuple[int, int]]:
    """Ranges that cover `total` items of `entries` numbers each, `CHUNK_ENTRIES` numbers at a time; never none."""
    step = max(1, CHUNK_ENTRIES // max(1, entries))
    return [(start, min(start + step, total)) for start in range(0, max(1, total), step)]


def _gram_in_blocks(left: OuterPieces | EmbeddingPieces, right: OuterPieces | EmbeddingPieces) -> Tensor:
    """Products of gradients that are written out for some outputs at a time."""
    total = left.output_gradients.new_zeros(len(left), len(right))
    n_out = left.output_gradients.shape[2]
    for start, stop in _chunks(n_out, (len(left) + len(right)) * (left.size // n_out)):
        total += _outputs(left, start, stop).gradients() @ _outputs(right, start, stop).gradients().T
    return total


def _squared_norms_in_blocks(pieces: OuterPieces | EmbeddingPieces) -> Tensor:
    n_out = pieces.output_gradients.shape[2]
    blocks = _chunks(n_out, len(pieces) * (pieces.size // n_out))
    return torch.stack(
        [_outputs(pieces, start, stop).gradients().square().sum(1) for start, stop in blocks]
    ).sum(0)


def _outputs(pieces: OuterPieces | EmbeddingPieces, start: int, stop: int) -> Pieces:
    """The same rows at some of the outputs."""
    return replace(pieces, output_gradients=pieces.output_gradients[..., start:stop])
