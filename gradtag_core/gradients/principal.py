"""The leading principal directions of the training gradients, found without forming a gradient.

A linear layer's gradient is δ xᵀ. In the eigenbases of the second moments of its inputs and of its output gradients
(the factors of K-FAC, Martens and Grosse 2015), coordinate (i, j) of the gradient has about the energy λ_i μ_j, so the
`sketch` coordinates of most energy over all layers hold nearly all that a few hundred directions can. The leading
directions of that sketch are the projection. (Per-layer two-sided projections of gradients: LoGra, arXiv 2405.13954.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradtag_core.errors import GradTagError
from gradtag_core.gradients.per_example import LayerPieces, RowGroups

SKETCH_PER_DIM = 3
EIGEN_FLOPS = 9  # times n³: a symmetric eigendecomposition


@dataclass(frozen=True)
class _Basis:
    """The chosen coordinates of one linear layer: inputs (with a one for the bias) onto `inputs` (in, r), output
    gradients onto `outputs` (out, s); coordinate c of the sketch is entry (`row[c]`, `column[c]`) of their product."""

    inputs: Tensor
    outputs: Tensor
    row: Tensor
    column: Tensor


class PrincipalProjection:
    """Projects onto the `dim` leading directions of the gradients it was fitted to, which are orthonormal."""

    depends_on_data = True

    def __init__(self, dim: int):
        self.dim = dim
        self._bases: list[_Basis | None] = []
        self._directions: Tensor | None = None

    def fit(self, pieces: Sequence[LayerPieces], rows: RowGroups) -> float:
        """Choose the sketch and its leading directions from a sample of training rows."""
        flops = self._choose_coordinates(pieces)
        sketch, sketch_flops = self._sketch(pieces, rows)
        size = sketch.shape[1]
        _, vectors = torch.linalg.eigh(sketch.T @ sketch)
        self._directions = vectors.flip(1)[:, : self.dim]
        return flops + sketch_flops + 2.0 * len(sketch) * size**2 + EIGEN_FLOPS * size**3

    def project(self, pieces: Sequence[LayerPieces], rows: RowGroups) -> tuple[Tensor, float]:
        """φ of every row, (R, dim); the last columns are zero where the model has fewer parameters than `dim`."""
        if self._directions is None:
            raise GradTagError(
                "A principal projection must be fitted to training gradients before it projects."
            )
        sketch, flops = self._sketch(pieces, rows)
        projected = sketch @ self._directions
        missing = self.dim - projected.shape[1]
        return torch.nn.functional.pad(projected, (0, missing)), flops + 2.0 * sketch.shape[
            1
        ] * projected.numel()

    def _choose_coordinates(self, pieces: Sequence[LayerPieces]) -> float:
        """Per linear layer both eigenbases, then the coordinates of most energy over all layers."""
        moments: list[tuple[Tensor, Tensor, Tensor, Tensor] | None] = []
        flops = 0.0
        for layer in pieces:
            if not layer.is_linear:
                moments.append(None)
                continue
            factors = [_eigenbasis(part) for part in (layer.inputs_with_one(), layer.output_gradients)]
            (energy_in, basis_in), (energy_out, basis_out) = factors
            moments.append((energy_in, basis_in, energy_out, basis_out))
            flops += sum(
                2.0 * len(layer.inputs) * len(energy) ** 2 + EIGEN_FLOPS * len(energy) ** 3
                for energy, _ in factors
            )
        energies = [torch.outer(found[0], found[2]).flatten() for found in moments if found]
        size = min(SKETCH_PER_DIM * self.dim, sum(map(len, energies)))
        threshold = torch.topk(torch.cat(energies), size).values[-1]
        self._bases = [None if found is None else _basis(*found, threshold) for found in moments]
        return flops

    def _sketch(self, pieces: Sequence[LayerPieces], rows: RowGroups) -> tuple[Tensor, float]:
        """The chosen coordinates of every row's gradient, (R, sketch): inputs are projected once per example."""
        parts = []
        flops = 0.0
        for layer, basis in zip(pieces, self._bases, strict=True):
            if basis is None:
                parts.append(layer.slope_gradients())
                continue
            inputs = layer.inputs_with_one()[rows.first] @ basis.inputs
            outputs = layer.output_gradients @ basis.outputs
            parts.append(inputs[rows.group][:, basis.row] * outputs[:, basis.column])
            flops += 2.0 * (len(rows.first) * basis.inputs.numel() + len(rows.group) * basis.outputs.numel())
        sketch = torch.cat(parts, dim=1)
        return sketch, flops + sketch.numel()


def _eigenbasis(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, descending and not negative, and eigenvectors of the mean outer product of the rows."""
    values, basis = torch.linalg.eigh(vectors.T @ vectors / len(vectors))
    return values.clamp(min=0).flip(0), basis.flip(1)


def _basis(
    energy_in: Tensor, basis_in: Tensor, energy_out: Tensor, basis_out: Tensor, threshold: Tensor
) -> _Basis:
    row, column = torch.nonzero(torch.outer(energy_in, energy_out) >= threshold, as_tuple=True)
    n_rows, n_columns = (int(index.max()) + 1 if len(index) else 0 for index in (row, column))
    return _Basis(basis_in[:, :n_rows].contiguous(), basis_out[:, :n_columns].contiguous(), row, column)
