import warnings

import numpy as np
import pytest
import torch

from gradtag_core.cost import Meter
from gradtag_core.methods.mincut import mincut_loss
from gradtag_core.methods.soft_assignment import Graph, fit_assignment

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch_geometric compiles classes when imported
    from torch_geometric.nn import dense_mincut_pool


def as_dense(edges, n_nodes):
    dense = torch.zeros(n_nodes, n_nodes)
    dense[tuple(edges.T)] = dense[tuple(edges.T[::-1])] = 1
    return dense


@pytest.mark.parametrize("n_clusters", [1, 2, 5])
def test_the_loss_is_that_of_the_dense_layer_of_torch_geometric(overlapping, n_clusters):
    edges, n_nodes = overlapping.suite.edges, overlapping.suite.n_examples
    logits = torch.randn(n_nodes, n_clusters, generator=torch.Generator().manual_seed(0))
    *_, cut, equal = dense_mincut_pool(torch.zeros(n_nodes, 1), as_dense(edges, n_nodes), logits)
    torch.testing.assert_close(mincut_loss(logits.softmax(-1), Graph.of(edges, n_nodes)), cut + equal)


def test_two_cliques_are_assigned_and_no_other_assignment_is_better(cliques, clique_graph):
    graph = Graph.of(clique_graph, 20)
    ideal = torch.eye(2)[torch.arange(20) // 10]
    least = float(mincut_loss(ideal, graph))
    assert least == pytest.approx(-90 / 91, abs=1e-6)
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        other = torch.eye(2)[torch.randint(2, (20,), generator=generator)]
        assert mincut_loss(other, graph) > least
    found = fit_assignment(cliques, mincut_loss, "made", Meter())
    side = found.argmax(axis=1)
    assert (side[:10] == side[0]).all() and (side[10:] == 1 - side[0]).all()
    assert mincut_loss(torch.from_numpy(found), graph) < least + 0.1


def test_the_loss_of_a_graph_without_edges_is_finite_and_keeps_clusters_equal():
    graph = Graph.of(np.empty((0, 2), np.int64), 4)
    equal, lopsided = torch.eye(2)[torch.tensor([0, 0, 1, 1])], torch.eye(2)[torch.tensor([0, 0, 0, 1])]
    assert float(mincut_loss(equal, graph)) == pytest.approx(0, abs=1e-6)
    assert mincut_loss(lopsided, graph) > 0.1
