"""Propagation against dense matrices and against networkx."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.propagation import normalised_adjacency, propagate


@st.composite
def graphs(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    n_nodes = draw(st.integers(1, 8))
    node = st.integers(0, n_nodes - 1)
    edges = draw(st.lists(st.tuples(node, node), max_size=20))
    return np.array(edges, dtype=np.int64).reshape(-1, 2), n_nodes


def dense_adjacency(edges: np.ndarray, n_nodes: int) -> np.ndarray:
    adjacency = np.zeros((n_nodes, n_nodes))
    for source, target in edges:
        if source != target:
            adjacency[source, target] = adjacency[target, source] = 1
    return adjacency


@given(graphs(), st.sampled_from([0.0, 0.5, 3.0]))
def test_normalised_adjacency_is_the_dense_formula(graph: tuple[np.ndarray, int], regulariser: float) -> None:
    edges, n_nodes = graph
    adjacency = dense_adjacency(edges, n_nodes)
    degree = adjacency.sum(axis=1) + regulariser
    scale = np.diag([1 / np.sqrt(value) if value > 0 else 0.0 for value in degree])
    found = normalised_adjacency(edges, n_nodes, regulariser).toarray()
    np.testing.assert_allclose(found, scale @ adjacency @ scale, atol=1e-15)


@given(graphs(), st.integers(0, 4))
def test_hops_are_powers_of_the_adjacency(graph: tuple[np.ndarray, int], n_hops: int) -> None:
    edges, n_nodes = graph
    features = np.random.default_rng(0).standard_normal((n_nodes, 3))
    adjacency = normalised_adjacency(edges, n_nodes).toarray()
    found = propagate(features, edges, n_hops)
    assert found.shape == (n_nodes, n_hops + 1, 3)
    for hop in range(n_hops + 1):
        expected = np.linalg.matrix_power(adjacency, hop) @ features
        np.testing.assert_allclose(found[:, hop], expected, atol=1e-12)


@given(graphs())
def test_the_adjacency_is_one_minus_the_laplacian_of_networkx(graph: tuple[np.ndarray, int]) -> None:
    edges, n_nodes = graph
    theirs = nx.Graph()
    theirs.add_nodes_from(range(n_nodes))
    theirs.add_edges_from(edges[edges[:, 0] != edges[:, 1]].tolist())
    degree = np.array([theirs.degree[node] for node in range(n_nodes)])
    laplacian = nx.normalized_laplacian_matrix(theirs).toarray()
    expected = np.diag((degree > 0).astype(float)) - laplacian
    np.testing.assert_allclose(normalised_adjacency(edges, n_nodes).toarray(), expected, atol=1e-15)


@given(graphs())
def test_renaming_nodes_renames_the_result(graph: tuple[np.ndarray, int]) -> None:
    edges, n_nodes = graph
    rng = np.random.default_rng(0)
    features, new_name = rng.standard_normal((n_nodes, 2)), rng.permutation(n_nodes)
    renamed = np.empty_like(features)
    renamed[new_name] = features
    found = propagate(renamed, new_name[edges], 2)
    np.testing.assert_allclose(found[new_name], propagate(features, edges, 2), atol=1e-12)


@pytest.mark.parametrize(
    ("features", "edges", "n_hops", "parameter"),
    [
        (np.ones((3, 2)), np.array([[0, 3]]), 1, "edges"),
        (np.ones((3, 2)), np.array([[-1, 0]]), 1, "edges"),
        (np.ones((3, 2)), np.array([0, 1]), 1, "edges"),
        (np.ones((3, 2)), np.array([[0.0, 1.0]]), 1, "edges"),
        (np.ones(3), np.array([[0, 1]]), 1, "features"),
        (np.ones((3, 2)), np.array([[0, 1]]), -1, "n_hops"),
    ],
)
def test_what_is_no_graph_is_refused(
    features: np.ndarray, edges: np.ndarray, n_hops: int, parameter: str
) -> None:
    with pytest.raises(InvalidInput, match=f"`{parameter}`"):
        propagate(features, edges, n_hops)
