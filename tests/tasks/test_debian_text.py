"""The text view of the Debian sample."""

import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.tasks.debian_text import MAX_LINKED, debian_text_suite, linked_names
from gradtag_core.tasks.registry import load_suite
from gradtag_core.tasks.sample_files import debian_graph


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[str], np.ndarray]:
    n_nodes = draw(st.integers(2, 9))
    names = draw(
        st.lists(st.text("abc", min_size=1, max_size=4), min_size=n_nodes, max_size=n_nodes, unique=True)
    )
    pairs = [(low, high) for high in range(n_nodes) for low in range(high)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, min_size=1))
    return names, np.array(edges)


@given(graphs(), st.integers(1, 4))
def test_linked_names_by_brute_force(graph: tuple[list[str], np.ndarray], most: int) -> None:
    names, edges = graph
    degree = Counter(edges.ravel().tolist())
    expected = []
    for node, name in enumerate(names):
        near = [int(high if low == node else low) for low, high in edges if node in (low, high)]
        near.sort(key=lambda other: (degree[other], names[other]))
        expected.append(f"{name}: {', '.join(names[other] for other in near[:most])}" if near else name)
    assert linked_names(names, edges, most) == expected


@given(graphs(), st.randoms())
def test_the_order_of_edges_and_their_direction_do_not_matter(graph, random) -> None:
    names, edges = graph
    mixed = [tuple(random.sample(pair, 2)) for pair in random.sample(edges.tolist(), len(edges))]
    assert linked_names(names, np.array(mixed)) == linked_names(names, edges)


def test_tasks_labels_and_splits_are_those_of_the_graph() -> None:
    texts, graph = load_suite("debian-text"), load_suite("debian")
    assert texts.task_names == graph.task_names and texts.split_rule == graph.split_rule
    np.testing.assert_array_equal(texts.labels, graph.labels)
    np.testing.assert_array_equal(texts.order, graph.order)
    rows, other = texts.select(5).rows("train"), graph.select(5).rows("train")
    np.testing.assert_array_equal(rows.example, other.example)
    np.testing.assert_array_equal(rows.label, other.label)


def test_texts_are_short_and_know_their_packages() -> None:
    packages, _ = debian_graph()
    texts = load_suite("debian-text").inputs.tolist()
    assert [text.partition(":")[0] for text in texts] == packages.tolist()
    counts = [len(text.partition(": ")[2].split(", ")) for text in texts]
    assert max(counts) == MAX_LINKED
    own = texts[packages.tolist().index("0ad")]
    assert own.startswith("0ad: 0ad-data, 0ad-data-common, libenet7")


def test_it_is_built_at_once_and_the_same_everywhere() -> None:
    start = time.process_time()
    suite = debian_text_suite()
    assert time.process_time() - start < 2
    assert suite.fingerprint == load_suite("debian-text").fingerprint == "570d18602cae1dd25c39b1e566176c4a"


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"debian\.npz` is missing"):
        debian_text_suite(tmp_path)
