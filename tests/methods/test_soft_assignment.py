import numpy as np
import pytest
import torch

from gradtag_core.cost import Meter
from gradtag_core.methods.soft_assignment import EPOCHS, Graph, fit_assignment


def test_what_stays_inside_is_the_trace_with_the_adjacency_matrix(clique_graph):
    assignment = torch.rand(20, 3, generator=torch.Generator().manual_seed(0))
    dense = torch.zeros(20, 20)
    dense[tuple(clique_graph.T)] = dense[tuple(clique_graph.T[::-1])] = 1
    graph = Graph.of(clique_graph, 20)
    torch.testing.assert_close(graph.kept(assignment), torch.trace(assignment.T @ dense @ assignment))
    torch.testing.assert_close(graph.degree, dense.sum(1))


def test_the_assignment_follows_the_loss_and_every_epoch_counts(cliques, clique_graph):
    meter = Meter()
    wanted = torch.eye(2)[torch.arange(20) % 2]
    found = fit_assignment(cliques, lambda own, graph: (own - wanted).square().sum(), "made", meter)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    assert found.shape == (20, 2)
    architecture = cliques.architecture
    epoch = 20 * architecture.step_flops(2) + 6 * len(clique_graph) * 2 + 6 * 20 * 4
    assert meter.flops == pytest.approx(EPOCHS * epoch + 20 * architecture.forward_flops(2))
    flipped = fit_assignment(cliques, lambda own, graph: own[:, 0].sum(), "made", Meter())
    assert flipped[:, 0].max() < 0.05
