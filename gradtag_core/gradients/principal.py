"""The leading principal directions of the training gradients, found without forming a gradient.

Each layer's gradients have coordinates (`principal_coordinates`) of which the `SKETCH_PER_DIM` times `dim` of most
energy over all layers hold nearly all that a few hundred directions can. The leading directions of that sketch are the
projection. (Per-layer two-sided projections of gradients: LoGra, arXiv 2405.13954.)
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from gradtag_core.gradients.per_example import RowGroups
from gradtag_core.gradients.pieces import EmbeddingPieces, OuterPieces, Pieces
from gradtag_core.gradients.principal_coordinates import (
    CHUNK_ENTRIES,
    EIGEN_FLOPS,
    NEIGHBOURS,
    Coordinates,
    Moments,
    moments_of,
)
from gradtag_core.gradients.projection import Batches, n_parameters, not_fitted

SKETCH_PER_DIM = 3


class PrincipalProjection:
    """Projects onto the `dim` leading directions of the gradients it was fitted to, which are orthonormal."""

    depends_on_data = True

    def __init__(self, dim: int):
        self.dim = dim
        self.block_bytes = 0  # what it holds cannot be made again without the gradients
        self._coordinates: list[Coordinates[Any]] = []
        self._places: list[slice] = []  # of each layer's parameters
        self._n_parameters = 0
        self._directions: Tensor | None = None

    def fit(self, batches: Batches) -> float:
        """Choose the sketch and its leading directions from a sample of training rows; goes through them twice."""
        flops = self._choose_coordinates(batches)
        covariance: Tensor | None = None
        for pieces, rows in batches:
            sketch, sketch_flops = self._sketch(pieces, rows)
            added = sketch.T @ sketch
            covariance = added if covariance is None else covariance + added
            flops += sketch_flops + 2.0 * len(sketch) * sketch.shape[1] ** 2
        if covariance is None:
            raise ValueError("a principal projection needs rows to be fitted to")
        _, vectors = torch.linalg.eigh(covariance)
        self._directions = vectors.flip(1)[:, : self.dim]
        return flops + EIGEN_FLOPS * float(len(covariance)) ** 3

    def project(self, pieces: Sequence[Pieces], rows: RowGroups) -> tuple[Tensor, float]:
        """φ of every row, (R, dim); the last columns are zero where the model has fewer parameters than `dim`."""
        if self._directions is None:
            raise not_fitted("projects")
        sketch, flops = self._sketch(pieces, rows)
        projected = sketch @ self._directions
        missing = self.dim - projected.shape[1]
        return pad(projected, (0, missing)), flops + 2.0 * sketch.shape[1] * projected.numel()

    def lift(self, weights: Tensor) -> Tensor:
        """The parameter changes P w, through the coordinates of each layer: (dim, K) -> (K, p)."""
        if self._directions is None:
            raise not_fitted("lifts")
        sketch = (self._directions @ weights[: self._directions.shape[1]].to(self._directions)).T
        lifted = sketch.new_zeros(len(sketch), self._n_parameters)
        parts = sketch.split([each.n_coordinates for each in self._coordinates], dim=1)
        for coordinates, place, own in zip(self._coordinates, self._places, parts, strict=True):
            lifted[:, place] = coordinates.lift(own)
        return lifted

    def working_bytes(self, pieces: Sequence[Pieces], n_rows: int) -> int:
        """Moments, bases and energies of all layers, the sketch and its covariance, and a chunk of products."""
        fixed, positions = 0, 1
        for layer in pieces:
            if isinstance(layer, OuterPieces | EmbeddingPieces):
                n_out = layer.output_gradients.shape[2]
                n_in = layer.size // n_out if isinstance(layer, OuterPieces) else 0
                fixed += 3 * (n_in**2 + n_out**2) + 3 * layer.size
                positions = max(positions, layer.output_gradients.shape[1])
            else:
                fixed += 4 * layer.size * min(layer.size, NEIGHBOURS)
        sketch = SKETCH_PER_DIM * self.dim
        fixed += 4 * sketch**2 + 3 * min(CHUNK_ENTRIES, n_rows * positions * sketch)
        return 4 * (fixed + 3 * n_rows * sketch)

    def _choose_coordinates(self, batches: Batches) -> float:
        """The coordinates of most energy over all layers."""
        moments: list[Moments[Any]] = []
        flops = 0.0
        for pieces, _ in batches:
            moments = moments or [moments_of(layer) for layer in pieces]
            flops += sum(own.add(layer) for own, layer in zip(moments, pieces, strict=True))
            self._places = [slice(layer.offset, layer.offset + layer.size) for layer in pieces]
            self._n_parameters = n_parameters(pieces)
        flops += sum(own.diagonalise() for own in moments)
        energies = torch.cat([own.energies() for own in moments])
        size = min(SKETCH_PER_DIM * self.dim, len(energies))
        threshold = torch.topk(energies, size).values[-1] if size else energies.new_tensor(torch.inf)
        self._coordinates = [own.choose(threshold) for own in moments]
        return flops

    def _sketch(self, pieces: Sequence[Pieces], rows: RowGroups) -> tuple[Tensor, float]:
        """The chosen coordinates of every row's gradient: (R, sketch)."""
        read = [own.read(layer, rows) for own, layer in zip(self._coordinates, pieces, strict=True)]
        sketch = torch.cat([values for values, _ in read], dim=1)
        return sketch, sum(flops for _, flops in read) + sketch.numel()
