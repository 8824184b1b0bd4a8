import networkx as nx
import numpy as np
import pytest
from scipy.optimize import check_grad

from gradtag_core.methods.bigclam import (
    AffiliationGraph,
    adjacency,
    conductances,
    first_factors,
    fit_affiliations,
    run,
    triangles,
)


@pytest.fixture
def graph():
    return nx.gnp_random_graph(30, 0.2, seed=4)


def as_edges(graph):
    return np.array(graph.edges, dtype=np.int64).reshape(-1, 2)


def test_the_loss_is_the_negative_log_likelihood_of_all_pairs(graph):
    edges, factors = as_edges(graph), np.random.default_rng(0).random((30, 3))
    model = AffiliationGraph(edges, 30)
    density = 2 * len(edges) / (30 * 29)
    assert model.background == density
    expected = 0.0
    for first in range(30):
        for second in range(first):
            none = (1 - density) * np.exp(-factors[first] @ factors[second])
            if graph.has_edge(first, second):
                expected -= np.log(1 - none)
            else:
                expected -= np.log(none)
    constant = -np.log(1 - density) * (30 * 29 / 2 - len(edges))
    assert model.loss(factors)[0] + constant == pytest.approx(expected)


def test_the_gradient_is_that_of_the_loss(graph):
    model = AffiliationGraph(as_edges(graph), 30)
    start = np.random.default_rng(1).random(90)
    error = check_grad(
        lambda flat: model.loss(flat.reshape(30, 3))[0],
        lambda flat: model.loss(flat.reshape(30, 3))[1].ravel(),
        start,
    )
    assert error < 1e-3


def test_triangles_and_conductances_are_those_of_networkx(graph):
    graph.remove_edges_from(list(graph.edges(7)))
    matrix = adjacency(as_edges(graph), 30)
    np.testing.assert_array_equal(triangles(matrix), [nx.triangles(graph, node) for node in range(30)])
    found = conductances(matrix)
    for node in range(30):
        own = {node, *graph[node]}
        if 0 < nx.volume(graph, own) < 2 * graph.number_of_edges():
            assert found[node] == pytest.approx(nx.conductance(graph, own))
        else:
            assert found[node] == 1


def test_neighbourhoods_of_least_conductance_start_and_the_rest_is_drawn(clique_graph):
    start = first_factors(clique_graph, 20, 3, seed=0)
    assert {tuple(np.flatnonzero(column)) for column in start.T[:2]} == {
        tuple(range(10)),
        tuple(range(10, 20)),
    }
    assert np.count_nonzero(start[:, 2]) == 10


def test_factors_of_two_cliques_have_a_column_for_each(clique_graph):
    factors, flops = fit_affiliations(clique_graph, 20, 2)
    model = AffiliationGraph(clique_graph, 20)
    members = factors > model.threshold
    own = members[:10].all(axis=0)
    assert own.sum() == 1
    np.testing.assert_array_equal(members[0:9, ~own], False)
    np.testing.assert_array_equal(members[11:, own], False)
    assert members[10:, ~own].all() and factors.min() >= 0
    assert model.loss(factors)[0] < model.loss(first_factors(clique_graph, 20, 2, 0))[0]
    assert flops % model.loss_flops(2) == 0 and flops > model.loss_flops(2)


@pytest.mark.parametrize("seed", range(3))
def test_planted_overlapping_communities_are_found(overlapping_graph, seed):
    edges, communities = overlapping_graph
    factors, _ = fit_affiliations(edges, 123, 4, seed)
    members = factors > AffiliationGraph(edges, 123).threshold
    truth = np.zeros((123, 4), bool)
    for column, own in enumerate(communities):
        truth[own[own < 120], column] = True
    hits = truth.T.astype(int) @ members
    f1 = 2 * hits / (truth.sum(0)[:, None] + members.sum(0))
    assert f1.max(axis=1).mean() > 0.9
    assert sorted(f1.argmax(axis=1)) == [0, 1, 2, 3]
    assert not members[120:].any()


def test_graphs_of_no_and_of_all_edges():
    factors, flops = fit_affiliations(np.empty((0, 2), np.int64), 4, 2)
    assert not factors.any() and flops == 0
    complete = np.argwhere(np.triu(np.ones((8, 8)), 1))
    factors, _ = fit_affiliations(complete, 8, 1)
    assert (factors > AffiliationGraph(complete, 8).threshold).all()


def test_the_method_finds_overlapping_communities(overlapping):
    assert run(overlapping).mean_score("f1") > 0.85
