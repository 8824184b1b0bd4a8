import networkx as nx
import numpy as np
import pytest

from gradtag_core.methods import louvain as room
from gradtag_core.methods.louvain import GAIN_FLOPS, RESOLUTIONS, as_members, louvain, run


def test_two_cliques_are_the_communities_and_the_modularity_is_the_analytic_one(cliques, clique_graph):
    communities, _ = louvain(cliques, 1.0)
    assert sorted(map(sorted, communities)) == [list(range(10)), list(range(10, 20))]
    n_edges = 2 * 45 + 1
    graph = nx.Graph(clique_graph.tolist())
    assert nx.community.modularity(graph, communities) == pytest.approx(1 - 1 / n_edges - 1 / 2)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_communities_are_a_partition_with_lone_nodes_alone(overlapping, resolution):
    communities, _ = louvain(overlapping, resolution)
    assert sorted(node for own in communities for node in own) == list(range(overlapping.suite.n_examples))
    assert all({node} in communities for node in (120, 121, 122))


def test_members_are_those_of_the_communities():
    members = as_members([{3, 0}, {1}, {2, 4}], 5).toarray()
    np.testing.assert_array_equal(members, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 1]])


def test_the_resolution_is_the_best_on_validation_and_all_are_paid_for(overlapping, monkeypatch):
    result = run(overlapping)
    scores, flops = {}, 0.0
    for resolution in RESOLUTIONS:
        monkeypatch.setattr(room, "RESOLUTIONS", (resolution,))
        alone = run(overlapping)
        scores[resolution] = alone.validation[:, 4].mean()
        flops += alone.cost.flops
    assert result.choices["resolution"] == max(scores, key=lambda resolution: scores[resolution])
    assert result.cost.flops == flops
    edges = overlapping.suite.edges
    assert (
        flops % (2 * len(edges) * GAIN_FLOPS) == 0 and flops >= len(RESOLUTIONS) * 2 * len(edges) * GAIN_FLOPS
    )
