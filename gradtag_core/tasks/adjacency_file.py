"""The adjacency of a graph in a file, for graphs whose edges should not be held in memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from gradtag_core.errors import InvalidInput

EDGES_AT_ONCE = 2**18
NEIGHBOURS_AT_ONCE = 2**20  # of a block of rows
FILLED_AT_ONCE = 2**23  # neighbours for which the edges are read through once
NEIGHBOURS = "neighbours.npy"


@dataclass(frozen=True)
class AdjacencyFile:
    """The neighbours of node i, ascending and each once: `neighbours[start[i] : start[i + 1]]`, int32, mapped from a
    file. `start` is (n + 1,)."""

    start: np.ndarray
    neighbours: np.ndarray

    @property
    def n_nodes(self) -> int:
        return len(self.start) - 1

    def normalised_product(self, values: np.ndarray) -> np.ndarray:
        """D^-1/2 A D^-1/2 times `values` (n, columns): float32, some rows at a time."""
        from scipy.sparse import csr_array

        degree = np.diff(self.start)
        scale = np.divide(1, np.sqrt(degree), out=np.zeros(self.n_nodes), where=degree > 0)
        scale = scale.astype(np.float32)[:, None]
        scaled, found = values * scale, np.empty(values.shape, np.float32)
        for first, last in _row_blocks(self.start, NEIGHBOURS_AT_ONCE):
            low, high = self.start[first], self.start[last]
            ones = np.ones(high - low, np.float32)
            within = (self.start[first : last + 1] - low).astype(np.int32)
            rows = csr_array((ones, self.neighbours[low:high], within), (last - first, self.n_nodes))
            found[first:last] = rows @ scaled
            _let_go(self.neighbours)
        found *= scale
        return found


def write_adjacency(edges: np.ndarray, n_nodes: int, folder: Path) -> AdjacencyFile:
    """Sort `edges` (E, 2), which may be mapped from a file, into a file in `folder`, by counting.

    Direction and repetition do not count, and self loops are dropped. Memory is that of a block of edges,
    `FILLED_AT_ONCE` neighbours and some numbers per node. Raises `InvalidInput` for edges that are no pairs of nodes.
    """
    if edges.ndim != 2 or edges.shape[1] != 2 or not np.issubdtype(edges.dtype, np.integer):
        raise InvalidInput(
            f"`edges` must be pairs of whole numbers, shape (edges, 2); found {edges.dtype} of shape {edges.shape}."
        )
    counts = np.zeros(n_nodes, np.int64)
    for source, _ in _both_directions(edges, n_nodes):
        counts += np.bincount(source, minlength=n_nodes)
    start = np.concatenate([[0], counts.cumsum()])
    neighbours = open_memmap(folder / NEIGHBOURS, "w+", np.int32, (max(1, int(start[-1])),))
    filled = start[:-1].copy()
    for first, last in _row_blocks(start, FILLED_AT_ONCE):
        for source, target in _both_directions(edges, n_nodes):
            inside = (first <= source) & (source < last)
            _fill(neighbours, filled, source[inside], target[inside])
        _let_go(neighbours)
    return AdjacencyFile(_each_once(start, neighbours), neighbours)


def _fill(neighbours: np.ndarray, filled: np.ndarray, source: np.ndarray, target: np.ndarray) -> None:
    """Append each target to the neighbours of its source, of which `filled` tells the end so far."""
    n_nodes = len(filled)
    pairs = np.sort(source * n_nodes + target)  # of numbers alone: many times faster than the order of pairs
    source = pairs // n_nodes
    first = np.flatnonzero(np.diff(source, prepend=-1))
    sizes = np.diff(first, append=len(source))
    place = np.arange(len(source)) - np.repeat(first, sizes)
    neighbours[filled[source] + place] = pairs - source * n_nodes
    filled[source[first]] += sizes


def _let_go(array: np.ndarray) -> None:
    """Of a mapped file, what was read or written does not stay in memory; it is still there, or in the file."""
    mapping = getattr(array, "_mmap", None)
    if (
        isinstance(mapping, mmap.mmap) and getattr(array, "mode", "c") != "c"
    ):  # a copy would lose what was written
        mapping.madvise(mmap.MADV_DONTNEED)


def _both_directions(edges: np.ndarray, n_nodes: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Source and target of some edges at a time, then of the same the other way round."""
    for begin in range(0, len(edges), EDGES_AT_ONCE):
        part = np.asarray(edges[begin : begin + EDGES_AT_ONCE])
        if part.min() < 0 or part.max() >= n_nodes:
            raise InvalidInput(
                f"`edges` must name nodes from 0 to {n_nodes - 1}; found {part.min()} to {part.max()}."
            )
        first, second = part[part[:, 0] != part[:, 1]].T.astype(np.int64)
        _let_go(edges)
        yield first, second
        yield second, first


def _each_once(start: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Sort the neighbours of each node and drop repetitions, in place; returns where those of each node then start."""
    n_nodes, written = len(start) - 1, 0
    counts = np.empty(n_nodes, np.int64)
    for first, last in _row_blocks(start, NEIGHBOURS_AT_ONCE):
        node = np.repeat(np.arange(first, last), np.diff(start[first : last + 1]))
        pairs = np.sort(node * n_nodes + neighbours[start[first] : start[last]])
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
        node = pairs // n_nodes
        neighbours[written : written + len(pairs)] = pairs - node * n_nodes
        counts[first:last] = np.bincount(node - first, minlength=last - first)
        written += len(pairs)
        _let_go(neighbours)
    return np.concatenate([[0], counts.cumsum()])


def _row_blocks(start: np.ndarray, n_neighbours: int) -> Iterator[tuple[int, int]]:
    """Ranges of nodes with about `n_neighbours` neighbours in all, one node at least."""
    first, n_nodes = 0, len(start) - 1
    while first < n_nodes:
        last = int(np.searchsorted(start, start[first] + n_neighbours, side="right")) - 1
        last = min(max(last, first + 1), n_nodes)
        yield first, last
        first = last
