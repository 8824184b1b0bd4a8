"""In which result the page shows a sweep."""

from collections.abc import Sequence

import streamlit as st

from gradtag_core.runs.sweep_measures import MEASURES, Measure
from gradtag_core.runs.sweep_record import SweepRecord

CELL, MEASURE = "sweep_cell", "sweep_measure"


def forget_view() -> None:
    """The cell was one of the sweep before."""
    st.session_state.pop(CELL, None)
    st.query_params.pop(CELL, None)


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
