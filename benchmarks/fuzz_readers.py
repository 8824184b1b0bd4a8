"""The readers of what a user gives: graphs, matrices, tables, texts, templates and affinities; and the list of all."""

import io
from pathlib import Path

import numpy as np

from benchmarks import fuzz_corpus as corpus
from benchmarks import fuzz_hostile as hostile
from benchmarks.fuzz_reader import Reader
from benchmarks.fuzz_stores import STORES

TEXT_FIELDS = {"text1": "a text", "text2": "b", "premise": "a text", "hypothesis": "b"}
NODE_FEATURES = "node,x,y\n" + "".join(f"{node},{node / 2},{node % 3}\n" for node in range(corpus.SIDE))
NETWORK = corpus.matrices(("adj_matrix", "network"), corpus.adjacency())
LABELS = corpus.matrices(("labels", "group"), corpus.node_labels())
FEATURES = corpus.matrices(("attr_matrix", "features"), np.arange(3.0 * corpus.SIDE).reshape(-1, 3))


def every(kinds: dict[str, list[bytes]]) -> list[bytes]:
    return [content for contents in kinds.values() for content in contents]


def _edges(path: Path) -> object:
    from gradtag_core.tasks.snap import read_edges

    return read_edges(path)


def _communities(path: Path) -> object:
    from gradtag_core.tasks.snap import read_communities

    return read_communities(path, np.arange(corpus.SIDE))


def _ego_network(path: Path) -> object:
    from gradtag_core.tasks.snap import read_ego_network

    return read_ego_network(path)


def _adjacency(path: Path) -> object:
    from gradtag_core.tasks.graph_files import ADJACENCY
    from gradtag_core.tasks.matrix_files import read_matrix

    return read_matrix(path, ADJACENCY)


def _labels(path: Path) -> object:
    from gradtag_core.tasks.graph_files import read_label_matrix

    return read_label_matrix(path)


def _sample_arrays(path: Path) -> object:
    from gradtag_core.tasks.sample_files import read_arrays

    return read_arrays(path, ("adj_matrix",))


def _graph_with_communities(path: Path) -> object:
    from gradtag_core.tasks.graph_files import graph_suite_from_files

    return graph_suite_from_files(path, path.parent / "communities.txt", hops=1, dim=4).fingerprint


def _graph_with_labels(path: Path) -> object:
    from gradtag_core.tasks.graph_files import graph_suite_from_files

    return graph_suite_from_files(path.parent / "edges.txt", labels=path, hops=1, dim=4).fingerprint


def _graph_with_features(path: Path) -> object:
    from gradtag_core.tasks.graph_files import graph_suite_from_files

    folder = path.parent
    return graph_suite_from_files(
        folder / "edges.txt", folder / "communities.txt", features=path, hops=1
    ).fingerprint


def _graph_files(folder: Path) -> None:
    (folder / "edges.txt").write_bytes(corpus.edge_lists()[0])
    (folder / "communities.txt").write_bytes(corpus.community_lists()[0])


def _table(path: Path) -> object:
    from gradtag_core.tasks.table_file import read_table

    return read_table(path)


def _table_suite(path: Path) -> object:
    from gradtag_core.tasks.label_columns import with_kinds
    from gradtag_core.tasks.table_file import read_table
    from gradtag_core.tasks.tabular import tabular_suite

    table = read_table(path)
    names, kinds = with_kinds(table, ["label", "colour:multiclass", "y:regression"])
    return tabular_suite(table, names, kinds=kinds, ids="id").fingerprint


def _text_suite(path: Path) -> object:
    from gradtag_core.tasks.text_table import text_suite

    return text_suite(path, "words", ["label"], ids="id").fingerprint


def _pairs(path: Path) -> object:
    from gradtag_core.tasks.instructions import instruction_suite

    return instruction_suite(path, path.parent / "templates.yaml").fingerprint


def _own_templates(folder: Path) -> None:
    (folder / "templates.yaml").write_bytes(corpus.OWN_TEMPLATES)


def _templates(path: Path) -> object:
    from gradtag_core.tasks.prompt_templates import read_templates

    found = read_templates(path)
    for template in found:
        template.require_fields(tuple(TEXT_FIELDS), [("text1", "premise"), ("text2", "hypothesis")])
    return [template.render(TEXT_FIELDS) for template in found]


def _affinity(path: Path) -> object:
    from gradtag_core.grouping.matrix_file import read_affinity_csv

    values, names = read_affinity_csv(io.BytesIO(path.read_bytes()))  # as an upload comes
    again, _ = read_affinity_csv(path)
    return values.tobytes() == again.tobytes(), names


def _task_costs(path: Path) -> object:
    from gradtag_core.grouping.constraint_text import read_task_costs

    return read_task_costs(path, ("a", "b", "c"))


def _pairs_of_tasks(path: Path) -> object:
    from gradtag_core.grouping.constraint_text import parse_pairs

    return parse_pairs("together", path.read_text("utf-8", "replace").splitlines(), ("a", "b", "c, d"))


def _graph_hostile() -> list[bytes]:
    return [*hostile.texts(), *hostile.pickles(), *hostile.large_archives(), *hostile.matlab_files()]


def _matrix_hostile() -> list[bytes]:
    return [*_graph_hostile(), *hostile.promised_arrays()]


def _table_hostile() -> list[bytes]:
    return [*hostile.texts(), *hostile.pickles(), *hostile.parquet_files()]


USERS: tuple[Reader, ...] = (
    Reader("edge list", "edges.txt", corpus.edge_lists, _edges, _graph_hostile),
    Reader("communities", "communities.txt", corpus.community_lists, _communities, _graph_hostile),
    Reader("ego network", "ego.npz", corpus.ego_networks, _ego_network, _matrix_hostile),
    Reader("matrix npz", "matrix.npz", lambda: NETWORK["npz"], _adjacency, _matrix_hostile),
    Reader("matrix npy", "matrix.npy", lambda: NETWORK["npy"], _adjacency, hostile.promised_arrays),
    Reader("matrix mat", "matrix.mat", lambda: NETWORK["mat"], _adjacency, hostile.matlab_files),
    Reader("label matrix", "labels.npz", lambda: every(LABELS), _labels, _matrix_hostile),
    Reader("sample arrays", "arrays.npz", lambda: NETWORK["npz"][1:2], _sample_arrays,
           lambda: [*hostile.pickles(), *hostile.promised_arrays()], share=0.5),
    Reader("graph: edges", "graph.bin", lambda: [*corpus.edge_lists(), *NETWORK["npz"][:2]], _graph_with_communities,
           _matrix_hostile, _graph_files, share=0.5),
    Reader("graph: labels", "labels.bin", lambda: every(LABELS), _graph_with_labels, _matrix_hostile, _graph_files,
           share=0.5),
    Reader("graph: features", "features.bin", lambda: [NODE_FEATURES.encode(), *every(FEATURES)],
           _graph_with_features, lambda: [*_matrix_hostile(), *hostile.parquet_files()], _graph_files, share=0.5),
    Reader("table csv", "table.csv", corpus.tables, _table, _table_hostile),
    Reader("table parquet", "table.parquet", lambda: corpus.parquet_tables()[:2], _table,
           lambda: [*_table_hostile(), *corpus.parquet_tables()[2:]]),
    Reader("table suite", "suite.csv", lambda: [*corpus.tables()[:3], corpus.parquet_tables()[0]], _table_suite,
    _table_hostile),
    Reader("text suite", "texts.csv", lambda: [*corpus.tables()[:4], corpus.parquet_tables()[0]], _text_suite,
    _table_hostile,
           share=0.5),
    Reader("pairs", "pairs.tsv", corpus.pairs, _pairs, _table_hostile, _own_templates, share=0.5),
    Reader("templates", "templates.yaml", lambda: [corpus.OWN_TEMPLATES, corpus.PUBLIC_TEMPLATES], _templates,
           lambda: [*hostile.yaml_files(), *hostile.texts(), *hostile.pickles()]),
    Reader("affinity csv", "affinity.csv", corpus.affinity_tables, _affinity, _table_hostile),
    Reader("task costs", "costs.csv", corpus.task_costs, _task_costs, _table_hostile, share=0.5),
    Reader("pairs of tasks", "pairs.txt", lambda: [b"a,b\na,c, d\n"], _pairs_of_tasks, share=0.3),
)  # fmt: skip

READERS: tuple[Reader, ...] = (*USERS, *STORES)
