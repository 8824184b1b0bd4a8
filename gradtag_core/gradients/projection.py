"""Shortening gradients to `dim` numbers that keep their inner products."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from gradtag_core.config import ProjectionKind
from gradtag_core.gradients.per_example import LayerPieces, RowGroups


@runtime_checkable
class Projection(Protocol):
    """Maps gradients in pieces to φ of shape (rows, `dim`) with φ · φ' ≈ g · g'.

    A projection follows from its seed, and from the gradients it was fitted to where it depends on data; it is
    never stored.
    """

    dim: int
    depends_on_data: bool

    def fit(self, pieces: Sequence[LayerPieces], rows: RowGroups) -> float:
        """Adapt to a sample of training gradients, where the projection `depends_on_data`; returns the FLOPs."""
        ...

    def project(self, pieces: Sequence[LayerPieces], rows: RowGroups) -> tuple[Tensor, float]:
        """φ of every row, (R, dim), and the FLOPs."""
        ...


def make_projection(kind: ProjectionKind, dim: int, seed: int) -> Projection:
    """The projection of a configuration."""
    from gradtag_core.gradients.principal import PrincipalProjection
    from gradtag_core.gradients.random_projection import RandomProjection

    return PrincipalProjection(dim) if kind == "pca" else RandomProjection(kind, dim, seed)
