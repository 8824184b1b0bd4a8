"""Node features made from a graph alone: its personalised PageRank or its adjacency, factorised."""

from typing import TYPE_CHECKING

import numpy as np

from gradtag_core.errors import InvalidInput
from gradtag_core.progress import Reporter
from gradtag_core.tasks.propagation import normalised_adjacency

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RESTART = 0.15
TOLERANCE = 0.01
BLOCK_NUMBERS = 2**18  # of a block of rows: what the processor caches hold
LEAST_FLOOR = 1e-4
POWER_ITERATIONS = 7
OVERSAMPLES = 32
RELATIVE_RANK = 1e-9


def personalised_pagerank(
    edges: np.ndarray,
    n_nodes: int,
    *,
    restart: float = RESTART,
    tolerance: float = TOLERANCE,
    floor: float = 0.0,
    reporter: Reporter | None = None,
) -> "csr_array":
    """Where a random walk from each node stops: c Σ_t (1 - c)^t P^t for P = D^-1 A (Haveliwala, WWW 2002).

    The walk stops with chance c, `restart`, before each step; one at a node without edges stays there. The sum
    ends when at most the share `tolerance` of the walks still runs, which is what a row then lacks of 1; entries
    up to `floor` are left out. `edges` (E, 2) as for `normalised_adjacency`. Blocks of sources bound the memory;
    the time grows with nodes · edges. Returns float64, (n_nodes, n_nodes).
    """
    from scipy.sparse import csr_array, vstack

    for name, value in (("restart", restart), ("tolerance", tolerance)):
        if not 0 < value < 1:
            raise InvalidInput(f"`{name}` must be between 0 and 1; found {value}.")
    _require_sizes(n_nodes)
    arrivals = _arrivals(edges, n_nodes)
    n_steps = int(np.ceil(np.log(tolerance) / np.log1p(-restart)))
    at_once = max(8, BLOCK_NUMBERS // n_nodes)
    parts = np.split(np.arange(n_nodes), range(at_once, n_nodes, at_once))
    rows = []
    for sources in (reporter or Reporter()).track("personalised PageRank", parts, len(parts)):
        walking = np.zeros((n_nodes, len(sources)))
        walking[sources, np.arange(len(sources))] = 1
        stopped = restart * walking
        for _ in range(n_steps - 1):
            walking = (1 - restart) * (arrivals @ walking)
            stopped += restart * walking
        stopped[stopped <= floor] = 0
        rows.append(csr_array(stopped.T))
    return csr_array(vstack(rows, format="csr"))


def ppr_embedding(
    edges: np.ndarray,
    n_nodes: int,
    dim: int = 128,
    *,
    restart: float = RESTART,
    seed: int = 0,
    reporter: Reporter | None = None,
) -> np.ndarray:
    """The matrix log(π/δ), cut at 0, of personalised PageRank π as U √Σ of its leading singular triplets.

    What VERSE (Tsitsulin et al., WWW 2018; `restart` 0.15 is its α = 0.85) approaches by sampling: its optimum
    is the logarithm of π up to a constant; factorised directly as in STRAP (Yin and Wei, KDD 2019). δ is the
    uniform 1 / `n_nodes`, at least 1e-4, which keeps the matrix sparse. Equal arguments give equal features.
    Returns float64, (n_nodes, dim).
    """
    _require_sizes(n_nodes, dim)
    floor = max(1 / max(n_nodes, 2), LEAST_FLOOR)
    matrix = personalised_pagerank(edges, n_nodes, restart=restart, floor=floor, reporter=reporter)
    matrix.data = np.log(np.divide(matrix.data, floor))
    return _left_factor(matrix, n_nodes, dim, seed)


def structural_svd(edges: np.ndarray, n_nodes: int, dim: int = 128, *, seed: int = 0) -> np.ndarray:
    """The symmetrically normalised adjacency matrix as U √Σ of its leading singular triplets.

    Equal arguments give equal features. Returns float64, (n_nodes, dim).
    """
    _require_sizes(n_nodes, dim)
    return _left_factor(normalised_adjacency(edges, n_nodes), n_nodes, dim, seed)


def _arrivals(edges: np.ndarray, n_nodes: int) -> "csr_array":
    """The chance to come to a node (row) by one step from another (column); who has no edges has a loop."""
    from scipy.sparse import csr_array

    adjacency = normalised_adjacency(edges, n_nodes)
    alone = np.flatnonzero(np.diff(adjacency.indptr) == 0)
    source, target = adjacency.nonzero()
    source, target = np.append(source, alone), np.append(target, alone)
    degree = np.bincount(source, minlength=n_nodes)
    return csr_array((1 / degree[source], (target, source)), shape=(n_nodes, n_nodes))


def _left_factor(matrix: "csr_array", n_nodes: int, dim: int, seed: int) -> np.ndarray:
    """U √Σ by randomised SVD (Halko, Martinsson and Tropp, 2011); columns beyond the rank are 0.

    The entry of largest size in each column is positive, so that signs do not depend on the solver.
    """
    from sklearn.utils.extmath import randomized_svd

    kept = min(dim, n_nodes)
    left, values, _ = randomized_svd(
        matrix,
        kept,
        n_oversamples=OVERSAMPLES,
        n_iter=POWER_ITERATIONS,  # type: ignore[arg-type]  # inferred from its default, "auto"
        power_iteration_normalizer="QR",
        flip_sign=False,
        random_state=seed,
    )
    left *= np.sign(left[np.abs(left).argmax(axis=0), np.arange(kept)])
    # Directions of no size are rounding noise, which scaling to unit variance would blow up.
    values = np.where(values > RELATIVE_RANK * values.max(), values, 0.0)
    return np.pad(left * np.sqrt(values), ((0, 0), (0, dim - kept)))


def _require_sizes(n_nodes: int, dim: int = 1) -> None:
    for name, value in (("n_nodes", n_nodes), ("dim", dim)):
        if value < 1:
            raise InvalidInput(f"`{name}` must be 1 or more; found {value}.")
