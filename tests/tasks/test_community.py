"""Suites of communities on graphs whose answer is known, and the paper's com-Amazon where it is at hand."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.community import community_suite, subgraph
from gradtag_core.tasks.node_embedding import ppr_embedding, structural_svd
from gradtag_core.tasks.propagation import propagate
from gradtag_core.tasks.scaling import standardise
from gradtag_core.tasks.snap import read_communities, read_edges
from gradtag_core.tasks.suite import SplitRule, TaskSuite

AMAZON = Path(__file__).parents[3] / "shared" / "data" / "amazon"
needs_amazon = pytest.mark.skipif(
    not AMAZON.is_dir(), reason="com-Amazon (../shared/data/amazon) is not here"
)


def made(edges: np.ndarray, communities: list[np.ndarray], n_tasks: int = 100, **options: Any) -> TaskSuite:
    """`community_suite` with two hops of six columns."""
    small: dict[str, Any] = {"hops": 2, "dim": 6}
    return community_suite(edges, communities, n_tasks, **(small | options))


def small_graph(seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """40 nodes with scattered ids, sparse edges, and overlapping communities that leave ten nodes out."""
    rng = np.random.default_rng(seed)
    ids = np.sort(rng.choice(1000, 40, replace=False))
    pairs = np.sort(rng.integers(0, 40, (150, 2)), axis=1)
    ring = np.stack([np.arange(39), np.arange(1, 40)], axis=1)
    edges = ids[np.unique(np.concatenate([pairs[pairs[:, 0] < pairs[:, 1]], ring]), axis=0)]
    sizes = (4, 12, 7, 12, 2)
    communities = [ids[np.sort(rng.choice(30, size, replace=False))] for size in sizes]
    return edges, communities


def test_tasks_are_the_largest_communities_by_size_and_then_by_place() -> None:
    edges, communities = small_graph()
    suite = made(edges, communities)
    assert suite.task_names == ("community 2", "community 4", "community 3", "community 1")
    assert made(edges, communities, 3).task_names == suite.task_names[:3]
    assert made(edges, communities, min_members=7).n_tasks == 3


@pytest.mark.parametrize("members_only", [True, False])
def test_examples_are_nodes_by_id_and_labels_are_memberships(members_only: bool) -> None:
    edges, communities = small_graph()
    suite = made(edges, communities, 3, members_only=members_only)
    nodes = sorted({*communities[1], *communities[3], *communities[2]})
    if not members_only:
        nodes = sorted({*edges.ravel().tolist(), *nodes})
    expected = [[int(node in communities[place]) for place in (1, 3, 2)] for node in nodes]
    np.testing.assert_array_equal(suite.labels, expected)
    assert suite.inputs.shape == (len(nodes), 3, 6)


@pytest.mark.parametrize(("features", "embedding"), [("ppr", ppr_embedding), ("svd", structural_svd)])
def test_inputs_are_standardised_hops_over_the_edges_between_examples(features, embedding) -> None:
    edges, communities = small_graph()
    suite = made(edges, communities, 3, features=features, seed=3)
    nodes = sorted({*communities[1], *communities[3], *communities[2]})
    inside = np.array(
        [[nodes.index(u), nodes.index(v)] for u, v in edges.tolist() if u in nodes and v in nodes]
    )
    assert len(inside) < len(edges)
    np.testing.assert_array_equal(subgraph(edges, np.array(nodes)), inside)
    hops = propagate(embedding(inside, len(nodes), 6, seed=3), inside, 2)
    np.testing.assert_array_equal(suite.inputs, standardise(hops))


def test_the_suite_keeps_the_edges_between_its_examples_each_once() -> None:
    edges, communities = small_graph()
    nodes = np.unique(np.concatenate(communities[1:4]))
    expected = subgraph(edges, nodes)
    assert 0 < len(expected) < len(edges)
    loops = np.stack([nodes[:5], nodes[:5]], axis=1)
    shuffled = np.random.default_rng(0).permutation(np.concatenate([edges, edges[:9, ::-1], loops]))
    for given_edges in (edges, shuffled):
        np.testing.assert_array_equal(made(given_edges, communities, 3).edges, expected)


def test_a_member_without_edges_is_an_example() -> None:
    edges, communities = small_graph()
    suite = made(edges, [np.append(communities[1], 5000)], members_only=False)
    assert suite.labels[-1, 0] == 1
    assert suite.inputs.shape[0] == len(np.unique(edges)) + 1


def test_repeated_communities_are_tasks_of_their_own_unless_left_out() -> None:
    edges, communities = small_graph()
    repeated = [*communities, communities[1][::-1], communities[2]]
    suite = made(edges, repeated)
    names = ("community 2", "community 4", "community 6", "community 3", "community 7", "community 1")
    assert suite.task_names == names
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(suite.indices(split, 0), suite.indices(split, 2))
    distinct = made(edges, repeated, distinct=True)
    assert distinct.fingerprint == made(edges, communities).fingerprint


@pytest.mark.parametrize("features", ["ppr", "svd"])
@pytest.mark.parametrize("seed", range(3))
def test_permuting_node_ids_permutes_the_suite(features, seed: int) -> None:
    edges, communities = small_graph(seed)
    new_id = np.random.default_rng(seed).permutation(1000)
    suite, renamed = (
        made(map_id[edges], [map_id[own] for own in communities], features=features)
        for map_id in (np.arange(1000), new_id)
    )
    nodes = np.unique(np.concatenate(communities[:4]))
    place = np.searchsorted(np.sort(new_id[nodes]), new_id[nodes])
    np.testing.assert_array_equal(renamed.labels[place], suite.labels)
    # Inputs are rounded to 1/4096.
    np.testing.assert_allclose(renamed.inputs[place], suite.inputs, atol=1.5 / 4096)


@settings(max_examples=20)
@given(st.data())
def test_the_order_of_lines_and_members_does_not_matter(data: st.DataObject) -> None:
    edges, communities = small_graph()
    shuffled = np.array(data.draw(st.permutations(edges.tolist())))
    members = [np.array(data.draw(st.permutations(own.tolist()))) for own in communities]
    flipped = shuffled[:, ::-1] if data.draw(st.booleans()) else shuffled
    assert (
        made(flipped, members, features="svd").fingerprint
        == made(edges, communities, features="svd").fingerprint
    )


def test_splits_are_a_tenth_and_a_fifth_of_members_and_of_others() -> None:
    edges, communities = small_graph()
    suite = made(edges, communities, members_only=False)
    for task in range(suite.n_tasks):
        for label in (0, 1):
            total = (suite.labels[:, task] == label).sum()
            sizes = [
                (suite.labels[suite.indices(split, task), task] == label).sum()
                for split in ("train", "validation")
            ]
            assert sizes == [max(1, round(0.1 * total)), max(1, round(0.2 * total))]
    own_rule = made(edges, communities, split_rule=SplitRule(0.5, 0.2))
    assert own_rule.split_rule.train == 0.5


def test_the_seed_draws_the_splits() -> None:
    edges, communities = small_graph()
    first, again, other = (made(edges, communities, seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint
    assert (first.order != other.order).any()


def test_files_give_the_suite_of_their_content(tmp_path: Path) -> None:
    edges, communities = small_graph()
    communities[4] = communities[4][:1]
    lists = {
        "edges.txt": "# Undirected\n" + "".join(f"{u}\t{v}\n" for u, v in edges),
        "cmty.txt": "".join("\t".join(map(str, own)) + "\n" for own in communities),
    }
    expected = made(edges, communities, 3, seed=2, name="ours", distinct=True)
    for suffix, packed in (("", bytes), (".gz", gzip.compress)):
        for name, text in lists.items():
            (tmp_path / (name + suffix)).write_bytes(packed(text.encode()))
        files = tmp_path / f"edges.txt{suffix}", tmp_path / f"cmty.txt{suffix}"
        read = read_edges(files[0])
        found = made(read, read_communities(files[1], read), 3, seed=2, name="ours", distinct=True)
        assert found.fingerprint == expected.fingerprint


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_tasks": 0}, "`n_tasks`"),
        ({"min_members": 2}, "`min_members`"),
        (
            {"min_members": 13},
            "`communities` must hold one of at least 13 members; found 5, the largest with 12",
        ),
        ({"communities": []}, "`communities` must hold one of at least 3 members; found 0"),
        ({"features": "pca"}, "`features` must be one of `ppr`, `svd`; found `pca`"),
        ({"hops": -1}, "`n_hops`"),
        ({"dim": 0}, "`dim`"),
        ({"edges": np.ones((3, 3), dtype=int)}, "`edges`"),
        ({"edges": np.ones((3, 2))}, "`edges`"),
        ({"n_tasks": 1}, "`community 2` must have at least one example labelled 0"),
    ],
)
def test_bad_arguments_are_named(changed, message: str) -> None:
    edges, communities = small_graph()
    with pytest.raises(InvalidInput, match=message):
        made(**({"edges": edges, "communities": communities} | changed))


@needs_amazon
def test_com_amazon_is_the_graph_of_the_paper() -> None:
    edges = read_edges(AMAZON / "edges.txt")
    communities = read_communities(AMAZON / "communities.txt", edges)
    # The paper counts both directions, 20,524; its 100 communities are 61, some of them repeated.
    assert (len(np.unique(edges)), len(edges), len(communities)) == (3225, 10_262, 100)
    assert len({own.tobytes() for own in communities}) == 61
    assert [len(own) for own in communities] == sorted(map(len, communities), reverse=True)
    nodes = np.unique(np.concatenate(communities))
    assert (len(nodes), len(subgraph(edges, nodes))) == (3225, 10_262)


@needs_amazon
def test_com_amazon_loads_as_a_suite_of_100_tasks() -> None:
    edges = read_edges(AMAZON / "edges.txt")
    communities = read_communities(AMAZON / "communities.txt", edges)
    suite = community_suite(edges, communities)
    assert (suite.n_tasks, suite.inputs.shape) == (100, (3225, 4, 128))
    assert (suite.labels.sum(axis=0).max(), suite.labels.sum(axis=0).min()) == (328, 61)
    assert suite.edges is not None and suite.edges.shape == (10_262, 2)
    assert community_suite(edges, communities, distinct=True, features="svd", dim=4).n_tasks == 61
