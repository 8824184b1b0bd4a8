"""The form for graphs: edges, what the tasks are, and features of the nodes."""

from typing import Any

import streamlit as st

from gradtag_core.tasks import snap
from gradtag_core.tasks.graph_files import graph_suite_from_files
from gradtag_core.tasks.suite import TaskSuite
from pages.parts.data_draft import Draft, pick_seed
from pages.parts.data_templates import communities_txt, edges_txt, features_csv, template_button
from pages.parts.data_upload import file_name, pick, read_upload

MOST_MB = snap.MAX_BYTES // 2**20
COMMUNITIES, LABELS, INSIDE = "communities", "a label matrix", "in the graph's file"
MADE = {"ppr": "made: personalised PageRank", "svd": "made: degrees and neighbours"}
OWN = "a file of mine"


def draw_graph() -> Draft | None:
    """The uploaders and how features are made; None before the files are there."""
    st.caption(
        "An undirected graph as a SNAP edge list (two node ids a line, plain or gzipped) or an adjacency matrix (npz, "
        "npy, mat). Tasks: communities, the ids of the members a line, or a 0/1 matrix with a row per node."
    )
    with st.container(horizontal=True):
        template_button("Edges", edges_txt(), "edges-template.txt")
        template_button("Communities", communities_txt(), "communities-template.txt")
        template_button("Features", features_csv(), "features-template.csv")
    files: dict[str, Any] = {"graph": pick("Graph", "data_edges")}
    tasks = st.segmented_control(
        "Tasks", (COMMUNITIES, LABELS, INSIDE), default=COMMUNITIES, required=True, key="data_tasks",
        persist_state="page", wrap=True,
    )  # fmt: skip
    if tasks == COMMUNITIES:
        files["communities"] = pick("Communities", "data_communities", MOST_MB)
    elif tasks == LABELS:
        files["labels"] = pick("Label matrix", "data_matrix", types=["npz", "npy", "mat"])
    features = st.selectbox(
        "Features of the nodes", (*MADE, OWN), format_func=lambda kind: MADE.get(kind) or OWN, key="data_features",
        persist_state="page",
    ) or OWN  # fmt: skip
    if features == OWN:
        files["features"] = pick(
            "Features", "data_node_features", types=["csv", "tsv", "txt", "parquet", "npz", "npy", "mat"],
            help="A row per node by ascending id; in a table, a column `node` of ids lets them stand in any order.",
        )  # fmt: skip
    options = _options(features, members_only=tasks == COMMUNITIES)
    if any(file is None for file in files.values()):
        return None

    def build() -> TaskSuite:
        return read_upload(graph_suite_from_files, files, options)

    names = {parameter: file_name(file) for parameter, file in files.items()}
    return Draft(
        repr(("graph", [file.file_id for file in files.values()], sorted(options.items()))), build,
        tuple(files.values()), {**options, **names},
        f"Nodes of {names['graph']}; each task is to find those of one community or label.",
    )  # fmt: skip


def _options(features: str, members_only: bool) -> dict[str, Any]:
    with st.grid(2, min_column_width=150, vertical_alignment="bottom"):
        n_tasks = st.number_input(
            "Tasks at most", 1, 10_000, 100, key="data_n_tasks", persist_state="page",
            help="The largest are kept.",
        )  # fmt: skip
        hops = st.number_input(
            "Hops", 0, 10, 3, key="data_hops", persist_state="page",
            help="Features are averaged over the neighbours this far away.",
        )  # fmt: skip
        dim = st.number_input(
            "Columns made", 1, 1024, 128, key="data_dim", persist_state="page", disabled=features == OWN,
            help="Of the features that are made from the edges.",
        )  # fmt: skip
        seed = pick_seed()
    chosen = st.toggle(
        "Members only", members_only, key=f"data_members_{members_only}", persist_state="page",
        help="Leave out nodes without any of the tasks.",
    )  # fmt: skip
    made = {} if features == OWN else {"features": features, "dim": dim}
    return {"n_tasks": n_tasks, "hops": hops, "seed": seed, "members_only": chosen, **made}
