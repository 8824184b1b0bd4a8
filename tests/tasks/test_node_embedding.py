"""Features of nodes against dense matrices."""

from threading import Event

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.errors import Cancelled, InvalidInput
from gradtag_core.progress import Reporter
from gradtag_core.tasks import node_embedding
from gradtag_core.tasks.node_embedding import personalised_pagerank, ppr_embedding, structural_svd
from gradtag_core.tasks.propagation import normalised_adjacency

EMBEDDINGS = [ppr_embedding, structural_svd]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    n_nodes = draw(st.integers(1, 9))
    node = st.integers(0, n_nodes - 1)
    edges = draw(st.lists(st.tuples(node, node), max_size=20))
    return np.array(edges, dtype=np.int64).reshape(-1, 2), n_nodes


def random_graph(n_nodes: int = 30, n_edges: int = 80, seed: int = 0) -> np.ndarray:
    """Irregular enough that no renaming of its nodes maps it onto itself, so that every sign is decided."""
    return np.array(nx.gnm_random_graph(n_nodes, n_edges, seed=seed).edges)


def dense_walk(edges: np.ndarray, n_nodes: int) -> np.ndarray:
    adjacency = np.zeros((n_nodes, n_nodes))
    for source, target in edges:
        if source != target:
            adjacency[source, target] = adjacency[target, source] = 1
    for node in range(n_nodes):
        if not adjacency[node].any():
            adjacency[node, node] = 1
    return adjacency / adjacency.sum(axis=1, keepdims=True)


def power_iteration(transition: np.ndarray, restart: float) -> np.ndarray:
    """The fixed point of π = restart · I + (1 - restart) · π P, a row for each source."""
    pagerank = np.eye(len(transition))
    for _ in range(int(np.log(1e-14) / np.log(1 - restart)) + 1):
        pagerank = restart * np.eye(len(transition)) + (1 - restart) * pagerank @ transition
    return pagerank


@given(graphs(), st.sampled_from([0.1, 0.15, 0.6]), st.sampled_from([1e-12, 1e-3, 0.05, 0.5]))
def test_pagerank_is_dense_power_iteration_up_to_the_tolerance(
    graph: tuple[np.ndarray, int], restart: float, tolerance: float
) -> None:
    found = personalised_pagerank(*graph, restart=restart, tolerance=tolerance).toarray()
    missing = power_iteration(dense_walk(*graph), restart) - found
    assert missing.min() > -1e-12
    assert missing.sum(axis=1).max() <= tolerance + 1e-12
    # No step more than the tolerance asks for.
    assert missing.sum(axis=1).min() > tolerance * (1 - restart) - 1e-12


def test_pagerank_is_that_of_networkx() -> None:
    graph = nx.connected_watts_strogatz_graph(20, 4, 0.3, seed=0)
    found = personalised_pagerank(np.array(graph.edges), 20, tolerance=1e-12).toarray()
    for node in range(20):
        theirs = nx.pagerank(graph, alpha=0.85, personalization={node: 1}, tol=1e-12, max_iter=500)
        np.testing.assert_allclose(found[node], [theirs[other] for other in range(20)], atol=1e-9)


@settings(max_examples=25)
@given(graphs(), st.sampled_from([0.0, 0.01, 0.2]))
def test_the_floor_drops_small_entries_only(graph: tuple[np.ndarray, int], floor: float) -> None:
    whole = personalised_pagerank(*graph).toarray()
    cut = personalised_pagerank(*graph, floor=floor)
    np.testing.assert_array_equal(cut.toarray(), np.where(whole > floor, whole, 0))
    assert (cut.data > floor).all()


def test_blocks_of_sources_do_not_change_pagerank(monkeypatch: pytest.MonkeyPatch) -> None:
    edges = random_graph()
    whole = personalised_pagerank(edges, 30).toarray()
    monkeypatch.setattr(node_embedding, "BLOCK_NUMBERS", 9 * 30)
    np.testing.assert_allclose(personalised_pagerank(edges, 30).toarray(), whole, rtol=0, atol=1e-15)


def test_pagerank_can_be_cancelled() -> None:
    cancel = Event()
    cancel.set()
    with pytest.raises(Cancelled):
        personalised_pagerank(random_graph(), 30, reporter=Reporter(cancel=cancel))


def test_the_ppr_embedding_is_the_dense_factor_of_log_pagerank() -> None:
    edges = random_graph()
    # The embedding ends the sum over walks after the 29 terms that leave 1 % of them.
    terms = [0.15 * 0.85**step * np.linalg.matrix_power(dense_walk(edges, 30), step) for step in range(29)]
    left, values, _ = np.linalg.svd(np.log(np.maximum(30 * sum(terms), 1)))
    expected = left[:, :6] * values[:6] @ left[:, :6].T
    found = ppr_embedding(edges, 30, 6)
    np.testing.assert_allclose(found @ found.T, expected, atol=1e-8)


def test_the_structural_embedding_is_the_dense_factor_of_the_adjacency() -> None:
    edges = random_graph()
    left, values, _ = np.linalg.svd(normalised_adjacency(edges, 30).toarray())
    found = structural_svd(edges, 30, 6)
    np.testing.assert_allclose(found @ found.T, left[:, :6] * values[:6] @ left[:, :6].T, atol=1e-8)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_the_randomised_factor_of_a_larger_graph_keeps_the_leading_part(embedding) -> None:
    # 400 nodes are more than columns and oversamples, so that this factor is no exact one.
    blocks = nx.planted_partition_graph(8, 50, 0.3, 0.01, seed=0)
    edges = np.array(blocks.edges)
    few, many = (embedding(edges, 400, dim) for dim in (8, 400))
    size = np.linalg.norm(many, axis=0)
    assert (np.diff(size) <= 1e-9).all()
    np.testing.assert_allclose(np.linalg.norm(few, axis=0), size[:8], rtol=1e-3)
    cosine = np.abs((few * many[:, :8]).sum(axis=0)) / (np.linalg.norm(few, axis=0) * size[:8])
    assert cosine[0] > 0.999


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_signs_are_decided_and_do_not_depend_on_the_seed(embedding) -> None:
    edges = random_graph()
    found = embedding(edges, 30, 10)
    largest = np.abs(found).argmax(axis=0)
    assert (found[largest, np.arange(10)] > 0).all()
    np.testing.assert_array_equal(embedding(edges, 30, 10), found)
    # 30 nodes are within the oversamples, so that every seed finds the exact factor.
    np.testing.assert_allclose(embedding(edges, 30, 10, seed=5), found, atol=1e-8)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("seed", range(3))
def test_renaming_nodes_renames_the_rows(embedding, seed: int) -> None:
    edges = random_graph(seed=seed)
    new_name = np.random.default_rng(seed).permutation(30)
    np.testing.assert_allclose(
        embedding(new_name[edges], 30, 8)[new_name], embedding(edges, 30, 8), atol=1e-8
    )


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@given(graph=graphs(), dim=st.integers(1, 12))
def test_columns_beyond_the_rank_are_zero(embedding, graph: tuple[np.ndarray, int], dim: int) -> None:
    found = embedding(*graph, dim)
    assert found.shape == (graph[1], dim)
    size = np.linalg.norm(found, axis=0)
    # No column of rounding noise, which standardising would blow up.
    assert ((size == 0) | (size > 1e-6 * size.max())).all()
    assert (found[:, graph[1] :] == 0).all()


def test_the_ppr_embedding_tells_cliques_apart() -> None:
    graph = nx.disjoint_union(nx.complete_graph(12), nx.complete_graph(12))
    graph.add_edge(0, 12)
    found = ppr_embedding(np.array(graph.edges), 24, 2)
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    cosine = unit @ unit.T
    assert cosine[:12, :12].min() > 0.5 > cosine[1:12, 13:].max()


@pytest.mark.parametrize(
    ("call", "parameter"),
    [
        (lambda edges: ppr_embedding(edges, 30, 0), "dim"),
        (lambda edges: structural_svd(edges, 30, -1), "dim"),
        (lambda edges: ppr_embedding(edges, 30, restart=0), "restart"),
        (lambda edges: personalised_pagerank(edges, 30, restart=1), "restart"),
        (lambda edges: personalised_pagerank(edges, 30, tolerance=0), "tolerance"),
        (lambda edges: personalised_pagerank(edges, 3), "edges"),
        (lambda edges: ppr_embedding(edges[:0], 0), "n_nodes"),
        (lambda edges: structural_svd(edges[:0], 0), "n_nodes"),
    ],
)
def test_bad_arguments_are_named(call, parameter: str) -> None:
    with pytest.raises(InvalidInput, match=f"`{parameter}`"):
        call(random_graph())
