"""What a graph network of two layers reads of a node, so that each node is an example of its own.

The first layer of GCN, GraphSAGE and GIN aggregates features before any weight is applied, so it is done once, over all
neighbours, by torch_geometric. The second aggregates what the first makes of a node's neighbours: up to `FAN_OUT` of
them, drawn once per node (Hamilton et al. 2017, arXiv 1706.02216, section 3.1), and weighted to stand for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from gradtag_core.tasks.suite import TaskSuite

GraphKind = Literal["gcn", "sage", "gin"]
FAN_OUT = 16  # neighbours drawn of each node; three quarters of the Debian packages have no more
KEPT = 4  # suites whose neighbourhoods a process keeps
MESSAGE_ENTRIES = 2**25  # numbers that neighbours send at a time while features are aggregated


@dataclass(frozen=True)
class Neighbourhoods:
    """`features` (nodes, F): what the first layer reads of each node; `members` (nodes, T): the node itself and its
    drawn neighbours, filled up with the node; `weights` (nodes, T): how much each counts in the second layer, 0 where
    filled up. Indexed, it gives (B, T, F + 1) with the weights in the last column."""

    features: Tensor
    members: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, examples: Tensor) -> Tensor:
        import torch

        return torch.cat([self.features[self.members[examples]], self.weights[examples, :, None]], dim=-1)

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in (self.features, self.members, self.weights))


_made: dict[tuple[str, str, str], Neighbourhoods] = {}


def neighbourhoods_of(kind: GraphKind, suite: TaskSuite) -> Neighbourhoods:
    """The neighbourhoods in a suite's graph, made once per process; the nodes have the features of hop 0."""
    assert suite.edges is not None  # `EncoderKind.needs_edges`
    key = (kind, suite.fingerprint, sha256(np.ascontiguousarray(suite.edges).data).hexdigest())
    if key not in _made:
        while len(_made) >= KEPT:
            del _made[next(iter(_made))]
        features = suite.inputs[:, 0] if suite.inputs.ndim == 3 else suite.inputs
        _made[key] = make_neighbourhoods(kind, features, suite.edges)
    return _made[key]


def neighbourhood_shape(kind: GraphKind, suite: TaskSuite) -> tuple[int, int]:
    """(T, F + 1) of one node, without making them."""
    assert suite.edges is not None
    highest = int(np.bincount(suite.edges.ravel(), minlength=1).max())
    return 1 + min(FAN_OUT, highest), (2 if kind == "sage" else 1) * suite.inputs.shape[-1] + 1


def make_neighbourhoods(
    kind: GraphKind, features: np.ndarray, edges: np.ndarray, fan_out: int = FAN_OUT
) -> Neighbourhoods:
    """The neighbourhoods of all nodes of an undirected graph, `edges` (E, 2), with `features` (nodes, columns)."""
    import torch

    members, degree = drawn_neighbours(edges, len(features), fan_out)
    seen = aggregated(kind, torch.from_numpy(np.ascontiguousarray(features)), edges, degree)
    weights = slot_weights(kind, members, degree)
    return Neighbourhoods(seen, torch.from_numpy(members), torch.from_numpy(weights))


def drawn_neighbours(edges: np.ndarray, n_nodes: int, fan_out: int) -> tuple[np.ndarray, np.ndarray]:
    """Each node and up to `fan_out` of its neighbours, (nodes, T), filled up with the node; degrees (nodes,).

    The order of a node's neighbours is that of a hash of both, so that a draw is the same on every machine.
    """
    target, source = np.concatenate([edges, edges[:, ::-1]]).T
    order = np.lexsort((_mixed(target * n_nodes + source), target))
    target, source = target[order], source[order]
    degree = np.bincount(target, minlength=n_nodes)
    rank = np.arange(len(target)) - np.repeat(degree.cumsum() - degree, degree)
    n_slots = 1 + min(fan_out, int(degree.max(initial=0)))
    members = np.repeat(np.arange(n_nodes)[:, None], n_slots, axis=1)
    drawn = rank + 1 < n_slots
    members[target[drawn], 1 + rank[drawn]] = source[drawn]
    return members, degree


def aggregated(kind: GraphKind, features: Tensor, edges: np.ndarray, degree: np.ndarray) -> Tensor:
    """What the first layer multiplies by its weights: sums with GCN's norm, (node, mean) or sums with the node itself.

    `features` (nodes, F) -> (nodes, F), of GraphSAGE (nodes, 2 F).
    """
    import torch
    from torch_geometric.nn import SimpleConv

    parts = max(1, -(-2 * len(edges) * features.shape[1] // MESSAGE_ENTRIES))
    both_ways = torch.from_numpy(np.concatenate([edges, edges[:, ::-1]]).T.copy())
    mean = kind == "sage"
    columns = torch.arange(features.shape[1]).chunk(parts)
    conv = SimpleConv(aggr="mean" if mean else "sum", combine_root=None if mean else "sum")
    norm = torch.from_numpy(degree + 1.0).rsqrt().to(features)[:, None] if kind == "gcn" else 1.0
    found = torch.cat([norm * conv(norm * features[:, some], both_ways) for some in columns], dim=1)
    return torch.cat([features, found], dim=1) if mean else found


def slot_weights(kind: GraphKind, members: np.ndarray, degree: np.ndarray) -> np.ndarray:
    """The weights (nodes, T) of members in the second layer: of a node's own, then of the drawn neighbours.

    GCN: 1 / √((dᵥ + 1) (dᵤ + 1)), GraphSAGE: 0 and the mean, GIN: 1, degrees d being those of the whole graph; those
    of neighbours times dᵥ over how many were drawn, which makes the sum right on average.
    """
    slots = np.arange(members.shape[1])
    drawn = np.minimum(degree, members.shape[1] - 1)
    neighbour = (slots > 0) & (slots <= drawn[:, None])
    weights = np.where(neighbour, (degree / np.maximum(drawn, 1))[:, None], slots == 0)
    if kind == "gcn":
        weights /= np.sqrt((degree[members] + 1.0) * (degree[:, None] + 1.0))
    elif kind == "sage":
        weights = neighbour / np.maximum(drawn, 1)[:, None]
    return weights.astype(np.float32)


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """A hash of each whole number (the finaliser of splitmix64; Steele et al., OOPSLA 2014)."""
    mixed = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
