"""Random walks on an undirected graph, many at once, and the vectors that learning from them starts with."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gradtag_core.errors import InvalidInput

LEAST_BIAS, LARGEST_BIAS = 0.05, 20.0  # rejection draws about as many steps for each that it keeps


class Neighbours:
    """The neighbours of each node, ascending: node u's are `ends[starts[u] : starts[u + 1]]`."""

    def __init__(self, edges: Int[np.ndarray, "edges 2"], n_nodes: int):
        self.n_nodes = n_nodes
        keys = np.concatenate([edges @ [n_nodes, 1], edges @ [1, n_nodes]])
        self._keys = np.sort(keys)
        source, self.ends = np.divmod(self._keys, n_nodes)
        self.degree = np.bincount(source, minlength=n_nodes)
        self.starts = np.concatenate([[0], np.cumsum(self.degree)])

    def step(self, nodes: Int[np.ndarray, "walks"], rng: np.random.Generator) -> Int[np.ndarray, "walks"]:
        """A neighbour of each node, all equally likely; a node without edges stays."""
        degree = self.degree[nodes]
        moves = degree > 0
        places = self.starts[nodes[moves]] + (rng.random(moves.sum()) * degree[moves]).astype(np.int64)
        after = nodes.copy()
        after[moves] = self.ends[places]
        return after

    def linked(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Whether an edge joins the nodes of each pair."""
        keys = first * self.n_nodes + second
        places = np.searchsorted(self._keys, keys)
        return np.take(self._keys, places, mode="clip") == keys if len(self._keys) else keys < 0


def biased_walks(
    neighbours: Neighbours,
    starts: Int[np.ndarray, "walks"],
    length: int,
    p: float,
    q: float,
    rng: np.random.Generator,
) -> Int[np.ndarray, "walks length"]:
    """Second-order walks: from t over v to x with weight 1/p if x is t, 1 if an edge joins x and t, else 1/q
    (node2vec: Grover and Leskovec, KDD 2016, section 3.2)."""
    for name, value in (("p", p), ("q", q)):
        if not LEAST_BIAS <= value <= LARGEST_BIAS:
            raise InvalidInput(f"`{name}` must be from {LEAST_BIAS} to {LARGEST_BIAS:g}; found {value}.")
    walks = np.empty((len(starts), length), dtype=np.int64)
    walks[:, 0] = starts
    for place in range(1, length):
        if place == 1 or p == q == 1:
            walks[:, place] = neighbours.step(walks[:, place - 1], rng)
        else:
            walks[:, place] = _second_order(neighbours, walks[:, place - 2], walks[:, place - 1], p, q, rng)
    return walks


def _second_order(
    neighbours: Neighbours, before: np.ndarray, now: np.ndarray, p: float, q: float, rng: np.random.Generator
) -> np.ndarray:
    """One step by rejection: proposals are uniform, and kept with their weight's share of the largest."""
    largest = max(1 / p, 1, 1 / q)
    after = now.copy()
    waiting = np.flatnonzero(neighbours.degree[now] > 0)
    while len(waiting):
        proposed = neighbours.step(now[waiting], rng)
        back = proposed == before[waiting]
        near = neighbours.linked(before[waiting], proposed)
        weight = np.where(back, 1 / p, np.where(near, 1, 1 / q))
        kept = rng.random(len(waiting)) * largest < weight
        after[waiting[kept]] = proposed[kept]
        waiting = waiting[~kept]
    return after


def last_nodes(
    neighbours: Neighbours, starts: Int[np.ndarray, "walks"], restart: float, rng: np.random.Generator
) -> Int[np.ndarray, "walks"]:
    """Where walks stop that stop with the chance `restart` before each step: draws of personalised PageRank."""
    nodes = starts.copy()
    left = rng.geometric(restart, len(starts)) - 1
    moving = np.flatnonzero(left)
    while len(moving):
        nodes[moving] = neighbours.step(nodes[moving], rng)
        left[moving] -= 1
        moving = moving[left[moving] > 0]
    return nodes


def first_vectors(neighbours: Neighbours, dim: int, rng: np.random.Generator) -> Float[Tensor, "nodes dim"]:
    """Normal entries of standard deviation 1 / `dim`; zeros for nodes without edges."""
    vectors = torch.from_numpy(rng.standard_normal((neighbours.n_nodes, dim)) / dim).float()
    vectors[torch.from_numpy(neighbours.degree == 0)] = 0
    return vectors
