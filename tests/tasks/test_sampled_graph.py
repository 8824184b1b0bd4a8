import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.generated_graph import generate_graph
from gradtag_core.tasks.propagation import normalised_adjacency
from gradtag_core.tasks.sampled_graph import COLUMNS_AT_ONCE, projected_hops, sampled_community_suite
from gradtag_core.tasks.scaling import standardise

GRAPH = generate_graph(2_000, 20_000, 60, 0)


def suite(n_tasks: int = 12, **options):
    return sampled_community_suite(GRAPH.edges, GRAPH.n_nodes, GRAPH.communities, n_tasks, **options)


def test_labels_are_true_and_as_many_as_asked_for():
    found = suite(members=30, negatives=3, dim=4)
    ones = (found.labels == 1).sum(axis=0)
    for task in range(12):
        members = GRAPH.communities[task]
        assert ones[task] == min(30, len(members))
        assert (found.labels[:, task] == 0).sum() == 3 * min(30, len(members))
    assert found.task_names[0] == "community 1"


def test_nobody_is_labelled_against_the_communities():
    found, generator = suite(members=25, dim=4, seed=3), np.random.default_rng(3)
    drawn = [generator.permutation(members)[:25] for members in GRAPH.communities[:12]]
    nodes = np.unique(np.concatenate(drawn))
    assert found.n_examples == len(nodes)
    for task in range(12):
        inside = np.isin(nodes, GRAPH.communities[task])
        assert not (found.labels[inside, task] == 0).any()
        assert not (found.labels[~inside, task] == 1).any()


def test_examples_grow_with_the_tasks_and_not_with_the_graph():
    larger = generate_graph(8_000, 80_000, 60, 0)
    few = suite(members=20, dim=4).n_examples
    many = sampled_community_suite(larger.edges, 8_000, larger.communities, 12, members=20, dim=4).n_examples
    assert few <= 240 and many <= 240


@pytest.mark.parametrize("dim", [3, COLUMNS_AT_ONCE + 5])
def test_hops_are_those_of_the_dense_product(dim):
    nodes = np.array([4, 90, 91, 1_500, 1_999])
    found = projected_hops(GRAPH.edges, GRAPH.n_nodes, nodes, 2, dim, seed=7)
    starts = range(0, dim, COLUMNS_AT_ONCE)
    signs = np.concatenate(
        [
            2.0
            * np.random.default_rng([7, start]).integers(
                0, 2, (GRAPH.n_nodes, min(COLUMNS_AT_ONCE, dim - start)), np.int8
            )
            - 1
            for start in starts
        ],
        axis=1,
    )
    adjacency = normalised_adjacency(GRAPH.edges, GRAPH.n_nodes).toarray()
    for hop in range(3):
        expected = standardise((np.linalg.matrix_power(adjacency, hop + 1) @ signs)[nodes])
        np.testing.assert_allclose(found[:, hop], expected, atol=2e-3)


def test_signatures_tell_which_nodes_share_neighbours():
    nodes = np.arange(50)
    found = projected_hops(GRAPH.edges, GRAPH.n_nodes, nodes, 0, 2_000, seed=0)[:, 0]
    adjacency = normalised_adjacency(GRAPH.edges, GRAPH.n_nodes).toarray()[:50]
    pairs = np.triu_indices(50, 1)
    near, shared = (found @ found.T)[pairs], (adjacency @ adjacency.T)[pairs]
    assert np.corrcoef(near, shared)[0, 1] > 0.3


@pytest.mark.parametrize("wrong", [{"n_tasks": 0}, {"negatives": 0}, {"members": 2}])
def test_sizes_are_checked(wrong):
    with pytest.raises(InvalidInput, match=f"`{next(iter(wrong))}` must be"):
        suite(**{"dim": 4, **wrong})
