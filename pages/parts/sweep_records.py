"""The record of a sweep, read once per content of its folder and shared by all sessions; never change it."""

from pathlib import Path

import streamlit as st

from gradtag_core.runs.row import KIND_FILES, RunRow
from gradtag_core.runs.sweep_record import SweepRecord
from pages.parts.state import store


def sweep_of(row: RunRow) -> SweepRecord | None:
    """The record of a sweep; None before it has begun."""
    folder, stamp = place_of(row)
    return None if stamp is None else _sweep(folder, stamp)


def place_of(row: RunRow) -> tuple[str, int | None]:
    """The folder of a sweep and what changes whenever a result in it does; None before there is any."""
    folder = store().run_folder(row.id)
    try:
        return str(folder), (folder / KIND_FILES["sweep"]).stat().st_mtime_ns
    except FileNotFoundError:
        return str(folder), None


@st.cache_resource(max_entries=16, show_spinner=False)
def _sweep(folder: str, stamp: int) -> SweepRecord:
    record = SweepRecord(Path(folder))
    record.results  # noqa: B018 (read now: a sweep at work replaces its file)
    return record
