"""Task suites from files of a graph: edges, communities or a label matrix, and node features."""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from gradtag_core.errors import InvalidInput
from gradtag_core.progress import Reporter
from gradtag_core.tasks.community import LEAST_MEMBERS, PAPER_SPLIT, subgraph
from gradtag_core.tasks.matrix_files import matrix_kind, read_matrix, sides
from gradtag_core.tasks.node_inputs import MadeFeatures, node_inputs
from gradtag_core.tasks.snap import read_communities, read_edges
from gradtag_core.tasks.suite import SplitRule, TaskSuite
from gradtag_core.tasks.table_columns import LARGEST, feature_columns
from gradtag_core.tasks.table_file import read_table

ADJACENCY = ("adj_matrix", "network")
LABELS = ("labels", "group")
FEATURES = ("attr_matrix", "features", "attributes")
MAX_LABELS = 100_000  # columns of a label matrix
MAX_FEATURE_CELLS = 2**27  # 1 GB of float64
NODE = "node"  # the column of ids in a table of features


@dataclass(frozen=True)
class _Graph:
    """`nodes`: all ids, ascending; `edges` (E, 2) between them; `numbered`: whether an id is a row of a matrix."""

    path: Path
    nodes: np.ndarray
    edges: np.ndarray
    numbered: bool


def graph_suite_from_files(
    graph: Path | str,
    communities: Path | str | None = None,
    labels: Path | str | None = None,
    features: MadeFeatures | Path | str = "ppr",
    *,
    n_tasks: int = 100,
    hops: int = 3,
    dim: int = 128,
    seed: int = 0,
    members_only: bool | None = None,
    split_rule: SplitRule = PAPER_SPLIT,
    name: str = "graph",
    reporter: Reporter | None = None,
) -> TaskSuite:
    """A suite whose tasks are to find the members of the `n_tasks` largest communities, or carriers of labels.

    `graph`: a SNAP edge list, or an adjacency matrix in an npz or MATLAB file (`adj_matrix` or `network`), whose
    direction, weights and self loops do not count. `communities`: a SNAP file; or `labels`: a 0/1 matrix in an npz,
    npy or MATLAB file (`labels` or `group`), a row per node and a column per task; or neither, if the graph's file
    holds the labels too. Beside a label matrix, node ids of an edge list are its row numbers, from 0.
    `features`: made from the edges, as for `community_suite`, or a file with a row per node by ascending id: npz, npy
    or MATLAB (`attr_matrix`, `features` or `attributes`), CSV or parquet (as for `feature_columns`; a column `node` of
    ids lets rows stand in any order). `members_only` leaves out nodes without any of the tasks; None: with
    communities, but not with a label matrix. At least 3 members make a task.
    """
    if communities is not None and labels is not None:
        raise InvalidInput("`communities` and `labels` must not be given together; leave one out.")
    if n_tasks < 1:
        raise InvalidInput(f"`n_tasks` must be 1 or more; found {n_tasks}.")
    found, members, word = _tasks(Path(graph), communities, labels)
    places = [place for place, own in enumerate(members) if len(own) >= LEAST_MEMBERS]
    if not places:
        raise InvalidInput(
            f"A {word} must have at least {LEAST_MEMBERS} members, one for each split; found {len(members)}, the "
            f"largest with {max(map(len, members), default=0)}."
        )
    chosen = sorted(places, key=lambda place: -len(members[place]))[:n_tasks]
    kept = found.nodes
    if members_only or (members_only is None and communities is not None):
        kept = np.unique(np.concatenate([members[place] for place in chosen]))
    edges = subgraph(found.edges, kept)
    given: MadeFeatures | np.ndarray
    if features in get_args(MadeFeatures):
        given = features  # type: ignore[assignment]
    else:
        given = _features(Path(features), found)[np.searchsorted(found.nodes, kept)]
    labelled = np.stack([np.isin(kept, members[place], assume_unique=True) for place in chosen], axis=1)
    return TaskSuite(
        name,
        tuple(f"{word} {place + 1}" for place in chosen),
        node_inputs(edges, len(kept), given, hops, dim, seed, reporter),
        labelled.astype(np.int8),
        np.random.default_rng(seed).permutation(len(kept)),
        split_rule,
        edges,
    )


def _tasks(
    path: Path, communities: Path | str | None, labels: Path | str | None
) -> tuple[_Graph, list[np.ndarray], str]:
    """The graph, the members of each task in the order of the file, and what a task is called."""
    if matrix_kind(path) is not None:
        graph = _matrix_graph(path)
        labels = path if communities is None and labels is None else labels
    else:
        edges = read_edges(path)
        graph = _Graph(path, np.unique(edges), edges, numbered=False)
    if communities is not None:
        return graph, read_communities(communities, graph.nodes), "community"
    if labels is None:
        raise InvalidInput(
            f"`communities` or `labels` must be given beside the edge list `{path.name}`; found neither."
        )
    # A file with one unnamed matrix holds a graph or labels, not both.
    members, n_rows = read_label_matrix(labels, named=Path(labels) == path)
    return _numbered(graph, n_rows, Path(labels).name), members, "label"


def read_label_matrix(path: Path | str, named: bool = False) -> tuple[list[np.ndarray], int]:
    """The rows that carry each label (column), and the number of rows, of a 0/1 matrix as `read_matrix` reads it."""
    path = Path(path)
    matrix = read_matrix(path, LABELS, named=named)
    if sides(matrix)[1] > MAX_LABELS:
        raise InvalidInput(
            f"`{path.name}` must have at most {MAX_LABELS:,} labels (columns); found {sides(matrix)[1]:,}."
        )
    wrong = np.flatnonzero(matrix.data != 1)
    if len(wrong):
        row = int(np.searchsorted(matrix.indptr, wrong[0], side="right"))
        raise InvalidInput(
            f"`{path.name}`, row {row}, column {int(matrix.indices[wrong[0]]) + 1}: a label must be 0 or 1; found "
            f"{matrix.data[wrong[0]]:g}."
        )
    by_label = matrix.tocsc()
    return np.split(by_label.indices.astype(np.int64), by_label.indptr[1:-1]), sides(matrix)[0]


def _matrix_graph(path: Path) -> _Graph:
    matrix = read_matrix(path, ADJACENCY)
    n_rows, n_columns = sides(matrix)
    if n_rows != n_columns:
        raise InvalidInput(
            f"The adjacency matrix of `{path.name}` must be square; found {n_rows:,} × {n_columns:,}."
        )
    edges = np.stack(matrix.nonzero(), axis=1).astype(np.int64)
    return _Graph(path, np.arange(n_rows), edges, numbered=True)


def _numbered(graph: _Graph, n_rows: int, title: str) -> _Graph:
    """The graph with one node for each row of a matrix."""
    last = int(graph.nodes[-1])
    if last >= n_rows or (graph.numbered and len(graph.nodes) != n_rows):
        raise InvalidInput(
            f"`{title}` must have a row for each node of `{graph.path.name}`, whose ids are row numbers from 0; found "
            f"{n_rows:,} rows, and the node {last}."
        )
    return _Graph(graph.path, np.arange(n_rows), graph.edges, numbered=True)


def _features(path: Path, graph: _Graph) -> np.ndarray:
    """The features of all nodes by ascending id: float64 or float32, (nodes, columns)."""
    if matrix_kind(path) is None:
        return _table_features(path, graph)
    matrix = read_matrix(path, FEATURES, named=path == graph.path)
    n_rows, n_columns = sides(matrix)
    _require_row_per_node(path, n_rows, graph)
    if n_rows * n_columns > MAX_FEATURE_CELLS:
        raise InvalidInput(
            f"`{path.name}` must have at most {MAX_FEATURE_CELLS:,} cells (nodes × features); found "
            f"{n_rows * n_columns:,}. Give fewer columns."
        )
    largest = np.abs(matrix.data).max(initial=0)
    if largest > LARGEST:
        raise InvalidInput(
            f"`{path.name}` must hold numbers of at most {LARGEST:g} in size; found {largest:g}."
        )
    return matrix.toarray()


def _table_features(path: Path, graph: _Graph) -> np.ndarray:
    table = read_table(path)
    _require_row_per_node(path, table.n_rows, graph)
    names = [name for name in table.columns if name != NODE]
    if not names:
        raise InvalidInput(f"`{path.name}` must have a column beside `{NODE}`; found none.")
    features = feature_columns(table, names)
    if NODE not in table.columns:
        return features
    ids = np.array([_node_id(table.columns[NODE][row]) for row in range(table.n_rows)])
    order = np.argsort(ids, kind="stable")
    different = np.flatnonzero(ids[order] != graph.nodes)
    if len(different):
        row = int(order[different[0]])
        raise InvalidInput(
            f"{table.place(row, NODE)}: each node of `{graph.path.name}` must have one row, and nothing else; found "
            f"`{table.columns[NODE][row]}` where the node {graph.nodes[different[0]]} was due."
        )
    return features[order]


def _node_id(cell: str | float) -> int:
    """A cell as an id; -1, which is none, for what is no whole number."""
    try:
        number = int(cell) if isinstance(cell, str) else int(cell) if float(cell).is_integer() else -1
    except (ValueError, OverflowError):
        return -1
    return number if 0 <= number < 2**63 else -1


def _require_row_per_node(path: Path, n_rows: int, graph: _Graph) -> None:
    if n_rows != len(graph.nodes):
        raise InvalidInput(
            f"`features` must have a row for each of the {len(graph.nodes):,} nodes of `{graph.path.name}`, by "
            f"ascending id; found {n_rows:,} in `{path.name}`."
        )
