"""Suites from files of a graph: the same graph in every format is the same suite."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat
from scipy.sparse import csc_array, csr_array, load_npz, save_npz

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.community import community_suite
from gradtag_core.tasks.graph_files import graph_suite_from_files, read_label_matrix
from gradtag_core.tasks.node_inputs import node_inputs
from gradtag_core.tasks.snap import read_ego_network
from gradtag_core.tasks.suite import SplitRule, TaskSuite
from gradtag_core.tasks.table_columns import feature_columns
from gradtag_core.tasks.table_file import table_from_frame

EGO_FACEBOOK = Path(__file__).parents[3] / "shared" / "data" / "facebook_ego"
N_NODES = 24
RULE = SplitRule(0.3, 0.3)
SMALL = {"hops": 1, "dim": 4, "split_rule": RULE, "name": "made"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One graph of 24 nodes with three labels, in every format; ids of the SNAP files are 10 times the rows."""
    folder = tmp_path_factory.mktemp("graph")
    rng = np.random.default_rng(0)
    adjacency = np.triu(rng.random((N_NODES, N_NODES)) < 0.2, 1).astype(float)
    adjacency[np.arange(N_NODES - 1), np.arange(1, N_NODES)] = 1
    adjacency += adjacency.T
    labels = np.zeros((N_NODES, 4))
    for column, members in enumerate(([0, 1, 2, 3], [4], range(8, 16), range(2, 9))):
        labels[list(members), column] = 1
    edges = np.argwhere(np.triu(adjacency))
    (folder / "edges.txt").write_text("".join(f"{u}\t{v}\n" for u, v in edges))
    (folder / "tens.txt").write_text("".join(f"{10 * u}\t{10 * v}\n" for u, v in edges))
    members = [np.flatnonzero(column) for column in labels.T]
    (folder / "communities.txt").write_text("".join(" ".join(map(str, own)) + "\n" for own in members))
    (folder / "tens-communities.txt").write_text(
        "".join(" ".join(map(str, 10 * own)) + "\n" for own in members)
    )
    savemat(
        folder / "both.mat",
        {"network": csc_array(adjacency), "group": csc_array(labels)},
        do_compression=True,
    )
    parts = {}
    for name, dense in (("adj_matrix", adjacency), ("labels", labels)):
        csr = csr_array(dense)
        parts |= {f"{name}.data": csr.data, f"{name}.indices": csr.indices, f"{name}.indptr": csr.indptr,
                  f"{name}.shape": np.array(dense.shape)}  # fmt: skip
    np.savez(folder / "both.npz", **parts, metadata=np.array(None))
    save_npz(folder / "network.npz", csr_array(adjacency))
    np.save(folder / "labels.npy", labels.astype(np.int8))
    features = rng.normal(size=(N_NODES, 3))
    np.save(folder / "features.npy", features)
    np.savez(folder / "features.npz", features=features)
    table = pd.DataFrame(features, columns=["a", "b", "c"]).assign(kind=["x", "y", "z"] * 8)
    table.to_csv(folder / "features.csv", index=False)
    table.assign(node=10 * np.arange(N_NODES)).iloc[::-1].to_csv(folder / "by-node.csv", index=False)
    return folder


def test_communities_from_files_are_the_communities_of_the_library(files: Path) -> None:
    edges = np.argwhere(np.triu(_adjacency(files)))
    members = [np.flatnonzero(column) for column in np.load(files / "labels.npy").T]
    for features in ("ppr", "svd"):
        for members_only in (True, False):
            found = graph_suite_from_files(
                files / "edges.txt", files / "communities.txt", features=features, members_only=members_only, seed=5,
                **SMALL,
            )  # fmt: skip
            expected = community_suite(
                edges, members, features=features, members_only=members_only, seed=5, min_members=3, **SMALL
            )
            assert found.fingerprint == expected.fingerprint
            np.testing.assert_array_equal(found.edges, expected.edges)


def graph_of(suite: TaskSuite) -> np.ndarray:
    assert suite.edges is not None
    return suite.edges


def _adjacency(files: Path) -> np.ndarray:
    return load_npz(files / "network.npz").toarray()


def test_a_label_matrix_is_the_same_suite_in_every_format(files: Path) -> None:
    suites = [
        graph_suite_from_files(files / graph, labels=None if labels is None else files / labels, **SMALL)
        for graph, labels in (
            ("both.mat", None), ("both.npz", None), ("both.mat", "both.npz"), ("network.npz", "labels.npy"),
            ("edges.txt", "both.mat"), ("edges.txt", "labels.npy"),
        )
    ]  # fmt: skip
    assert len({suite.fingerprint for suite in suites}) == 1
    assert suites[0].task_names == ("label 3", "label 4", "label 1")
    assert suites[0].n_examples == N_NODES
    np.testing.assert_array_equal(suites[0].labels, np.load(files / "labels.npy")[:, [2, 3, 0]])
    fewer = graph_suite_from_files(files / "both.mat", members_only=True, n_tasks=2, **SMALL)
    assert (fewer.n_examples, fewer.n_tasks) == (14, 2)


def test_ids_of_communities_may_be_any_numbers(files: Path) -> None:
    tens = graph_suite_from_files(files / "tens.txt", files / "tens-communities.txt", **SMALL)
    plain = graph_suite_from_files(files / "edges.txt", files / "communities.txt", **SMALL)
    assert tens.fingerprint == plain.fingerprint
    assert tens.task_names == ("community 3", "community 4", "community 1")


def test_features_from_files_belong_to_their_nodes(files: Path) -> None:
    given = np.load(files / "features.npy")
    plain = graph_suite_from_files(files / "both.mat", features=files / "features.npy", **SMALL)
    np.testing.assert_array_equal(plain.inputs, node_inputs(graph_of(plain), N_NODES, given, hops=1, dim=0))
    archive = graph_suite_from_files(files / "both.mat", features=str(files / "features.npz"), **SMALL)
    assert archive.fingerprint == plain.fingerprint

    table = pd.read_csv(files / "features.csv")
    encoded = feature_columns(table_from_frame(table), list(table))
    by_row = graph_suite_from_files(files / "both.mat", features=files / "features.csv", **SMALL)
    np.testing.assert_array_equal(
        by_row.inputs, node_inputs(graph_of(plain), N_NODES, encoded, hops=1, dim=0)
    )

    kept = np.unique(np.concatenate([np.arange(9), np.arange(8, 16)]))
    kept = kept[np.load(files / "labels.npy")[kept][:, [0, 2, 3]].any(axis=1)]
    snap = files / "tens.txt", files / "tens-communities.txt"
    by_node = graph_suite_from_files(*snap, features=files / "by-node.csv", **SMALL)
    expected = node_inputs(graph_of(by_node), len(kept), encoded[kept], hops=1, dim=0)
    np.testing.assert_allclose(by_node.inputs, expected, atol=1e-3)


@pytest.mark.skipif(not EGO_FACEBOOK.is_dir(), reason="the ego-Facebook networks are not here")
def test_a_published_ego_network_is_read_whole() -> None:
    path = EGO_FACEBOOK / "fb_1912.npz"
    edges, circles = read_ego_network(path)
    expected = community_suite(edges, circles, features="svd", members_only=True, **SMALL)
    found = graph_suite_from_files(path, features="svd", members_only=True, **SMALL)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.inputs, expected.inputs)
    with_attributes = graph_suite_from_files(path, features=path, **SMALL)
    assert with_attributes.inputs.shape == (755, 2, 29)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"graph": "edges.txt"}, "`communities` or `labels` must be given beside the edge list `edges.txt`"),
        ({"graph": "edges.txt", "communities": "communities.txt", "labels": "both.mat"}, "must not be given together"),
        ({"graph": "network.npz"}, "`network.npz` must hold `labels` or `group`; found"),
        ({"graph": "labels.npy"}, "adjacency matrix of `labels.npy` must be square; found 24 × 4"),
        ({"graph": "tens.txt", "labels": "labels.npy"},
         "`labels.npy` must have a row for each node of `tens.txt`, .* 24 rows, and the node 230"),
        ({"graph": "both.mat", "labels": "short.npy"}, "`short.npy` must have a row for each node of `both.mat`"),
        ({"graph": "both.mat", "labels": "weights.npy"},
         "`weights.npy`, row 2, column 1: a label must be 0 or 1; found 2"),
        ({"graph": "both.mat", "labels": "empty.npy"},
         "A label must have at least 3 members, .*; found 2, the largest with 0"),
        ({"graph": "both.mat", "features": "short.npy"},
         "`features` must have a row for each of the 24 nodes of `both.mat`, .* found 3 in"),
        ({"graph": "both.mat", "features": "huge.npy"},
         "must hold numbers of at most 1e\\+100 in size; found 1e\\+200"),
        ({"graph": "both.mat", "features": "by-node.csv"},
         "`by-node.csv`, line .*, column `node`: each node of `both.mat` must have one row"),
        ({"graph": "both.mat", "features": "nodes.csv"}, "`nodes.csv` must have a column beside `node`"),
        ({"graph": "both.mat", "features": "ppt"}, "`.*ppt` must be a file; there is none"),
        ({"graph": "both.mat", "n_tasks": 0}, "`n_tasks` must be 1 or more"),
        ({"graph": "none.txt", "communities": "communities.txt"}, "there is none"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(files: Path, arguments: dict, message: str) -> None:
    np.save(files / "short.npy", np.eye(3))
    np.save(files / "weights.npy", np.eye(N_NODES, 3) + np.eye(N_NODES, 3, -1) * 2)
    np.save(files / "empty.npy", np.zeros((N_NODES, 2)))
    np.save(files / "huge.npy", np.eye(N_NODES) * 1e200)
    (files / "nodes.csv").write_text("node\n" + "".join(f"{node}\n" for node in range(N_NODES)))
    made = {name: files / value if isinstance(value, str) else value for name, value in arguments.items()}
    with pytest.raises(InvalidInput, match=message):
        graph_suite_from_files(**made, **SMALL)


def test_labels_are_columns_and_rows_their_carriers(files: Path) -> None:
    members, n_rows = read_label_matrix(files / "labels.npy")
    assert n_rows == N_NODES
    assert [own.tolist() for own in members] == [[0, 1, 2, 3], [4], list(range(8, 16)), list(range(2, 9))]


def test_a_label_matrix_of_too_many_columns_is_refused(tmp_path: Path) -> None:
    labels = csr_array((np.ones(3), ([0, 1, 2], [0, 0, 0])), shape=(3, 200_000))
    save_npz(tmp_path / "labels.npz", labels)
    with pytest.raises(InvalidInput, match="at most 100,000 labels \\(columns\\); found 200,000"):
        read_label_matrix(tmp_path / "labels.npz")
