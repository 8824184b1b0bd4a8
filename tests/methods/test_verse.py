import networkx as nx
import numpy as np
import pytest
from scipy.stats import rankdata

from gradtag_core.errors import InvalidInput
from gradtag_core.methods import verse
from gradtag_core.methods.verse import RESTART, verse_embedding
from gradtag_core.tasks.node_embedding import personalised_pagerank


def test_products_rank_nodes_as_personalised_pagerank_does(monkeypatch):
    monkeypatch.setattr(verse, "BATCH", 1024)
    graph = nx.connected_caveman_graph(5, 10)
    edges = np.array(graph.edges)
    vectors, _ = verse_embedding(edges, 50, dim=32, samples=5000)
    exact = personalised_pagerank(edges, 50, restart=RESTART, tolerance=1e-6).toarray()
    found = vectors @ vectors.T
    others = ~np.eye(50, dtype=bool)
    rows = [
        np.corrcoef(rankdata(found[node, own]), rankdata(exact[node, own]))[0, 1]
        for node, own in enumerate(others)
    ]
    assert np.mean(rows) > 0.6
    # The nearest nine by product are the rest of the cave, as they are by PageRank.
    found[~others] = -np.inf
    nearest = np.argsort(-found, axis=1)[:, :9] // 10
    assert (nearest == np.arange(50)[:, None] // 10).mean() > 0.9


def test_nodes_without_edges_get_zeros_and_the_seed_draws(clique_graph):
    first, again, other = (verse_embedding(clique_graph, 22, dim=4, seed=seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert not first[20:].any() and first[:20].all()
    empty, flops = verse_embedding(np.empty((0, 2), np.int64), 3, dim=4)
    assert not empty.any() and flops == 0


def test_bad_arguments_are_named(clique_graph):
    with pytest.raises(InvalidInput, match="`dim` and `samples` must be 1 or more; found 4 and 0"):
        verse_embedding(clique_graph, 20, dim=4, samples=0)
