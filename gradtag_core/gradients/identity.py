"""No projection: the kernel of the gradients, exactly (the neural tangent kernel at the base model)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gradtag_core.gradients.per_example import RowGroups
from gradtag_core.gradients.pieces import Pieces
from gradtag_core.gradients.projection import Batches, n_parameters


class IdentityProjection:
    """P = I. `gram` never forms a gradient and is what the dual of a regression needs; `project` writes gradients
    out, all p numbers of each row, for small models."""

    depends_on_data = False

    def __init__(self) -> None:
        self.dim = 0  # p, once it was fitted or has projected
        self.block_bytes = 0  # there is nothing to regenerate

    def fit(self, batches: Batches) -> float:
        """Only counts the parameters."""
        for pieces, _ in batches:
            self.dim = n_parameters(pieces)
            break
        return 0.0

    def project(self, pieces: Sequence[Pieces], rows: RowGroups) -> tuple[Tensor, float]:
        """The gradients of every row, (R, p), and the FLOPs."""
        self.dim = n_parameters(pieces)
        found = torch.zeros(len(rows.group), self.dim, device=rows.group.device)
        for layer in pieces:
            found[:, layer.offset : layer.offset + layer.size] = layer.gradients()
        return found, float(found.numel())

    def gram(self, pieces: Sequence[Pieces], others: Sequence[Pieces]) -> Tensor:
        """G G'ᵀ of the pieces of R and of R' rows at the same layers: (R, R')."""
        return kernel_of(pieces, others)

    def lift(self, weights: Tensor) -> Tensor:
        """The weights themselves are the change: (p, K) -> (K, p)."""
        return weights.float().T

    def working_bytes(self, pieces: Sequence[Pieces], n_rows: int) -> int:
        """The gradients, and those of the largest layer twice."""
        return 4 * n_rows * (n_parameters(pieces) + 2 * max((layer.size for layer in pieces), default=0))


def kernel_of(pieces: Sequence[Pieces], others: Sequence[Pieces]) -> Tensor:
    """The inner products of gradients that are not formed, layer by layer: (R, R')."""
    total = pieces[0].gram(others[0])
    for layer, other in zip(pieces[1:], others[1:], strict=True):
        total += layer.gram(other)
    return total
