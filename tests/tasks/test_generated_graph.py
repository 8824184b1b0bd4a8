import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.generated_graph import GraphLaws, generate_graph


def tail_exponent(values: np.ndarray, share: float) -> float:
    """Hill's estimate of the exponent of a power law from its largest values."""
    largest = np.sort(values)[-max(10, round(share * len(values))) :]
    return 1 + 1 / float(np.log(largest / largest[0]).mean())


@settings(max_examples=20, deadline=None)
@given(st.integers(40, 800), st.integers(1, 3), st.integers(1, 40), st.integers(0, 2**31))
def test_edges_are_simple_and_as_many_as_asked_for(n_nodes, degree, n_communities, seed):
    n_edges = min(degree * n_nodes, n_nodes * (n_nodes - 1) // 20)
    graph = generate_graph(n_nodes, n_edges, n_communities, seed)
    low, high = graph.edges.T
    assert graph.edges.shape == (n_edges, 2)
    assert (low < high).all() and low.min() >= 0 and high.max() < n_nodes
    assert (np.diff(low * n_nodes + high) > 0).all()  # sorted, and none twice
    assert len(graph.communities) == n_communities
    sizes = [len(members) for members in graph.communities]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] >= GraphLaws().smallest_community
    assert all((np.diff(members) > 0).all() and members[-1] < n_nodes for members in graph.communities)


def test_one_seed_gives_one_graph():
    first, again, other = (generate_graph(500, 2_000, 10, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.edges, again.edges)
    assert all(map(np.array_equal, first.communities, again.communities))
    assert not np.array_equal(first.edges, other.edges)


def test_degrees_and_sizes_follow_their_laws():
    laws = GraphLaws(degree_exponent=2.5, size_exponent=2.2, largest_community=0.5)
    graph = generate_graph(20_000, 300_000, 3_000, 0, laws)
    degrees = np.bincount(graph.edges.ravel(), minlength=20_000)
    sizes = np.array([len(members) for members in graph.communities])
    assert tail_exponent(degrees, 0.05) == pytest.approx(2.5, abs=0.35)
    assert tail_exponent(sizes, 0.2) == pytest.approx(2.2, abs=0.35)


def test_members_are_linked_more_than_others_and_small_communities_are_denser():
    graph = generate_graph(5_000, 100_000, 200, 0)
    everywhere = 2 * len(graph.edges) / 5_000**2
    densities = []
    for members in graph.communities:
        inside = np.isin(graph.edges, members).all(axis=1).sum()
        densities.append(2 * inside / len(members) ** 2)
    assert np.median(densities) > 5 * everywhere
    assert np.mean(densities[100:]) > np.mean(densities[:20])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((10, 5, 2), "`n_nodes` must be 40 to 1,000,000; found 10"),
        ((100, 0, 2), "`n_edges` must be 1 to 495"),
        ((100, 496, 2), "`n_edges` must be 1 to 495 .*; found 496"),
        ((100, 50, 0), "`n_communities` must be 1 to the 100 nodes; found 0"),
    ],
)
def test_what_cannot_be_drawn_is_told(arguments, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        generate_graph(*arguments)


@pytest.mark.parametrize("wrong", [{"degree_exponent": 1.0}, {"size_exponent": 0.5}, {"background": 1.0}])
def test_laws_have_ranges(wrong):
    with pytest.raises(InvalidInput, match=f"`{next(iter(wrong))}` must"):
        GraphLaws(**wrong)
