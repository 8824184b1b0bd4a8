"""Dense random projections (paper, section 3.2): normal entries, or random signs as in its code."""

from typing import Literal

import torch
from torch import Tensor

from gradtag_core.gradients.block_projection import BLOCK_ROWS, BlockProjection


class RandomProjection(BlockProjection):
    """Entries N(0, 1/dim), or signs of size 1/sqrt(dim)."""

    def __init__(self, kind: Literal["gaussian", "rademacher"], dim: int, seed: int):
        super().__init__(dim, seed)
        self.kind = kind

    @property
    def nonzeros(self) -> int:
        return self.dim

    @property
    def nonzero_bytes(self) -> int:
        return 4

    def rows(self, start: int, stop: int, device: torch.device | None = None) -> Tensor:
        """Rows `start` to `stop` of P: float32, (stop - start, dim)."""
        return self.blocks(start, stop, device or torch.device("cpu"))[0]

    def rows_at(self, places: Tensor) -> Tensor:
        """Some rows of P, in the order asked for: (N,) -> (N, dim)."""
        found = torch.empty(len(places), self.dim, device=places.device)
        block = places // BLOCK_ROWS
        for index in torch.unique(block).tolist():
            here = block == index
            whole = self.rows(index * BLOCK_ROWS, (index + 1) * BLOCK_ROWS, places.device)
            found[here] = whole[places[here] % BLOCK_ROWS]
        return found

    def make_block(self, generator: torch.Generator) -> tuple[Tensor]:
        shape = (BLOCK_ROWS, self.dim)
        if self.kind == "gaussian":
            block = torch.randn(shape, generator=generator)
        else:
            block = torch.randint(0, 2, shape, generator=generator).mul_(2).sub_(1).float()
        return (block.div_(self.dim**0.5),)

    def apply(self, vectors: Tensor, start: int, n_outputs: int) -> Tensor:
        size = vectors.shape[1]
        rows = self.rows(start, start + n_outputs * size, vectors.device)
        return torch.matmul(vectors, rows.view(n_outputs, size, self.dim))

    def spread(self, weights: Tensor, start: int, stop: int) -> Tensor:
        return self.rows(start, stop, weights.device) @ weights
