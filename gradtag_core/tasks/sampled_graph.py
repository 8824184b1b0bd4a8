"""Task suites from graphs too large to hold inputs of every node: a sample of members and others for each task."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from gradtag_core.errors import InvalidInput
from gradtag_core.progress import Reporter
from gradtag_core.tasks.adjacency_file import write_adjacency
from gradtag_core.tasks.community import LEAST_MEMBERS
from gradtag_core.tasks.scaling import standardise
from gradtag_core.tasks.suite import UNLABELLED, SplitRule, TaskSuite

SAMPLE_SPLIT = SplitRule(train=0.3, validation=0.3)
INPUTS = "inputs.npy"
COLUMNS_AT_ONCE = 16  # of features over all nodes: a cache line of each


def sampled_community_suite(
    edges: np.ndarray, n_nodes: int, communities: Sequence[np.ndarray], n_tasks: int, *, members: int = 100,
    negatives: int = 2, hops: int = 2, dim: int = 64, seed: int = 0, split_rule: SplitRule = SAMPLE_SPLIT,
    name: str = "sampled-communities", reporter: Reporter | None = None, folder: Path | None = None,
) -> TaskSuite:  # fmt: skip
    """Find the members of each of the `n_tasks` largest communities, from up to `members` of them and `negatives` times
    as many others.

    Others are drawn among the nodes that are sampled as members of any task, so the number of examples grows with the
    tasks and not with the graph; who is not drawn for a task is not labelled for it. Inputs are `projected_hops` of the
    sampled nodes over the whole graph. `edges` (E, 2): node numbers below `n_nodes`; they may be mapped from a file
    (`numpy.load` with `mmap_mode`), and are never all in memory. In `folder`, where given, the inputs lie in a file and
    are mapped.
    """
    for parameter, value in (("n_tasks", n_tasks), ("negatives", negatives)):
        if value < 1:
            raise InvalidInput(f"`{parameter}` must be 1 or more; found {value}.")
    if members < LEAST_MEMBERS:
        raise InvalidInput(f"`members` must be {LEAST_MEMBERS} or more, one for each split; found {members}.")
    places = sorted(range(len(communities)), key=lambda place: -len(communities[place]))[:n_tasks]
    generator = np.random.default_rng(seed)
    drawn = [generator.permutation(communities[place])[:members] for place in places]
    nodes = np.unique(np.concatenate(drawn))
    labels = np.full((len(nodes), len(places)), UNLABELLED, np.int8)
    for task, (place, own) in enumerate(zip(places, drawn, strict=True)):
        others = np.flatnonzero(~np.isin(nodes, communities[place], assume_unique=True))
        labels[generator.permutation(others)[: negatives * len(own)], task] = 0
        labels[np.searchsorted(nodes, own), task] = 1
    return TaskSuite(
        name,
        tuple(f"community {place + 1}" for place in places),
        projected_hops(edges, n_nodes, nodes, hops, dim, seed, reporter, folder),
        labels,
        generator.permutation(len(nodes)),
        split_rule,
    )


def projected_hops(
    edges: np.ndarray, n_nodes: int, nodes: np.ndarray, hops: int, dim: int, seed: int = 0,
    reporter: Reporter | None = None, folder: Path | None = None,
) -> np.ndarray:  # fmt: skip
    """A^r R for r = 1 … `hops` + 1, of some nodes: float32 (nodes, hops + 1, dim), each column standardised over them.

    A is the normalised adjacency of the whole graph, R a random matrix of ±1 with `dim` columns: neighbourhoods as sums
    of random signatures (FastRP, Chen et al., CIKM 2019, without its weighting of degrees). The neighbours lie in a
    file, and some columns are worked on at a time: memory is that of the result and of some numbers per node. In
    `folder`, where given, the result is a file too, which is mapped.
    """
    shape = (len(nodes), hops + 1, dim)
    inputs = open_memmap(folder / INPUTS, "w+", np.float32, shape) if folder else np.empty(shape, np.float32)
    blocks = [np.arange(start, min(start + COLUMNS_AT_ONCE, dim)) for start in range(0, dim, COLUMNS_AT_ONCE)]
    with tempfile.TemporaryDirectory(dir=folder) as own:
        adjacency = write_adjacency(edges, n_nodes, Path(own))
        for columns in (reporter or Reporter()).track("Propagating over the graph", blocks, len(blocks)):
            generator = np.random.default_rng([seed, int(columns[0])])
            signs = generator.integers(0, 2, (n_nodes, len(columns)), np.int8)
            values = np.where(signs, np.float32(1), np.float32(-1))
            for hop in range(hops + 1):
                values = adjacency.normalised_product(values)
                inputs[:, hop, columns] = standardise(values[nodes])
    return inputs
