"""The forms for tables: some columns are labels, and the others, or the text in one of them, are what is known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from gradtag_core.tasks.suite import TaskKind, TaskSuite
from gradtag_core.tasks.table_file import MAX_BYTES, Column, Table, read_table
from gradtag_core.tasks.tabular import tabular_suite
from gradtag_core.tasks.text_table import text_suite
from pages.parts.data_draft import PREVIEW_ROWS, Draft, pick_seed
from pages.parts.data_templates import table_csv, table_parquet, template_button, text_csv
from pages.parts.data_upload import file_name, pick, read_upload

MOST_MB = MAX_BYTES // 2**20
TYPES = ["csv", "tsv", "txt", "parquet"]
NO_IDS = "none"
ZERO_OR_ONE = frozenset({"", "0", "1"})


def draw_table() -> Draft | None:
    """The uploader and the columns; None before there is a file with a label."""
    st.caption(
        "CSV (UTF-8; comma, semicolon or tab) or parquet; the first row names the columns. Each label is a task: "
        "0/1, false/true or no/yes, or else what you declare; an empty label leaves the row out of it. Numbers are "
        "standardised and texts one-hot; a missing feature counts as the mean, and a further column says where."
    )
    with st.container(horizontal=True):
        template_button("Template (CSV)", table_csv(), "table-template.csv")
        template_button("Template (parquet)", table_parquet(), "table-template.parquet")
    file = pick("Table", "data_table", MOST_MB, TYPES)
    if file is None:
        return None
    table = read_upload(read_table, {"path": file})
    labels = _pick_labels(table, file)
    kinds = _pick_kinds(labels, file)
    rest = [name for name in table.columns if name not in labels]
    ids = _pick_ids(rest, file)
    left_out = st.multiselect(
        "Columns to leave out", [name for name in rest if name != ids], key=f"data_out_{file.file_id}",
        persist_state="page", help="All others are features.",
    )  # fmt: skip
    seed = pick_seed()
    if not labels:
        st.info("Choose the columns that are labels.")
        return None
    features = [name for name in rest if name not in (ids, *left_out)]

    def build() -> TaskSuite:
        return tabular_suite(table, labels, features, ids=ids, seed=seed, kinds=kinds)

    title = file_name(file)
    options = {
        "tabular": title,
        "labels": labels,
        "features": features,
        "ids": ids,
        "seed": seed,
        "kinds": kinds,
    }
    return Draft(
        repr(("table", file.file_id, sorted(options.items()))), build, (file,), options,
        f"Rows of {title}; each task is to predict one of its columns.", first_rows(table),
    )  # fmt: skip


def draw_text() -> Draft | None:
    """The uploader, the column of texts and those of labels; None before there is a file with a label."""
    st.caption(
        "CSV (UTF-8; comma, semicolon or tab) or parquet; the first row names the columns. One column holds the texts, "
        "which a language model reads. Each label column is a task: 0/1, false/true or no/yes, or else what you "
        "declare; an empty label leaves the text out of it."
    )
    template_button("Template (CSV)", text_csv(), "text-template.csv")
    file = pick("Table of texts", "data_text", MOST_MB, TYPES)
    if file is None:
        return None
    table = read_upload(read_table, {"path": file})
    names = list(table.columns)
    column = st.selectbox(
        "Text column", names, index=names.index(longest_texts(table)), key=f"data_column_{file.file_id}",
        persist_state="page",
    )  # fmt: skip
    labels = _pick_labels(table, file, (column,))
    kinds = _pick_kinds(labels, file)
    ids = _pick_ids([name for name in names if name not in (column, *labels)], file)
    seed = pick_seed()
    if not labels:
        st.info("Choose the columns that are labels.")
        return None

    def build() -> TaskSuite:
        return text_suite(table, column, labels, ids=ids, seed=seed, kinds=kinds)

    title = file_name(file)
    options = {
        "text": title,
        "text_column": column,
        "labels": labels,
        "ids": ids,
        "seed": seed,
        "kinds": kinds,
    }
    return Draft(
        repr(("text", file.file_id, sorted(options.items()))), build, (file,), options,
        f"Texts of {title}; each task is to predict one of its labels.", first_rows(table),
    )  # fmt: skip


def longest_texts(table: Table) -> str:
    """The column with the most letters; numbers have none."""
    lengths = {
        name: 0 if isinstance(column, np.ndarray) else sum(map(len, column))
        for name, column in table.columns.items()
    }
    return max(lengths, key=lambda name: lengths[name])


def _pick_labels(table: Table, file: Any, others: Sequence[str] = ()) -> list[str]:
    """Which columns are tasks: at first those that hold 0 and 1 alone; `others` cannot be."""
    names = [name for name in table.columns if name not in others]
    return st.multiselect(
        "Label columns", names, [name for name in names if is_zero_or_one(table.columns[name])],
        key=f"data_labels_{file.file_id}", persist_state="page", help="Each is a task.",
    )  # fmt: skip


def _pick_kinds(labels: list[str], file: Any) -> dict[str, TaskKind]:
    """The labels that are not yes or no; none at first."""
    with st.grid(2, min_column_width=150, vertical_alignment="bottom"):
        classes = st.multiselect(
            "Of several classes", labels, key=f"data_classes_{file.file_id}", persist_state="page",
            help="Label columns that hold one of up to 50 values.",
        )  # fmt: skip
        numbers = st.multiselect(
            "Of numbers", [name for name in labels if name not in classes], key=f"data_numbers_{file.file_id}",
            persist_state="page", help="Label columns for regression; they are standardised.",
        )  # fmt: skip
    return {**dict.fromkeys(classes, "multiclass"), **dict.fromkeys(numbers, "regression")}


def _pick_ids(names: list[str], file: Any) -> str | None:
    """Which column names the rows; at first one called so."""
    usual = next((place for place, name in enumerate(names, start=1) if name.lower() in ("id", "ids")), 0)
    chosen = st.selectbox(
        "Column of ids", [NO_IDS, *names], index=usual, key=f"data_ids_{file.file_id}", persist_state="page",
        help="Names the rows: each id once. It is no feature.",
    )  # fmt: skip
    return None if chosen == NO_IDS else chosen


def is_zero_or_one(column: Column) -> bool:
    """Whether a column holds 0 or 1, or nothing, in every cell, and something in one."""
    if isinstance(column, np.ndarray):
        known = column[~np.isnan(column)]
        return len(known) > 0 and bool(np.isin(known, (0, 1)).all())
    values = set(column)
    return values <= ZERO_OR_ONE and values != {""}


def first_rows(table: Table) -> pd.DataFrame:
    return pd.DataFrame({name: column[:PREVIEW_ROWS] for name, column in table.columns.items()})
