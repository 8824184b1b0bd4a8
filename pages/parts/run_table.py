"""The table of runs and studies."""

import pandas as pd
import streamlit as st

from gradtag_core.errors import GradTagError
from gradtag_core.runs.row import RunRow
from pages.parts.results import comparison_of, record_of


def pick_from_table(rows: list[RunRow]) -> RunRow | None:
    """Draw the runs and studies; returns the selected one."""
    key = f"runs {rows[0].id} {len(rows)}"  # a selection is a position: another list begins without one
    number = st.column_config.NumberColumn
    event = st.dataframe(
        pd.DataFrame([_line(row) for row in rows]), hide_index=True, width="stretch", key=key,
        on_select="rerun", selection_mode="single-row", placeholder="–",
        column_config={
            "Created": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "Kind": st.column_config.TextColumn(help="A run estimates affinities; a study compares methods."),
            "Seconds": number(format="%.1f"),
            "Row Spearman": number(format="%.2f", help="Against real training, where the run has any."),
            "M": number(help="Initialisations", width="small"), "d": number(help="Projected dimension", width="small"),
            "m": number(help="Subsets", width="small"), "k": number(help="Groups", width="small"),
        },
    )  # fmt: skip
    chosen = event["selection"]["rows"]
    return rows[chosen[0]] if chosen and chosen[0] < len(rows) else None


def _line(row: RunRow) -> dict[str, object]:
    try:
        found = _findings(row)
    except GradTagError:
        found = {"State": f"{row.state}, damaged"}  # opening it shows the sentence
    return {
        "Name": row.name,
        "Data set": row.suite,
        "State": "sample" if row.sample else row.state,
        "Kind": row.kind,
        "Created": pd.Timestamp(row.created, unit="s"),
        "Seconds": row.seconds,
        "M": row.config.get("n_inits"),
        "m": row.config.get("n_subsets"),
        "d": row.config.get("proj_dim"),
        "k": row.config.get("n_groups"),
        "Row Spearman": None,
        **found,
    }


def _findings(row: RunRow) -> dict[str, object]:
    """What only the results tell: the number of subsets and groups that were left open, and the accuracy."""
    if row.kind == "study":
        return {}
    record = record_of(row)
    if record is None:
        return {}
    found: dict[str, object] = {}
    if record.estimated:
        found["m"] = len(record.estimated.subsets)
    if record.grouping:
        found["k"] = record.grouping.n_groups
    comparison = comparison_of(row, record.config.metric)
    if comparison:
        found["Row Spearman"] = comparison.estimate.agreement.row_spearman
    return found
