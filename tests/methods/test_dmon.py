import warnings

import networkx as nx
import numpy as np
import pytest
import torch

from gradtag_core.cost import Meter
from gradtag_core.methods.dmon import dmon_loss
from gradtag_core.methods.soft_assignment import Graph, fit_assignment

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch_geometric compiles classes when imported
    from torch_geometric.nn import DMoNPooling


@pytest.mark.parametrize("n_clusters", [1, 2, 5])
def test_the_loss_is_that_of_the_dense_layer_of_torch_geometric(overlapping, n_clusters):
    edges, n_nodes = overlapping.suite.edges, overlapping.suite.n_examples
    dense = torch.zeros(n_nodes, n_nodes)
    dense[tuple(edges.T)] = dense[tuple(edges.T[::-1])] = 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer, inputs = DMoNPooling(4, n_clusters).eval(), torch.randn(n_nodes, 4)
    assignment, _, _, spectral, _, collapse = layer(inputs, dense)
    loss = dmon_loss(assignment[0], Graph.of(edges, n_nodes))
    torch.testing.assert_close(loss, spectral + collapse, rtol=1e-4, atol=1e-5)


def test_hard_equal_clusters_have_minus_their_modularity(clique_graph):
    ideal = torch.eye(2)[torch.arange(20) // 10]
    modularity = nx.community.modularity(nx.Graph(clique_graph.tolist()), [range(10), range(10, 20)])
    assert float(dmon_loss(ideal, Graph.of(clique_graph, 20))) == pytest.approx(-modularity, abs=1e-6)


def test_two_cliques_are_assigned(cliques, clique_graph):
    found = fit_assignment(cliques, dmon_loss, "made", Meter())
    side = found.argmax(axis=1)
    assert (side[:10] == side[0]).all() and (side[10:] == 1 - side[0]).all()
    ideal = torch.eye(2)[torch.arange(20) // 10]
    graph = Graph.of(clique_graph, 20)
    assert dmon_loss(torch.from_numpy(found), graph) < dmon_loss(ideal, graph) + 0.1


def test_the_loss_of_a_graph_without_edges_is_its_collapse():
    graph = Graph.of(np.empty((0, 2), np.int64), 4)
    for places, collapse in (([0, 0, 1, 1], 0), ([0, 0, 0, 0], 2**0.5 - 1)):
        assignment = torch.eye(2)[torch.tensor(places)]
        assert float(dmon_loss(assignment, graph)) == pytest.approx(collapse, abs=1e-6)
