"""Louvain: communities by greedy modularity (Blondel et al., J. Stat. Mech. 2008), matched to the tasks."""

from typing import TYPE_CHECKING

import numpy as np

from gradtag_core.cost import measure
from gradtag_core.methods.cluster_matching import match_clusters, member_logits
from gradtag_core.methods.node_scores import NodeLogits, graph_of
from gradtag_core.methods.protocol import MethodResult, Setting

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RESOLUTIONS = (0.5, 1.0, 2.0)  # tried; the best on validation is kept
GAIN_FLOPS = 8  # of weighing the move of a node to the community of a neighbour


def louvain(setting: Setting, resolution: float) -> tuple[list[set[int]], float]:
    """The communities, a partition of all nodes, and the FLOPs.

    The FLOPs are a rough count: each level weighs a move along both directions of every edge, 8 operations each;
    networkx does not tell how often a level goes over its nodes, nor does the count shrink as the graph does.
    """
    import networkx as nx

    edges = graph_of(setting)
    graph = nx.Graph()
    graph.add_nodes_from(range(setting.suite.n_examples))
    graph.add_edges_from(edges.tolist())
    communities: list[set[int]] = []
    flops = 0.0
    for level in nx.community.louvain_partitions(graph, resolution=resolution, seed=setting.seed):
        setting.reporter.check()
        communities = level
        flops += 2 * len(edges) * GAIN_FLOPS
    return communities, flops


def as_members(communities: list[set[int]], n_nodes: int) -> "csr_array":
    """(nodes, communities): 1 where a node is a member."""
    from scipy.sparse import csr_array

    column = np.repeat(np.arange(len(communities)), [len(own) for own in communities])
    node = np.concatenate([sorted(own) for own in communities])
    return csr_array((np.ones(len(node)), (node, column)), shape=(n_nodes, len(communities)))


def run(setting: Setting) -> MethodResult:
    """Partition at each resolution, keep the best on validation; all of them cost."""
    found = []
    with measure() as meter:
        for resolution in setting.reporter.track("Running Louvain", RESOLUTIONS, len(RESOLUTIONS)):
            communities, flops = louvain(setting, resolution)
            meter.flops += flops
            members = as_members(communities, setting.suite.n_examples)
            matches = match_clusters(setting.suite, members)
            logits = member_logits(setting.suite, members, matches)
            choices = {"resolution": resolution, "n_communities": float(len(communities))}
            found.append(NodeLogits.of(setting, logits, choices))
        best = max(found, key=lambda each: each.mean_score(setting.metric))
    return best.result(setting, "louvain", meter.cost)
