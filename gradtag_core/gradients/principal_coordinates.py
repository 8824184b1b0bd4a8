"""Coordinates of one layer's gradients that hold most of their energy, for each form in which gradients come.

A layer's gradient is Σ_t δ_t x_tᵀ. In the eigenbases of the second moments of its inputs and of its output gradients
(the factors of K-FAC, Martens and Grosse 2015; over positions as in its expanded form, Eschenhagen et al. 2023),
coordinate (i, j) has about the energy λ_i μ_j. Moments are sums over rows, so they need one batch of rows at a time.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from gradtag_core.gradients.per_example import RowGroups
from gradtag_core.gradients.pieces import EmbeddingPieces, ExplicitPieces, OuterPieces, Pieces
from gradtag_core.gradients.projection import with_one

EIGEN_FLOPS = 9  # times n³: a symmetric eigendecomposition
CHUNK_ENTRIES = 2**23  # entries of products per position held at a time
NEIGHBOURS = 128  # gradients that are written out are decorrelated among so many neighbouring parameters

Kind = TypeVar("Kind", bound=Pieces)


class Coordinates(ABC, Generic[Kind]):
    """Some orthonormal directions in the parameters of one layer."""

    @property
    @abstractmethod
    def n_coordinates(self) -> int:
        """c, how many."""

    @abstractmethod
    def read(self, layer: Kind, rows: RowGroups) -> tuple[Tensor, float]:
        """The coordinates of every row's gradient, (R, c), and the FLOPs."""

    @abstractmethod
    def lift(self, values: Tensor) -> Tensor:
        """The parameter changes that have these coordinates: (K, c) -> (K, size)."""


class Moments(ABC, Generic[Kind]):
    """Second moments of one layer's gradients: after rows were added, `diagonalise`, then ask for the rest."""

    @abstractmethod
    def add(self, layer: Kind) -> float:
        """Count in the rows of a batch; returns the FLOPs."""

    @abstractmethod
    def diagonalise(self) -> float:
        """Find the eigenbases; returns the FLOPs."""

    @abstractmethod
    def energies(self) -> Tensor:
        """About the mean square of every coordinate that competes for a place: flattened."""

    @abstractmethod
    def choose(self, threshold: Tensor) -> Coordinates[Any]:
        """The coordinates whose energy reaches the threshold, and those that need no place."""


def moments_of(layer: Pieces) -> Moments[Any]:
    """Empty moments for the form of this layer's gradients."""
    if isinstance(layer, OuterPieces):
        return OuterMoments()
    if isinstance(layer, EmbeddingPieces):
        return EmbeddingMoments()
    return ExplicitMoments()


class OuterMoments(Moments[OuterPieces]):
    """Of the inputs (with a one for the bias), summed over positions, and of the output gradients, averaged."""

    def __init__(self) -> None:
        self._n_rows, self._n_positions = 0, 0
        self._moments: tuple[Tensor, Tensor] | None = None

    def add(self, layer: OuterPieces) -> float:
        self._has_bias = layer.has_bias
        inputs, outputs = with_one(layer).flatten(0, 1), layer.output_gradients.flatten(0, 1)
        added = (inputs.T @ inputs, outputs.T @ outputs)
        before = self._moments
        self._moments = (before[0] + added[0], before[1] + added[1]) if before else added
        self._n_rows += len(layer)
        self._n_positions += len(inputs)
        return 2.0 * len(inputs) * (inputs.shape[1] ** 2 + outputs.shape[1] ** 2)

    def diagonalise(self) -> float:
        assert self._moments is not None
        inputs, outputs = self._moments
        self._energy_in, self._basis_in = _eigenbasis(inputs / self._n_rows)
        self._energy_out, self._basis_out = _eigenbasis(outputs / self._n_positions)
        self._moments = None
        return EIGEN_FLOPS * float(len(inputs) ** 3 + len(outputs) ** 3)

    def energies(self) -> Tensor:
        return torch.outer(self._energy_in, self._energy_out).flatten()

    def choose(self, threshold: Tensor) -> "OuterCoordinates":
        row, column = torch.nonzero(
            torch.outer(self._energy_in, self._energy_out) >= threshold, as_tuple=True
        )
        return OuterCoordinates(
            self._basis_in[:, : _count(row)].contiguous(), self._basis_out[:, : _count(column)].contiguous(),
            row, column, self._has_bias,
        )  # fmt: skip


@dataclass(frozen=True)
class OuterCoordinates(Coordinates[OuterPieces]):
    """Inputs (with a one for the bias) onto `inputs` (in, r), output gradients onto `outputs` (out, s); coordinate c is
    entry (`row[c]`, `column[c]`) of their product. Inputs are projected once per example."""

    inputs: Tensor
    outputs: Tensor
    row: Tensor
    column: Tensor
    has_bias: bool

    @property
    def n_coordinates(self) -> int:
        return len(self.row)

    def read(self, layer: OuterPieces, rows: RowGroups) -> tuple[Tensor, float]:
        inputs = with_one(layer)[rows.first] @ self.inputs
        outputs = layer.output_gradients @ self.outputs
        found = outputs.new_empty(len(layer), len(self.row))
        for chunk in _row_chunks(outputs, len(self.row)):
            left = inputs[rows.group[chunk]].index_select(2, self.row)
            found[chunk] = (left * outputs[chunk].index_select(2, self.column)).sum(1)
        n_positions = outputs.shape[1]
        multiplied = len(rows.first) * self.inputs.numel() + len(rows.group) * self.outputs.numel()
        return found, 2.0 * n_positions * multiplied

    def lift(self, values: Tensor) -> Tensor:
        changes = []
        for own in values:
            core = own.new_zeros(self.outputs.shape[1], self.inputs.shape[1])
            core[self.column, self.row] = own
            change = self.outputs @ core @ self.inputs.T
            n_in = len(self.inputs) - self.has_bias
            changes.append(torch.cat([change[:, :n_in].flatten(), change[:, n_in:].flatten()]))
        return torch.stack(changes)


class EmbeddingMoments(Moments[EmbeddingPieces]):
    """How often each id occurs in a row: the moments of inputs that are one-hot are diagonal already."""

    def __init__(self) -> None:
        self._n_rows, self._n_positions = 0, 0
        self._counts: Tensor | None = None
        self._outputs: Tensor | None = None

    def add(self, layer: EmbeddingPieces) -> float:
        counts = torch.bincount(layer.ids.flatten(), minlength=layer.n_embeddings)
        if layer.padding_idx is not None:
            counts[layer.padding_idx] = 0
        gradients = layer.output_gradients.flatten(0, 1)
        outputs = gradients.T @ gradients
        self._counts = counts if self._counts is None else self._counts + counts
        self._outputs = outputs if self._outputs is None else self._outputs + outputs
        self._n_rows += len(layer)
        self._n_positions += int(counts.sum())
        return 2.0 * len(gradients) * gradients.shape[1] ** 2

    def diagonalise(self) -> float:
        assert self._counts is not None
        assert self._outputs is not None
        present = torch.nonzero(self._counts).flatten()
        counts, order = self._counts[present].sort(descending=True, stable=True)
        self._ids = present[order]
        self._energy_in = counts.to(self._outputs) / self._n_rows
        self._energy_out, self._basis_out = _eigenbasis(self._outputs / max(1, self._n_positions))
        return EIGEN_FLOPS * float(len(self._outputs) ** 3)

    def energies(self) -> Tensor:
        return torch.outer(self._energy_in, self._energy_out).flatten()

    def choose(self, threshold: Tensor) -> "EmbeddingCoordinates":
        assert self._counts is not None
        row, column = torch.nonzero(
            torch.outer(self._energy_in, self._energy_out) >= threshold, as_tuple=True
        )
        basis = self._basis_out[:, : _count(column)].contiguous()
        return EmbeddingCoordinates(self._ids[row], basis, column, len(self._counts))


@dataclass(frozen=True)
class EmbeddingCoordinates(Coordinates[EmbeddingPieces]):
    """Coordinate c is that of the gradient of embedding `ids[c]` along column `column[c]` of `outputs` (dim, s)."""

    ids: Tensor
    outputs: Tensor
    column: Tensor
    n_embeddings: int

    @property
    def n_coordinates(self) -> int:
        return len(self.ids)

    def read(self, layer: EmbeddingPieces, rows: RowGroups) -> tuple[Tensor, float]:
        outputs = layer.output_gradients @ self.outputs
        found = outputs.new_empty(len(layer), len(self.ids))
        for chunk in _row_chunks(outputs, len(self.ids)):
            here = layer.ids[chunk, :, None] == self.ids
            found[chunk] = (here * outputs[chunk].index_select(2, self.column)).sum(1)
        return found, 2.0 * outputs.numel() * len(self.outputs)

    def lift(self, values: Tensor) -> Tensor:
        core = values.new_zeros(len(values), self.n_embeddings, self.outputs.shape[1])
        core[:, self.ids, self.column] = values
        return (core @ self.outputs.T).flatten(1)


class ExplicitMoments(Moments[ExplicitPieces]):
    """Of blocks of neighbouring parameters. A parameter on its own needs no place among the coordinates."""

    def __init__(self) -> None:
        self._n_rows, self._size = 0, 0
        self._moments: Tensor | None = None

    def add(self, layer: ExplicitPieces) -> float:
        self._n_rows += len(layer)
        self._size = layer.size
        width = min(layer.size, NEIGHBOURS)
        blocks = pad(layer.values, (0, -layer.size % width)).unflatten(1, (-1, width))
        moments = torch.bmm(blocks.permute(1, 2, 0), blocks.permute(1, 0, 2))
        self._moments = moments if self._moments is None else self._moments + moments
        return 2.0 * blocks.numel() * width if layer.size > 1 else 0.0

    def diagonalise(self) -> float:
        assert self._moments is not None
        n_blocks, width, _ = self._moments.shape
        moments = self._moments / self._n_rows
        # Places that fill up the last block get a negative energy, so that no direction mixes them with parameters.
        filling = self._size - (n_blocks - 1) * width
        moments[-1].diagonal()[filling:] = -1 - moments[-1].diagonal().max()
        values, self._basis = torch.linalg.eigh(moments)
        self._energy = values.clamp(min=0)
        self._is_real = torch.ones_like(values, dtype=torch.bool)
        self._is_real[-1, : width - filling] = False
        self._moments = None
        return EIGEN_FLOPS * float(n_blocks * width**3) if self._size > 1 else 0.0

    def energies(self) -> Tensor:
        return self._energy[self._is_real & (self._size > 1)]

    def choose(self, threshold: Tensor) -> "ExplicitCoordinates":
        block, which = torch.nonzero(
            self._is_real & ((self._energy >= threshold) | (self._size == 1)), as_tuple=True
        )
        width = self._energy.shape[1]
        directions = self._basis[block, :, which]
        place = torch.arange(len(block), device=block.device)[:, None].expand(-1, width)
        parameter = block[:, None] * width + torch.arange(width, device=block.device)
        inside = parameter < self._size
        matrix = torch.sparse_coo_tensor(
            torch.stack([place[inside], parameter[inside]]), directions[inside], (len(block), self._size),
            check_invariants=False,
        )  # fmt: skip
        return ExplicitCoordinates(matrix.coalesce())


@dataclass(frozen=True)
class ExplicitCoordinates(Coordinates[ExplicitPieces]):
    """`directions` is sparse, (c, size): each coordinate reads one block of parameters."""

    directions: Tensor

    @property
    def n_coordinates(self) -> int:
        return len(self.directions)

    def read(self, layer: ExplicitPieces, rows: RowGroups) -> tuple[Tensor, float]:
        found = torch.sparse.mm(self.directions, layer.values.T).T
        return found, 2.0 * len(layer) * self.directions.values().numel()

    def lift(self, values: Tensor) -> Tensor:
        return torch.sparse.mm(self.directions.T, values.T).T


def _eigenbasis(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, descending and not negative, and eigenvectors."""
    values, basis = torch.linalg.eigh(moments)
    return values.clamp(min=0).flip(0), basis.flip(1)


def _count(index: Tensor) -> int:
    """How many leading directions an index reaches into."""
    return int(index.max()) + 1 if len(index) else 0


def _row_chunks(outputs: Tensor, n_coordinates: int) -> list[slice]:
    """Ranges of rows (R, T, ·), whose coordinates at every position are held at a time."""
    step = max(1, CHUNK_ENTRIES // max(1, outputs.shape[1] * n_coordinates))
    return [slice(start, start + step) for start in range(0, len(outputs), step)]
