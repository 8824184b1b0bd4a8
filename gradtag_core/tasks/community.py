"""Task suites from a graph and its communities: each task is to find the members of one."""

from collections.abc import Sequence

import numpy as np

from gradtag_core.errors import InvalidInput
from gradtag_core.progress import Reporter
from gradtag_core.tasks.node_inputs import MadeFeatures, node_inputs
from gradtag_core.tasks.suite import SplitRule, TaskSuite

PAPER_SPLIT = SplitRule(train=0.1, validation=0.2)
LEAST_MEMBERS = 3  # one for each split


def community_suite(
    edges: np.ndarray,
    communities: Sequence[np.ndarray],
    n_tasks: int = 100,
    hops: int = 3,
    dim: int = 128,
    seed: int = 0,
    *,
    features: MadeFeatures = "ppr",
    distinct: bool = False,
    members_only: bool = True,
    min_members: int = LEAST_MEMBERS,
    split_rule: SplitRule = PAPER_SPLIT,
    name: str = "communities",
    reporter: Reporter | None = None,
) -> TaskSuite:
    """The graph suite of the paper (section 5.1.2): find the members of each of the largest communities.

    Tasks are the `n_tasks` largest communities (all, if there are fewer) of at least `min_members`, by size,
    then by place in `communities`; `distinct` leaves out those with the members of an earlier one. Examples are
    their members (`members_only`) or every node, by ascending id, with the edges between them. Inputs are
    `features` of `dim` columns made from these edges, propagated over `hops`, each hop standardised: float32
    (nodes, hops + 1, dim). Labels are complete: who is no member is a negative. `seed` draws the features and
    the order that decides the splits.

    `edges` (E, 2) and `communities`, 1-D arrays, hold node ids, any integers; `read_edges` and `read_communities` read
    them from files as SNAP publishes them, and "community 7" is the seventh of the file. Direction, repetition and
    self loops of `edges` do not count; the suite keeps those between examples. A com-Amazon subgraph that others have
    published with 100 communities has the paper's 3,225 nodes and 10,262 edges; 61 of the 100 differ.
    """
    if n_tasks < 1 or min_members < LEAST_MEMBERS:
        raise InvalidInput(
            f"`n_tasks` must be 1 or more and `min_members` {LEAST_MEMBERS} or more, one for each split; "
            f"found {n_tasks} and {min_members}."
        )
    chosen = _largest(communities, n_tasks, min_members, distinct)
    members = [np.unique(communities[place]) for place in chosen]
    nodes = np.unique(np.concatenate([*members, *([] if members_only else [np.ravel(edges)])]))
    inside = subgraph(edges, nodes)
    labels = np.stack([np.isin(nodes, own, assume_unique=True) for own in members], axis=1).astype(np.int8)
    return TaskSuite(
        name,
        tuple(f"community {place + 1}" for place in chosen),
        node_inputs(inside, len(nodes), features, hops, dim, seed, reporter),
        labels,
        np.random.default_rng(seed).permutation(len(nodes)),
        split_rule,
        inside,
    )


def subgraph(edges: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """The edges between `nodes` (ascending ids), as positions in `nodes`: int64, (edges, 2).

    Each stands once, first below second, rows sorted; self loops are dropped.
    """
    if edges.ndim != 2 or edges.shape[1] != 2 or not np.issubdtype(edges.dtype, np.integer):
        raise InvalidInput(
            f"`edges` must be pairs of whole numbers, shape (edges, 2); "
            f"found {edges.dtype} of shape {edges.shape}."
        )
    kept = edges[np.isin(edges, nodes).all(axis=1)]
    ends = np.sort(np.searchsorted(nodes, kept).astype(np.int64), axis=1)
    return np.unique(ends[ends[:, 0] < ends[:, 1]], axis=0)


def _largest(communities: Sequence[np.ndarray], n_tasks: int, min_members: int, distinct: bool) -> list[int]:
    """Places of the largest communities, by size and then by place."""
    members = [np.unique(community) for community in communities]
    places = [place for place, own in enumerate(members) if len(own) >= min_members]
    if not places:
        raise InvalidInput(
            f"`communities` must hold one of at least {min_members} members; found {len(members)}, the "
            f"largest with {max(map(len, members), default=0)}."
        )
    if distinct:
        first = {members[place].tobytes(): place for place in reversed(places)}
        places = sorted(first.values())
    return sorted(places, key=lambda place: -len(members[place]))[:n_tasks]
