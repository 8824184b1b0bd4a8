"""The record of a sweep, read once per content of its folder and shared by all sessions; never change it."""

from pathlib import Path

import streamlit as st

from gradtag_core.runs.row import RunRow
from gradtag_core.runs.sweep_record import SweepRecord
from pages.parts.work_picker import place_of


def sweep_of(row: RunRow) -> SweepRecord | None:
    """The record of a sweep; None before it has begun."""
    folder, stamp = place_of(row)
    return None if stamp is None else _sweep(folder, stamp)


@st.cache_resource(max_entries=16, show_spinner=False)
def _sweep(folder: str, stamp: int) -> SweepRecord:
    record = SweepRecord(Path(folder))
    record.results  # noqa: B018 (read now: a sweep at work replaces its file)
    return record
