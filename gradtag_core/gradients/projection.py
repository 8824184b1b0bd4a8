"""Random projections of gradients, regenerated from a seed and never stored with a result (paper, section 3.2)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradtag_core.config import ProjectionKind

BLOCK_ROWS = 2048  # fixed: which numbers stand in the matrix must not depend on how it is read
CACHE_BYTES = 512 * 2**20


@dataclass
class Projection:
    """The matrix P of shape (p, `dim`) with E[P Pᵀ] = I: entries N(0, 1/dim), or signs of size 1/sqrt(dim).

    Any slice of rows can be asked for in any order; blocks are kept while they fit `CACHE_BYTES`.
    """

    kind: ProjectionKind
    dim: int
    seed: int
    _blocks: dict[int, Tensor] = field(default_factory=dict, repr=False)

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
