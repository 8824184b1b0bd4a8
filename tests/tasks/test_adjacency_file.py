"""Neighbours in a file are those of the graph, however few are held at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks import adjacency_file as module
from gradtag_core.tasks.adjacency_file import write_adjacency
from gradtag_core.tasks.propagation import normalised_adjacency


def random_edges(n_nodes, n_edges, seed=0):
    """With self loops, repetitions and both directions."""
    return np.random.default_rng(seed).integers(0, n_nodes, (n_edges, 2))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 40), st.integers(1, 200), st.integers(0, 1000))
def test_neighbours_are_those_of_the_edges(tmp_path_factory, n_nodes, n_edges, seed):
    edges = random_edges(n_nodes, n_edges, seed)
    found = write_adjacency(edges, n_nodes, tmp_path_factory.mktemp("graph"))
    for node in range(n_nodes):
        expected = {*edges[edges[:, 0] == node, 1], *edges[edges[:, 1] == node, 0]} - {node}
        assert found.neighbours[found.start[node] : found.start[node + 1]].tolist() == sorted(expected)


def test_the_product_is_that_of_the_matrix_whatever_is_held_at_once(tmp_path, monkeypatch):
    edges, values = random_edges(60, 500), np.random.default_rng(1).normal(size=(60, 3)).astype(np.float32)
    whole = write_adjacency(edges, 60, tmp_path)
    expected = normalised_adjacency(edges, 60) @ values
    np.testing.assert_allclose(whole.normalised_product(values), expected, rtol=1e-5, atol=1e-6)
    (tmp_path / "few").mkdir()
    monkeypatch.setattr(module, "EDGES_AT_ONCE", 7)
    monkeypatch.setattr(module, "NEIGHBOURS_AT_ONCE", 5)
    monkeypatch.setattr(module, "FILLED_AT_ONCE", 11)
    few = write_adjacency(edges, 60, tmp_path / "few")
    np.testing.assert_array_equal(few.start, whole.start)
    used = whole.start[-1]
    np.testing.assert_array_equal(few.neighbours[:used], whole.neighbours[:used])
    np.testing.assert_array_equal(few.normalised_product(values), whole.normalised_product(values))


def test_edges_may_be_mapped_from_a_file(tmp_path):
    edges = random_edges(30, 90)
    np.save(tmp_path / "edges.npy", edges)
    mapped = np.load(tmp_path / "edges.npy", mmap_mode="r", allow_pickle=False)
    found, values = write_adjacency(mapped, 30, tmp_path), np.ones((30, 1), np.float32)
    np.testing.assert_array_equal(mapped, edges)
    expected = normalised_adjacency(edges, 30) @ values
    np.testing.assert_allclose(found.normalised_product(values), expected, rtol=1e-5)


def test_changes_of_a_mapped_copy_are_not_lost(tmp_path):
    edges = random_edges(30, 90)
    np.save(tmp_path / "edges.npy", np.zeros_like(edges))
    copied = np.load(tmp_path / "edges.npy", mmap_mode="c", allow_pickle=False)
    copied[:] = edges
    found = write_adjacency(copied, 30, tmp_path)
    np.testing.assert_array_equal(copied, edges)
    assert found.start[-1] > 0


def test_nodes_without_edges_have_no_neighbours(tmp_path):
    found = write_adjacency(np.empty((0, 2), np.int64), 4, tmp_path)
    assert found.start.tolist() == [0, 0, 0, 0, 0]
    np.testing.assert_array_equal(found.normalised_product(np.ones((4, 2), np.float32)), np.zeros((4, 2)))


@pytest.mark.parametrize("edges", [[[0, 9]], [[-1, 0]], [[0.5, 1.0]], [[0, 1, 2]]])
def test_edges_are_checked(tmp_path, edges):
    with pytest.raises(InvalidInput, match="`edges`"):
        write_adjacency(np.array(edges), 3, tmp_path)
