"""BigClam: overlapping communities as non-negative factors of the graph (Yang and Leskovec, WSDM 2013)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from gradtag_core.cost import measure
from gradtag_core.methods.cluster_matching import match_clusters, strength_logits
from gradtag_core.methods.node_scores import NodeLogits, graph_of
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.progress import Reporter

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ITERATIONS = 50
LEAST_DEGREE = 5  # of a node whose neighbourhood may start a community
DRAWN_MEMBERS = 10  # of a community that no neighbourhood starts
LARGEST_BACKGROUND = 0.9  # so that the threshold is finite on a complete graph
LEAST_STRENGTH = 1e-3  # of what is compared by its logarithm


@dataclass(frozen=True, eq=False)
class AffiliationGraph:
    """The Bernoulli-Poisson model: an edge has the chance 1 - (1 - ε) exp(-F_u · F_v).

    ε, the density of the graph, is the chance of an edge between nodes that share no community; without it the
    likelihood of such an edge is 0, and nothing can start.
    """

    edges: np.ndarray
    n_nodes: int

    @property
    def background(self) -> float:
        """ε = 2E / (N (N - 1))."""
        pairs = self.n_nodes * (self.n_nodes - 1)
        return min(2 * len(self.edges) / max(pairs, 1), LARGEST_BACKGROUND)

    @property
    def threshold(self) -> float:
        """δ = sqrt(-log(1 - ε)): two nodes that share a community above it are likelier linked than any two."""
        return float(np.sqrt(-np.log1p(-self.background)))

    def loss(self, factors: Float[np.ndarray, "nodes communities"]) -> tuple[float, np.ndarray]:
        """The negative log likelihood of F, up to a constant, and its gradient.

        Σ_edges log(1 - exp(-x - δ²)) - Σ_non-edges x for x = F_u · F_v; the second sum is taken over all pairs, from
        the column sums, less the edges.
        """
        from scipy.sparse import csr_array

        first, second = self.edges.T
        dots = np.einsum("ek,ek->e", factors[first], factors[second])
        shifted = dots + self.threshold**2
        total = factors.sum(axis=0)
        all_pairs = (total @ total - np.vdot(factors, factors)) / 2
        value = all_pairs - dots.sum() - np.log(-np.expm1(-shifted)).sum()
        pull = -1 / np.expm1(-shifted)  # 1 / (1 - e^-x): of the edge, and of its share in all pairs
        ends = np.concatenate([first, second]), np.concatenate([second, first])
        weighted = csr_array((np.tile(pull, 2), ends), shape=(self.n_nodes, self.n_nodes))
        return float(value), total - factors - weighted @ factors

    def loss_flops(self, n_communities: int) -> float:
        """Products along the edges, the weighted sums over neighbours, and the sums over all pairs."""
        return n_communities * (2.0 * len(self.edges) + 4.0 * len(self.edges) + 5.0 * self.n_nodes)


def adjacency(edges: np.ndarray, n_nodes: int) -> "csr_array":
    from scipy.sparse import csr_array

    ends = np.concatenate([edges[:, 0], edges[:, 1]]), np.concatenate([edges[:, 1], edges[:, 0]])
    return csr_array((np.ones(2 * len(edges)), ends), shape=(n_nodes, n_nodes))


def triangles(matrix: "csr_array") -> Float[np.ndarray, "nodes"]:
    """The triangles that each node is part of.

    Edges point to the end of higher degree, so that hubs have few of them and the products stay sparse.
    """
    from scipy.sparse import csr_array

    row, column = matrix.nonzero()
    degree = np.bincount(row, minlength=len(matrix.indptr) - 1)
    rank = np.empty(len(degree), dtype=np.int64)
    rank[np.lexsort((np.arange(len(degree)), degree))] = np.arange(len(degree))
    up = rank[row] < rank[column]
    oriented: Any = csr_array((np.ones(up.sum()), (row[up], column[up])), shape=matrix.shape)
    ends = (oriented @ oriented).multiply(oriented)
    middles = (oriented.T @ oriented).multiply(oriented)
    return ends.sum(axis=1) + ends.sum(axis=0) + middles.sum(axis=1)


def conductances(matrix: "csr_array") -> Float[np.ndarray, "nodes"]:
    """Of each node and its neighbours as a set: the share of their edge ends that lead outside; 1 where all the
    edges of the graph are inside."""
    degree = matrix.sum(axis=1)
    volume = degree + matrix @ degree
    inside = 2 * (degree + triangles(matrix))
    smaller = np.minimum(volume, degree.sum() - volume)
    return np.divide(volume - inside, smaller, out=np.ones_like(degree), where=smaller > 0)


def first_factors(
    edges: np.ndarray, n_nodes: int, n_communities: int, seed: int
) -> Float[np.ndarray, "nodes communities"]:
    """Neighbourhoods of least conductance, none of whose centres is in an earlier one (section 4 of the paper); some
    nodes at random for each community that is left."""
    rng = np.random.default_rng(seed)
    factors = np.zeros((n_nodes, n_communities))
    matrix = adjacency(edges, n_nodes)
    starts = matrix.indptr
    order = np.argsort(conductances(matrix), kind="stable")
    taken = np.diff(starts) < LEAST_DEGREE
    column = 0
    for node in order:
        if column == n_communities:
            break
        if not taken[node]:
            own = np.append(matrix.indices[starts[node] : starts[node + 1]], node)
            factors[own, column] = 1
            taken[own] = True
            column += 1
    for rest in range(column, n_communities):
        factors[rng.choice(n_nodes, min(DRAWN_MEMBERS, n_nodes), replace=False), rest] = rng.random()
    return factors


def fit_affiliations(
    edges: np.ndarray, n_nodes: int, n_communities: int, seed: int = 0, reporter: Reporter | None = None
) -> tuple[Float[np.ndarray, "nodes communities"], float]:
    """F ≥ 0 of least loss by L-BFGS-B from `first_factors`, and the FLOPs of the evaluations.

    The paper ascends node by node; a quasi-Newton method with the same bounds moves all at once.
    """
    from scipy.optimize import minimize

    model, reporter = AffiliationGraph(edges, n_nodes), reporter or Reporter()
    if not len(edges):
        return np.zeros((n_nodes, n_communities)), 0.0
    evaluations = 0

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal evaluations
        reporter.check()
        evaluations += 1
        value, gradient = model.loss(flat.reshape(n_nodes, n_communities))
        return value, gradient.ravel()

    start = first_factors(edges, n_nodes, n_communities, seed)
    found = minimize(
        loss, start.ravel(), jac=True, method="L-BFGS-B", bounds=[(0, None)] * start.size,
        options={"maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "maxcor": 5},
    )  # fmt: skip
    return found.x.reshape(start.shape), evaluations * model.loss_flops(n_communities)


def run(setting: Setting) -> MethodResult:
    """As many communities as there are tasks; a node is a member where its factor exceeds δ."""
    from scipy.sparse import csr_array

    suite, edges = setting.suite, graph_of(setting)
    with measure() as meter:
        factors, flops = fit_affiliations(
            edges, suite.n_examples, suite.n_tasks, setting.seed, setting.reporter
        )
        meter.flops += flops
        threshold = AffiliationGraph(edges, suite.n_examples).threshold
        matches = match_clusters(suite, csr_array((factors > threshold).astype(np.float64)))
        strengths = np.maximum(factors, LEAST_STRENGTH)
        logits = strength_logits(suite, strengths, max(threshold, LEAST_STRENGTH), matches)
        found = NodeLogits.of(setting, logits, {"n_communities": float(suite.n_tasks)})
    return found.result(setting, "bigclam", meter.cost)
