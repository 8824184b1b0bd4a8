"""Shortening gradients to `dim` numbers that keep their inner products."""

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor
from torch.nn.functional import pad

from gradtag_core.config import ProjectionKind
from gradtag_core.errors import GradTagError
from gradtag_core.gradients.per_example import RowGroups
from gradtag_core.gradients.pieces import OuterPieces, Pieces

# The gradients of some rows after those of others; iterated over several times, with the same content each time.
Batches = Iterable[tuple[Sequence[Pieces], RowGroups]]


@runtime_checkable
class Projection(Protocol):
    """Maps gradients in pieces to φ = Pᵀ g of shape (rows, `dim`) with φ · φ' ≈ g · g'.

    A projection follows from its seed, and from the gradients it was fitted to where it depends on data; it is
    never stored. `block_bytes` is what it may hold of P at a time.
    """

    dim: int
    depends_on_data: bool
    block_bytes: int

    def fit(self, batches: Batches) -> float:
        """Learn the layers, and adapt to the gradients where it `depends_on_data`; returns the FLOPs."""
        ...

    def project(self, pieces: Sequence[Pieces], rows: RowGroups) -> tuple[Tensor, float]:
        """φ of every row, (R, dim), and the FLOPs."""
        ...

    def lift(self, weights: Tensor) -> Tensor:
        """The parameter changes P w, so that g · P w = φ · w: (dim, K) -> (K, p), float32.

        Raises `GradTagError` before it was fitted or has projected.
        """
        ...

    def working_bytes(self, pieces: Sequence[Pieces], n_rows: int) -> int:
        """What projecting (and fitting) holds, beside the pieces of `n_rows` rows and `block_bytes`."""
        ...


def make_projection(kind: ProjectionKind, dim: int, seed: int) -> Projection:
    """The projection of a configuration."""
    from gradtag_core.gradients.factored import FactoredProjection
    from gradtag_core.gradients.identity import IdentityProjection
    from gradtag_core.gradients.principal import PrincipalProjection
    from gradtag_core.gradients.random_projection import RandomProjection
    from gradtag_core.gradients.sjlt import SparseProjection

    match kind:
        case "pca":
            return PrincipalProjection(dim)
        case "factored":
            return FactoredProjection(dim, seed)
        case "sjlt":
            return SparseProjection(dim, seed)
        case "identity":
            return IdentityProjection()
        case _:
            return RandomProjection(kind, dim, seed)


def n_parameters(pieces: Sequence[Pieces]) -> int:
    """p, the length of the flattened vector that the pieces of all layers cover."""
    return max((layer.offset + layer.size for layer in pieces), default=0)


def with_one(layer: OuterPieces) -> Tensor:
    """The inputs of a layer, with a one at the end of each where it has a bias."""
    return pad(layer.inputs, (0, 1), value=1.0) if layer.has_bias else layer.inputs


def not_fitted(verb: str) -> GradTagError:
    return GradTagError(f"A projection must be fitted to training gradients before it {verb}.")
