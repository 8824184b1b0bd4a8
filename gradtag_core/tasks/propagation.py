"""Neighbourhood averages of node features, computed once before training."""

from typing import TYPE_CHECKING

import numpy as np

from gradtag_core.errors import InvalidInput

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def normalised_adjacency(edges: np.ndarray, n_nodes: int, regulariser: float = 0.0) -> "csr_array":
    """(D + τI)^-1/2 A (D + τI)^-1/2 of an undirected graph (τ: Qin and Rohe, NeurIPS 2013).

    `edges` (E, 2): pairs of node indices; direction and repetition do not count, and self loops are dropped.
    `regulariser` τ damps small components and leaves; 0 is the plain symmetric normalisation.
    A node without edges has a row of zeros. Returns float64, (n_nodes, n_nodes).
    """
    from scipy.sparse import csr_array

    if edges.ndim != 2 or edges.shape[1] != 2 or not np.issubdtype(edges.dtype, np.integer):
        raise InvalidInput(
            f"`edges` must be pairs of whole numbers, shape (edges, 2); "
            f"found {edges.dtype} of shape {edges.shape}."
        )
    if len(edges) and (edges.min() < 0 or edges.max() >= n_nodes):
        raise InvalidInput(
            f"`edges` must name nodes from 0 to {n_nodes - 1}; found {edges.min()} to {edges.max()}."
        )
    source, target = edges[edges[:, 0] != edges[:, 1]].astype(np.int64).T
    ends = np.concatenate([source, target]), np.concatenate([target, source])
    adjacency = csr_array((np.ones(len(ends[0])), ends), shape=(n_nodes, n_nodes))
    adjacency.sum_duplicates()
    adjacency.data[:] = 1
    degree = np.diff(adjacency.indptr) + regulariser
    scale = np.divide(1, np.sqrt(degree), out=np.zeros(n_nodes), where=degree > 0)
    adjacency.data *= np.repeat(scale, np.diff(adjacency.indptr)) * scale[adjacency.indices]
    return adjacency


def propagate(features: np.ndarray, edges: np.ndarray, n_hops: int) -> np.ndarray:
    """Features averaged over r = 0 … `n_hops` hops, A^r X with the symmetric normalisation and no self loops.

    The inputs of SIGN (Frasca et al., 2020) with powers of the normalised adjacency as its operators.
    `features` (nodes, columns), `edges` (E, 2). Returns float64, (nodes, n_hops + 1, columns); hop 0 is X.
    """
    if features.ndim != 2:
        raise InvalidInput(f"`features` must have the shape (nodes, columns); found {features.shape}.")
    if n_hops < 0:
        raise InvalidInput(f"`n_hops` must be 0 or more; found {n_hops}.")
    adjacency = normalised_adjacency(edges, len(features))
    hops = [np.asarray(features, dtype=np.float64)]
    for _ in range(n_hops):
        hops.append(adjacency @ hops[-1])
    return np.stack(hops, axis=1)
