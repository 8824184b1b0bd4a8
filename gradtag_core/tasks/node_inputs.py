"""Inputs of nodes: their features, made or given, averaged over the hops around them."""

from typing import Literal, get_args

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.progress import Reporter
from gradtag_core.tasks.node_embedding import ppr_embedding, structural_svd
from gradtag_core.tasks.propagation import propagate
from gradtag_core.tasks.scaling import standardise

MadeFeatures = Literal["ppr", "svd"]
MAX_NUMBERS = 2**28  # of the inputs: 1 GB


def node_inputs(
    edges: np.ndarray,
    n_nodes: int,
    features: MadeFeatures | np.ndarray,
    hops: int,
    dim: int,
    seed: int = 0,
    reporter: Reporter | None = None,
) -> np.ndarray:
    """Features propagated over `hops`, each hop standardised: float32 (n_nodes, hops + 1, columns).

    `features` (n_nodes, columns), or how to make `dim` of them from the edges: "ppr" or "svd".
    """
    if isinstance(features, str) and features not in get_args(MadeFeatures):
        raise InvalidInput(f"`features` must be one of {quoted(get_args(MadeFeatures))}; found `{features}`.")
    columns = dim if isinstance(features, str) else features.shape[1]
    if n_nodes * (hops + 1) * columns > MAX_NUMBERS:
        raise InvalidInput(
            f"`hops`, `dim` and the nodes must come to at most {MAX_NUMBERS:,} numbers; found {n_nodes:,} nodes × "
            f"{hops + 1} hops × {columns:,} features. Use fewer of them, or members only."
        )
    if isinstance(features, np.ndarray):
        embedding = features
    elif features == "ppr":
        embedding = ppr_embedding(edges, n_nodes, dim, seed=seed, reporter=reporter)
    else:
        embedding = structural_svd(edges, n_nodes, dim, seed=seed)
    # Hop by hop, since scaling all at once would take several times the memory.
    scaled = [standardise(hop) for hop in np.moveaxis(propagate(embedding, edges, hops), 1, 0)]
    return np.stack(scaled, axis=1)
