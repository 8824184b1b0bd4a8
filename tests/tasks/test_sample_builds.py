"""The scripts that built the sample data, on small inputs with known answers."""

import numpy as np
import pytest

from sample_data.debian.build import arrays, related, spectral_embedding, stanzas, tags_of
from sample_data.yeast.build import arrays as yeast_arrays

INDEX = """Package: zed
Version: 1
Pre-Depends: alpha (>= 1:2.0~)
Depends: beta:any | missing [amd64], gamma <!nocheck>
Description: prose about zed
Tag: role::program, use::editing,
 works-with::text

Package: alpha
Recommends: zed, alpha
Tag: role::program, special::not-yet-tagged::a, use::TODO

Package: untagged
Depends: alpha

Package: beta
Tag: role::plugin, use::editing
Suggests: alpha, untagged

Package: gamma
Tag: implemented-in::TODO, role::program
Breaks: alpha
"""


def test_records_join_continuation_lines() -> None:
    records = list(stanzas(INDEX.splitlines()))
    assert [record["Package"] for record in records] == ["zed", "alpha", "untagged", "beta", "gamma"]
    assert tags_of(records[0]) == {"role::program", "use::editing", "works-with::text"}


def test_notes_about_unfinished_tagging_are_no_tags() -> None:
    alpha = list(stanzas(INDEX.splitlines()))[1]
    assert tags_of(alpha) == {"role::program"}


def test_relations_lose_versions_architectures_and_profiles() -> None:
    zed = next(stanzas(INDEX.splitlines()))
    assert related(zed) == {"alpha", "beta", "missing", "gamma"}


def test_the_graph_of_a_small_index() -> None:
    content = arrays(INDEX.splitlines(), min_packages=2, n_columns=2)
    assert content["packages"].astype(str).tolist() == ["alpha", "beta", "gamma", "zed"]
    assert content["edges"].T.tolist() == [[0, 1], [0, 3], [1, 3], [2, 3]]
    assert content["tags"].astype(str).tolist() == ["role::program", "use::editing"]
    labels = np.unpackbits(content["labels"], axis=1, count=2)
    assert labels.tolist() == [[1, 0], [0, 1], [1, 0], [1, 1]]
    assert sorted(content["order"]) == [0, 1, 2, 3]


def test_features_and_splits_do_not_depend_on_the_tags() -> None:
    other = INDEX.replace("use::editing", "role::program").replace("role::plugin", "use::viewing")
    before, after = (arrays(text.splitlines(), min_packages=1, n_columns=2) for text in (INDEX, other))
    assert before["tags"].tolist() != after["tags"].tolist()
    for name in ("packages", "edges", "embedding", "order"):
        np.testing.assert_array_equal(before[name], after[name])


def test_building_twice_gives_the_same_arrays() -> None:
    first, again = (arrays(INDEX.splitlines(), min_packages=1, n_columns=2) for _ in range(2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])


def test_the_embedding_is_that_of_a_dense_solver() -> None:
    rng = np.random.default_rng(0)
    n_nodes, n_columns = 40, 5
    pairs = np.sort(rng.integers(0, n_nodes - 1, (120, 2)), axis=1)
    edges = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    adjacency = np.zeros((n_nodes, n_nodes))
    adjacency[edges[:, 0], edges[:, 1]] = adjacency[edges[:, 1], edges[:, 0]] = 1
    scale = 1 / np.sqrt(adjacency.sum(axis=1) + 2 * len(edges) / n_nodes)
    values, vectors = np.linalg.eigh(scale[:, None] * adjacency * scale)
    leading = vectors[:, np.argsort(-np.abs(values))[:n_columns]]
    length = np.linalg.norm(leading, axis=1, keepdims=True)
    expected = 127 * np.divide(leading, length, out=np.zeros_like(leading), where=length > 1e-9)
    found = spectral_embedding(edges, n_nodes, n_columns)
    assert (found[-1] == 0).all()
    # The sign of an eigenvector is free.
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=0.51)
    np.testing.assert_allclose(np.abs((found * expected).sum(axis=0)), (expected**2).sum(axis=0), rtol=0.02)


def test_yeast_figures_are_kept_as_millionths() -> None:
    header = "Att1," + ",".join(f"Class{number}" for number in range(1, 15))
    table = "\n".join([header, "0.123456," + ",".join("0" * 13) + ",1", "-1.5," + ",".join("1" * 14)])
    content = yeast_arrays(table)
    assert content["features"].tolist() == [[123456], [-1500000]]
    assert content["labels"].sum(axis=1).tolist() == [1, 14]
    with pytest.raises(SystemExit, match="six decimals"):
        yeast_arrays(table.replace("0.123456", "0.1234567"))
