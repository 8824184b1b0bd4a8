"""Large graphs with known communities, generated under the laws that social and purchase networks follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradtag_core.errors import InvalidInput

MOST_NODES, MOST_EDGES = 10**6, 10**8
DENSEST = 0.5  # share of the pairs of a community that can be edges


@dataclass(frozen=True)
class GraphLaws:
    """What SNAP's graphs with ground-truth communities share (Yang and Leskovec, ICDM 2012).

    `degree_exponent`, `size_exponent`: of the power laws of degrees and of community sizes. `background`: the share of
    edges that have nothing to do with communities. `density_exponent` γ: the edges inside a community of s members
    grow like s^(2 - γ), so that larger ones are thinner (the affiliation graph model, section IV).
    """

    degree_exponent: float = 2.5
    size_exponent: float = 2.2
    background: float = 0.3
    density_exponent: float = 0.8
    smallest_community: int = 20
    largest_community: float = 0.05  # as a share of the nodes

    def __post_init__(self) -> None:
        for name in ("degree_exponent", "size_exponent"):
            if not getattr(self, name) > 1:
                raise InvalidInput(f"`{name}` must be above 1; found {getattr(self, name)}.")
        for name in ("background", "largest_community"):
            if not 0 < getattr(self, name) < 1:
                raise InvalidInput(f"`{name}` must lie between 0 and 1; found {getattr(self, name)}.")


@dataclass(frozen=True)
class GeneratedGraph:
    """`edges` (E, 2) int64, each pair once, lower node first, sorted; `communities`: ascending node ids of each, the
    largest first."""

    n_nodes: int
    edges: np.ndarray
    communities: tuple[np.ndarray, ...]


def generate_graph(
    n_nodes: int,
    n_edges: int,
    n_communities: int,
    seed: int = 0,
    laws: GraphLaws = GraphLaws(),
) -> GeneratedGraph:
    """A graph of exactly `n_edges` edges, with overlapping communities of power-law sizes and power-law degrees.

    Each node has a weight; ends of edges are drawn by weight, inside communities or over all nodes (Chung and Lu,
    2002). Raises `InvalidInput` for more than can be drawn.
    """
    _check(n_nodes, n_edges, n_communities, laws)
    generator = np.random.default_rng(seed)
    weights = generator.pareto(laws.degree_exponent - 1, n_nodes) + 1
    weights = np.minimum(weights, np.sqrt(weights.sum()))  # no pair is an edge for certain
    communities = _communities(n_nodes, n_communities, generator, laws)
    keys = _inside(communities, weights, round((1 - laws.background) * n_edges), generator, laws)
    keys = _filled_up(keys, weights, n_edges, generator)
    return GeneratedGraph(n_nodes, np.stack(np.divmod(keys, n_nodes), axis=1), communities)


def _check(n_nodes: int, n_edges: int, n_communities: int, laws: GraphLaws) -> None:
    if not 2 * laws.smallest_community <= n_nodes <= MOST_NODES:
        raise InvalidInput(
            f"`n_nodes` must be {2 * laws.smallest_community} to {MOST_NODES:,}; found {n_nodes:,}."
        )
    most = min(MOST_EDGES, n_nodes * (n_nodes - 1) // 20)
    if not 1 <= n_edges <= most:
        raise InvalidInput(
            f"`n_edges` must be 1 to {most:,} (a tenth of all pairs at most); found {n_edges:,}."
        )
    if not 1 <= n_communities <= n_nodes:
        raise InvalidInput(f"`n_communities` must be 1 to the {n_nodes:,} nodes; found {n_communities:,}.")


def _communities(
    n_nodes: int, n_communities: int, generator: np.random.Generator, laws: GraphLaws
) -> tuple[np.ndarray, ...]:
    """Members of each: neighbours on a shuffled circle, so that communities overlap with few others, as in SNAP's."""
    smallest, largest = (
        laws.smallest_community,
        max(laws.smallest_community + 1, laws.largest_community * n_nodes),
    )
    tail = 1 - laws.size_exponent
    uniform = generator.random(n_communities)
    sizes = (smallest**tail + uniform * (largest**tail - smallest**tail)) ** (1 / tail)  # by inversion
    sizes = np.sort(sizes.astype(np.int64))[::-1]
    circle, starts = generator.permutation(n_nodes), generator.integers(0, n_nodes, n_communities)
    # Every second place of a stretch twice as long: two overlapping communities share half of the places at most.
    spread = (np.sort(generator.choice(2 * size, size, replace=False)) for size in sizes)
    return tuple(
        np.sort(circle[(start + places) % n_nodes]) for start, places in zip(starts, spread, strict=True)
    )


def _inside(
    communities: tuple[np.ndarray, ...], weights: np.ndarray, n_wanted: int, generator: np.random.Generator,
    laws: GraphLaws,
) -> np.ndarray:  # fmt: skip
    """Keys of the different edges inside communities, at most about `n_wanted`."""
    sizes = np.array([len(members) for members in communities], dtype=np.float64)
    shares = sizes ** (2 - laws.density_exponent)
    counts = np.minimum(n_wanted * shares / shares.sum(), DENSEST * sizes * (sizes - 1) / 2).astype(np.int64)
    drawn = [
        _keys(*_pairs(members, weights[members], count, generator), len(weights))
        for members, count in zip(communities, counts.tolist(), strict=True)
    ]
    return np.unique(np.concatenate(drawn))


def _filled_up(
    keys: np.ndarray, weights: np.ndarray, n_edges: int, generator: np.random.Generator
) -> np.ndarray:
    """The keys and edges over all nodes, exactly `n_edges` in all."""
    nodes = np.arange(len(weights))
    while len(keys) < n_edges:
        missing = n_edges - len(keys)
        more = _keys(*_pairs(nodes, weights, missing + missing // 8 + 16, generator), len(weights))
        new = np.setdiff1d(more, keys)
        kept = generator.permutation(len(new))[:missing]
        keys = np.sort(np.concatenate([keys, new[kept]]))
    return keys


def _pairs(
    nodes: np.ndarray, weights: np.ndarray, count: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """`count` pairs of nodes, both ends drawn by weight."""
    cumulative = np.cumsum(weights)
    ends = np.searchsorted(cumulative, generator.random((2, count)) * cumulative[-1], side="right")
    first, second = nodes[np.minimum(ends, len(nodes) - 1)]
    return first, second


def _keys(first: np.ndarray, second: np.ndarray, n_nodes: int) -> np.ndarray:
    """One number for each pair, whatever its direction; self loops are dropped."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    return (low * n_nodes + high)[low != high]
