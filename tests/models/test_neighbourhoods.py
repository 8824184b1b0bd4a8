from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.models import neighbourhoods
from gradtag_core.models.neighbourhoods import (
    GraphKind,
    aggregated,
    drawn_neighbours,
    make_neighbourhoods,
    neighbourhood_shape,
    neighbourhoods_of,
    slot_weights,
)
from gradtag_core.tasks.suite import TaskSuite

KINDS: tuple[GraphKind, ...] = get_args(GraphKind)


@st.composite
def graphs(draw):
    """Edges, each once, and the number of nodes; some nodes have none."""
    n_nodes = draw(st.integers(1, 12))
    pairs = [(low, high) for high in range(n_nodes) for low in range(high)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=40)) if pairs else []
    turned = [pair[::-1] if draw(st.booleans()) else pair for pair in chosen]
    return np.array(turned, dtype=np.int64).reshape(-1, 2), n_nodes


def dense(edges, n_nodes):
    matrix = np.zeros((n_nodes, n_nodes))
    matrix[tuple(edges.T)] = matrix[tuple(edges.T[::-1])] = 1
    return matrix


@given(graphs(), st.integers(1, 5))
def test_members_are_the_node_and_different_neighbours_of_it(graph, fan_out):
    edges, n_nodes = graph
    matrix = dense(edges, n_nodes)
    members, degree = drawn_neighbours(edges, n_nodes, fan_out)
    np.testing.assert_array_equal(degree, matrix.sum(1))
    assert members.shape == (n_nodes, 1 + min(fan_out, int(degree.max())))
    np.testing.assert_array_equal(members[:, 0], np.arange(n_nodes))
    for node, row in enumerate(members):
        n_drawn = min(fan_out, int(degree[node]))
        drawn = row[1 : 1 + n_drawn]
        assert len(set(drawn)) == n_drawn and matrix[node, drawn].all()
        assert (row[1 + n_drawn :] == node).all()


def test_every_neighbour_is_drawn_equally_often_and_a_draw_is_the_same_on_every_machine():
    """A hub with 40 neighbours, in 500 copies that differ in their numbers."""
    n_copies, size = 500, 41
    edges = np.array(
        [(copy * size, copy * size + leaf) for copy in range(n_copies) for leaf in range(1, size)]
    )
    members, _ = drawn_neighbours(edges, n_copies * size, 8)
    hubs = members[::size]
    counts = np.bincount((hubs[:, 1:] % size).ravel(), minlength=size)[1:]
    assert abs(counts - 100).max() < 45  # five standard deviations of a binomial with mean 100
    assert hubs[1].tolist() == [41, 46, 65, 76, 48, 70, 50, 71, 53]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(graph=graphs(), fan_out=st.integers(1, 5))
def test_the_sums_are_those_of_dense_matrices(kind, graph, fan_out):
    edges, n_nodes = graph
    matrix, degree = dense(edges, n_nodes), dense(edges, n_nodes).sum(1)
    features = np.random.default_rng(0).standard_normal((n_nodes, 3)).astype(np.float32)
    loops = matrix + np.eye(n_nodes)
    operator = {
        "gcn": loops / np.sqrt(np.outer(degree + 1, degree + 1)),
        "sage": matrix / np.maximum(degree, 1)[:, None],
        "gin": loops,
    }[kind]
    expected = operator @ features
    if kind == "sage":
        expected = np.hstack([features, expected])
    found = aggregated(kind, torch.from_numpy(features), edges, degree.astype(np.int64))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    # With all neighbours drawn the weights are the operator's; else the drawn ones stand for all of them.
    members, degrees = drawn_neighbours(edges, n_nodes, 12)
    weights = slot_weights(kind, members, degrees)
    placed = np.zeros((n_nodes, n_nodes))
    np.add.at(placed, (np.arange(n_nodes)[:, None], members), weights)
    np.testing.assert_allclose(placed, operator, rtol=1e-5, atol=1e-7)
    if kind != "gcn":
        fewer, _ = drawn_neighbours(edges, n_nodes, fan_out)
        total = slot_weights(kind, fewer, degrees).sum(1)
        np.testing.assert_allclose(total, operator.sum(1), rtol=1e-5)


def test_many_messages_are_sent_in_parts(monkeypatch):
    rng = np.random.default_rng(0)
    pairs = np.array([(low, high) for high in range(30) for low in range(high)])
    edges = pairs[rng.random(len(pairs)) < 0.3]
    features = torch.from_numpy(rng.standard_normal((30, 7)).astype(np.float32))
    degree = np.bincount(edges.ravel(), minlength=30)
    at_once = [aggregated(kind, features, edges, degree) for kind in KINDS]
    monkeypatch.setattr(neighbourhoods, "MESSAGE_ENTRIES", 2 * len(edges) * 2)
    for kind, whole in zip(KINDS, at_once, strict=True):
        torch.testing.assert_close(aggregated(kind, features, edges, degree), whole)


@pytest.fixture
def suite():
    rng = np.random.default_rng(0)
    edges = np.array([(0, other) for other in range(1, 40)] + [(1, 2), (5, 3)])
    labels = rng.integers(0, 2, (60, 3)).astype(np.int8)
    inputs = rng.standard_normal((60, 4, 5)).astype(np.float32)
    return TaskSuite("net", ("a", "b", "c"), inputs, labels, rng.permutation(60), edges=edges)


@pytest.mark.parametrize("kind", KINDS)
def test_the_shape_is_known_beforehand_and_the_nodes_have_the_features_of_hop_0(kind, suite):
    found = neighbourhoods_of(kind, suite)
    batch = found[torch.tensor([59, 0])]
    assert len(found) == 60 and batch.shape == (2, *neighbourhood_shape(kind, suite))
    expected = make_neighbourhoods(kind, suite.inputs[:, 0], suite.edges)[torch.arange(60)]
    torch.testing.assert_close(found[torch.arange(60)], expected, rtol=0, atol=0)
    assert found.nbytes == 60 * (4 * found.features.shape[1] + 12 * found.members.shape[1])


def test_they_are_made_once_per_graph_and_few_are_kept(suite):
    assert neighbourhoods_of("gcn", suite) is neighbourhoods_of("gcn", suite)
    other = TaskSuite("net", *(getattr(suite, name) for name in ("task_names", "inputs", "labels", "order")),
                      edges=suite.edges[1:])  # fmt: skip
    assert other.fingerprint == suite.fingerprint
    assert len(neighbourhoods_of("gcn", other).members[0]) == len(neighbourhoods_of("gcn", suite).members[0])
    assert not torch.equal(neighbourhoods_of("gcn", other).features, neighbourhoods_of("gcn", suite).features)
    for n_tasks in (1, 2):
        for kind in KINDS:
            neighbourhoods_of(kind, suite.select(n_tasks))
    assert len(neighbourhoods._made) == neighbourhoods.KEPT
