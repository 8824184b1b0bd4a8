"""The table of runs and studies."""

import pandas as pd
import streamlit as st

from gradtag_core.runs.row import RunRow
from pages.parts.run_filters import state_of
from pages.parts.run_findings import Findings, findings_of

ROW, MOST_ROWS = 35, 14  # pixels of a row, and how many are seen without scrolling


def pick_from_table(rows: list[RunRow]) -> list[RunRow]:
    """Draw the runs and studies; returns the selected ones, in the order of the list."""
    key = f"runs {hash(tuple(row.id for row in rows))}"  # a selection is a position: another list begins without one
    findings = list(findings_of(rows))
    number = st.column_config.NumberColumn
    event = st.dataframe(
        pd.DataFrame([_line(row, found) for row, found in zip(rows, findings, strict=True)]), hide_index=True,
        width="stretch", height=ROW * (1 + min(len(rows), MOST_ROWS)) + 3, key=key,
        on_select="rerun", selection_mode="multi-row", placeholder="–",
        alt=f"{len(rows)} runs with their state, settings and accuracy.",
        column_config={
            "Tags": st.column_config.ListColumn(width="small"),
            "Created": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "Kind": st.column_config.TextColumn(help="A run estimates affinities; a study compares methods; a sweep "
            "varies one or two parameters."),
            "Seconds": number(format="%.1f"),
            "Row Spearman": number(format="%.2f", help="Against real training, where the run has any."),
            "M": number(help="Initialisations", width="small"), "d": number(help="Projected dimension", width="small"),
            "m": number(help="Subsets", width="small"), "k": number(help="Groups", width="small"),
        },
    )  # fmt: skip
    n_later = sum(found.later for found in findings)
    if n_later:
        st.button(
            f"Compute the row Spearman of {n_later} older runs", icon=":material/calculate:", type="tertiary",
            on_click=_compute, args=(rows,),
        )  # fmt: skip
    return [rows[position] for position in sorted(event["selection"]["rows"]) if position < len(rows)]


def _compute(rows: list[RunRow]) -> None:
    for _ in findings_of(rows, float("inf")):
        pass


def _line(row: RunRow, found: Findings) -> dict[str, object]:
    state = state_of(row) + (", damaged" if found.is_damaged else "") + (", archived" if row.archived else "")
    return {
        "Name": row.name,
        "Tags": list(row.tags),
        "Data set": row.suite,
        "State": state,
        "Kind": row.kind,
        "Created": pd.Timestamp(row.created, unit="s"),
        "Seconds": row.seconds,
        "Row Spearman": found.row_spearman,
        "M": row.config.get("n_inits"),
        "m": row.config.get("n_subsets") if found.n_subsets is None else found.n_subsets,
        "d": row.config.get("proj_dim"),
        "k": row.config.get("n_groups") if found.n_groups is None else found.n_groups,
        "Note": " ".join(row.note.split()),
    }
