import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.methods.random_walks import Neighbours, biased_walks, last_nodes
from gradtag_core.tasks.node_embedding import personalised_pagerank

# A triangle 0 1 2, a tail 2 3 4, and node 5 without edges.
EDGES = np.array([[0, 1], [2, 0], [1, 2], [2, 3], [3, 4]])
LINKED = {(u, v) for u, v in EDGES.tolist()} | {(v, u) for u, v in EDGES.tolist()}


@pytest.fixture
def neighbours():
    return Neighbours(EDGES, 6)


def test_adjacency_lists_are_those_of_the_graph(neighbours):
    for node in range(6):
        own = neighbours.ends[neighbours.starts[node] : neighbours.starts[node + 1]]
        assert own.tolist() == sorted(v for u, v in LINKED if u == node)
    first, second = np.divmod(np.arange(36), 6)
    expected = [(u, v) in LINKED for u, v in zip(first, second, strict=True)]
    assert neighbours.linked(first, second).tolist() == expected


def test_steps_go_to_every_neighbour_equally_often_and_a_lone_node_stays(neighbours):
    rng = np.random.default_rng(0)
    after = neighbours.step(np.full(30_000, 2), rng)
    np.testing.assert_allclose(
        np.bincount(after, minlength=6) / 30_000, [1 / 3, 1 / 3, 0, 1 / 3, 0, 0], atol=0.01
    )
    assert (neighbours.step(np.full(5, 5), rng) == 5).all()


@pytest.mark.parametrize(("p", "q"), [(1, 1), (0.25, 4), (4, 0.25), (2, 1)])
def test_second_steps_have_the_weights_of_the_paper(neighbours, p, q):
    walks = biased_walks(neighbours, np.full(60_000, 0), 3, p, q, np.random.default_rng(1))
    through = walks[walks[:, 1] == 2, 2]
    # From 0 over 2: back to 0, to 1 which is near 0, or away to 3.
    weights = np.array([1 / p, 1, 1 / q])
    shares = np.bincount(through, minlength=6)[[0, 1, 3]] / len(through)
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=0.015)


@pytest.mark.parametrize(("p", "q"), [(1, 1), (0.5, 2)])
def test_walks_follow_edges(neighbours, p, q):
    walks = biased_walks(neighbours, np.arange(6), 30, p, q, np.random.default_rng(2))
    assert walks.shape == (6, 30) and (walks[5] == 5).all()
    for walk in walks[:5]:
        assert set(zip(walk[:-1].tolist(), walk[1:].tolist(), strict=True)) <= LINKED


def test_where_walks_stop_is_personalised_pagerank(neighbours):
    exact = personalised_pagerank(EDGES, 6, restart=0.3, tolerance=1e-6).toarray()
    rng = np.random.default_rng(3)
    for node in range(6):
        found = np.bincount(last_nodes(neighbours, np.full(20_000, node), 0.3, rng), minlength=6) / 20_000
        np.testing.assert_allclose(found, exact[node], atol=0.015)


def test_a_graph_without_edges_has_walks_that_stay():
    empty = Neighbours(np.empty((0, 2), np.int64), 3)
    rng = np.random.default_rng(0)
    assert (biased_walks(empty, np.arange(3), 4, 2, 1, rng) == np.arange(3)[:, None]).all()
    assert (last_nodes(empty, np.arange(3), 0.15, rng) == np.arange(3)).all()
    assert not empty.linked(np.array([0]), np.array([0])).any()


@pytest.mark.parametrize(("p", "q", "name"), [(0, 1, "p"), (1, 21, "q"), (float("nan"), 1, "p")])
def test_biases_out_of_range_are_named(neighbours, p, q, name):
    with pytest.raises(InvalidInput, match=f"`{name}` must be from 0.05 to 20; found"):
        biased_walks(neighbours, np.arange(6), 3, p, q, np.random.default_rng(0))
