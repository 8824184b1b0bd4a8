"""Which sweep the page shows, and in which result; and sweeps at work."""

from collections.abc import Sequence

import streamlit as st

from gradtag_core.runs.row import OPEN, RunRow
from gradtag_core.runs.sweep_measures import MEASURES, Measure
from gradtag_core.runs.sweep_record import SweepRecord
from pages.parts.errors import shown_errors
from pages.parts.progress import follow_run
from pages.parts.run_picker import run_labels
from pages.parts.state import choose_run, current_run, store
from pages.parts.sweep_records import place_of

WATCH_SECONDS = 2.0
CELL, MEASURE = "sweep_cell", "sweep_measure"


def pick_sweep() -> RunRow | None:
    """Let the user pick a sweep; None in a store without any."""
    rows = store().list("sweep")
    row = current_run(rows, "sweep") or next(iter(rows), None)
    if row is None:
        return None
    choose_run(row.id, "sweep")  # one at work, where none has finished yet
    st.session_state["sweep_picker"] = row.id
    names = run_labels(rows, row.id)
    st.selectbox("Sweep", list(names), format_func=names.__getitem__, key="sweep_picker", on_change=_picked)
    return row


def _picked() -> None:
    choose_run(st.session_state["sweep_picker"], "sweep")
    forget_view()


def forget_view() -> None:
    """The cell was one of the sweep before."""
    st.session_state.pop(CELL, None)
    st.query_params.pop(CELL, None)


def follow_sweeps(row: RunRow | None) -> None:
    """Show the sweeps at work, and how the chosen one ended if it did not finish; draw its cells as they come."""
    for each in store().list("sweep"):
        chosen = row is not None and each.id == row.id
        if each.state in OPEN or (chosen and each.state != "done"):
            follow_run(each)
        if chosen and each.state in OPEN:
            st.fragment(_watch, run_every=WATCH_SECONDS)(each, place_of(each)[1])


def _watch(row: RunRow, stamp: int | None) -> None:
    with shown_errors():
        if place_of(row)[1] != stamp:
            st.rerun()


def pick_measure(record: SweepRecord) -> Measure:
    """The result that the page shows, of those that some cell has."""
    offered = record.measures
    seed_from_address(MEASURE, offered, offered[0])
    told = "\n\n".join(f"**{_title(name)}**: {MEASURES[name].help}" for name in offered)
    chosen: Measure = st.selectbox(
        "Show", offered, format_func=_title, key=MEASURE, persist_state="session", help=told
    )
    st.query_params[MEASURE] = chosen
    return chosen


def seed_from_address(key: str, offered: Sequence[str], default: str) -> None:
    """Give a widget the value that the address names when it is drawn first; one that is not offered is forgotten.

    Streamlit's own binding would forbid the buttons of the page to lead to another one.
    """
    asked = st.session_state.get(key, st.query_params.get(key))
    st.session_state[key] = asked if asked in offered else default


def _title(measure: Measure) -> str:
    title = MEASURES[measure].title
    return title[0].upper() + title[1:]
