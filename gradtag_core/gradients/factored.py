"""Two-sided random projections of each layer's gradient, which is never formed.

As in LoGra (Choe et al. 2024, arXiv 2405.13954), a layer's inputs and output gradients are shortened one by one; only
here each number kept is one such product, summed over all layers: Σ_l Σ_t (a_l · x_lt)(b_l · δ_lt), with random signs
a and b of its own. Outer products of a few shortened coordinates per layer err by about (dim of the layer)^(-1/4);
these errors fall with the root of `dim`, near those of a dense projection, and no layer needs a share of the columns.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from gradtag_core.gradients.block_projection import BLOCK_BYTES, BLOCK_ROWS, mix
from gradtag_core.gradients.per_example import RowGroups
from gradtag_core.gradients.pieces import EmbeddingPieces, ExplicitPieces, OuterPieces, Pieces
from gradtag_core.gradients.projection import Batches, n_parameters, not_fitted, with_one
from gradtag_core.gradients.random_projection import RandomProjection

DENSE = 2**60  # beyond any layer's number, so that no seed is used twice


class FactoredProjection:
    """Column c of P is, in every layer, the outer product of two random sign vectors over sqrt(dim): E[P Pᵀ] = I.

    Parameters without such a form (`ExplicitPieces`) meet dense random signs.
    """

    depends_on_data = False

    def __init__(self, dim: int, seed: int):
        self.dim = dim
        self.seed = seed
        self.block_bytes = BLOCK_BYTES
        self._layers: list[Pieces] = []  # without rows: only their shapes matter
        self._dense = RandomProjection("rademacher", dim, mix(seed, DENSE))
        self._factors: dict[tuple[int, int], Tensor] = {}

    def fit(self, batches: Batches) -> float:
        """Only notes the layers, which a lift must know: P does not depend on data."""
        for pieces, _ in batches:
            self._note(pieces)
            break
        return 0.0

    def project(self, pieces: Sequence[Pieces], rows: RowGroups) -> tuple[Tensor, float]:
        """Pᵀ g of every row: (R, dim), and the FLOPs."""
        self._note(pieces)
        self._dense.block_bytes = self.block_bytes
        explicit = [layer for layer in pieces if isinstance(layer, ExplicitPieces)]
        total, flops = self._dense.project(explicit, rows)
        for layer in pieces:
            if isinstance(layer, OuterPieces):
                factor = self._input_side(layer, total.device)
                inputs = (with_one(layer)[rows.first] @ factor)[rows.group]
                flops += 2.0 * len(rows.first) * layer.inputs.shape[1] * factor.numel()
            elif isinstance(layer, EmbeddingPieces):
                present, which = layer.ids.unique(return_inverse=True)
                inputs = self._dense.rows_at(layer.offset + present)[which]
            else:
                continue
            outputs = self._output_side(layer, total.device)
            total += (inputs * (layer.output_gradients @ outputs)).sum(dim=1)
            flops += 2.0 * inputs.numel() * (len(outputs) + 1)
        return total, flops

    def lift(self, weights: Tensor) -> Tensor:
        """The parameter changes P w, layer by layer: (dim, K) -> (K, p)."""
        if not self._layers:
            raise not_fitted("lifts")
        weights = weights.float()
        lifted = weights.new_empty(weights.shape[1], n_parameters(self._layers))
        for layer in self._layers:
            own = lifted[:, layer.offset : layer.offset + layer.size]
            if isinstance(layer, OuterPieces):
                inputs = self._input_side(layer, weights.device)
                n_in = layer.inputs.shape[2]
                for change, column in zip(own, weights.T, strict=True):
                    both = (self._output_side(layer, weights.device) * column) @ inputs.T
                    change.copy_(torch.cat([both[:, :n_in].flatten(), both[:, n_in:].flatten()]))
            elif isinstance(layer, EmbeddingPieces):
                n_dim = layer.output_gradients.shape[2]
                outputs = self._output_side(layer, weights.device)
                for start in range(0, layer.n_embeddings, BLOCK_ROWS):
                    stop = min(start + BLOCK_ROWS, layer.n_embeddings)
                    inputs = self._dense.rows(layer.offset + start, layer.offset + stop, weights.device)
                    for change, column in zip(own, weights.T, strict=True):
                        change[start * n_dim : stop * n_dim] = ((inputs * column) @ outputs.T).flatten()
            else:
                own.copy_(self._dense.lift_rows(weights, layer.offset, layer.offset + layer.size))
        return lifted

    def working_bytes(self, pieces: Sequence[Pieces], n_rows: int) -> int:
        """All factors, and the shortened inputs and output gradients of one layer at every position."""
        fixed, positions = 0, 1
        for layer in pieces:
            if isinstance(layer, OuterPieces | EmbeddingPieces):
                n_in = layer.inputs.shape[2] + 1 if isinstance(layer, OuterPieces) else 0
                fixed += n_in + layer.output_gradients.shape[2]
                positions = max(positions, layer.output_gradients.shape[1])
        dense = self._dense.working_bytes(
            [layer for layer in pieces if isinstance(layer, ExplicitPieces)], n_rows
        )
        return 4 * self.dim * (fixed + 4 * positions * n_rows) + dense

    def _note(self, pieces: Sequence[Pieces]) -> None:
        if not self._layers:
            self._layers = [layer.select(torch.arange(0)) for layer in pieces]

    def _input_side(self, layer: OuterPieces, device: torch.device) -> Tensor:
        """(in, dim), with a last row for the bias where there is one; scaled, so that the other side need not be."""
        return self._side(layer, 0, layer.inputs.shape[2] + layer.has_bias, self.dim**-0.5, device)

    def _output_side(self, layer: OuterPieces | EmbeddingPieces, device: torch.device) -> Tensor:
        """(out, dim)."""
        return self._side(layer, 1, layer.output_gradients.shape[2], 1.0, device)

    def _side(self, layer: Pieces, side: int, size: int, scale: float, device: torch.device) -> Tensor:
        key = (layer.offset, side)
        found = self._factors.get(key)
        if found is None or found.device != device:
            generator = torch.Generator().manual_seed(mix(self.seed, 2 * layer.offset + side))
            signs = torch.randint(0, 2, (size, self.dim), generator=generator).mul_(2).sub_(1)
            found = self._factors[key] = (signs * scale).to(device)
        return found
