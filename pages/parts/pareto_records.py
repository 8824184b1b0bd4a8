"""The record of a study, read once per content of its folder and shared by all sessions; never change it."""

from pathlib import Path

import streamlit as st

from gradtag_core.runs.row import KIND_FILES, RunRow
from gradtag_core.runs.study_record import StudyRecord
from pages.parts.state import store


def study_of(row: RunRow) -> StudyRecord | None:
    """The record of a study; None before it has begun."""
    folder, stamp = place_of(row)
    return None if stamp is None else _study(folder, stamp)


def place_of(row: RunRow) -> tuple[str, int | None]:
    """The folder of a study and what changes whenever a result in it does; None before there is any."""
    folder = store().run_folder(row.id)
    try:
        return str(folder), (folder / KIND_FILES["study"]).stat().st_mtime_ns
    except FileNotFoundError:
        return str(folder), None


@st.cache_resource(max_entries=16, show_spinner=False)
def _study(folder: str, stamp: int) -> StudyRecord:
    record = StudyRecord(Path(folder))
    record.results  # noqa: B018 (read now: a study at work replaces its files)
    return record
