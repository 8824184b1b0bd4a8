"""The sparse Johnson-Lindenstrauss transform (Kane and Nelson 2014, "Sparser Johnson-Lindenstrauss transforms")."""

import torch
from torch import Tensor

from gradtag_core.gradients.block_projection import BLOCK_ROWS, BlockProjection
from gradtag_core.models.architecture import SJLT_NONZEROS


class SparseProjection(BlockProjection):
    """Each parameter goes with random signs to one random column in each of a few equal ranges of columns.

    A row of P has `nonzeros` entries of size 1/sqrt(nonzeros), so it has length one exactly.
    """

    def __init__(self, dim: int, seed: int, nonzeros: int = SJLT_NONZEROS):
        super().__init__(dim, seed)
        self._nonzeros = min(nonzeros, dim)

    @property
    def nonzeros(self) -> int:
        return self._nonzeros

    @property
    def nonzero_bytes(self) -> int:
        return 64  # column and size, and two numbers for its place in a sparse matrix that is sorted

    def make_block(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Columns, and signed sizes of the entries there: (BLOCK_ROWS, nonzeros) each."""
        edges = [index * self.dim // self.nonzeros for index in range(self.nonzeros + 1)]
        columns = [
            torch.randint(edges[index], edges[index + 1], (BLOCK_ROWS,), generator=generator)
            for index in range(self.nonzeros)
        ]
        signs = torch.randint(0, 2, (BLOCK_ROWS, self.nonzeros), generator=generator).mul_(2).sub_(1)
        return torch.stack(columns, dim=1), signs / self.nonzeros**0.5

    def apply(self, vectors: Tensor, start: int, n_outputs: int) -> Tensor:
        size = vectors.shape[1]
        columns, entries = self.blocks(start, start + n_outputs * size, vectors.device)
        place = torch.arange(n_outputs * size, device=vectors.device)[:, None]
        # One sparse matrix for all outputs: what output o adds to column c stands in row o * dim + c.
        target = place // size * self.dim + columns
        source = (place % size).expand_as(columns)
        matrix = torch.sparse_coo_tensor(
            torch.stack([target.flatten(), source.flatten()]), entries.flatten(), (n_outputs * self.dim, size),
            check_invariants=False,
        )  # fmt: skip
        found = torch.sparse.mm(matrix, vectors.T.contiguous())
        return found.view(n_outputs, self.dim, len(vectors)).transpose(1, 2)

    def spread(self, weights: Tensor, start: int, stop: int) -> Tensor:
        columns, entries = self.blocks(start, stop, weights.device)
        return (weights[columns] * entries[..., None]).sum(dim=1)
