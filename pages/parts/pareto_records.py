"""The record of a study, read once per content of its folder and shared by all sessions; never change it."""

from pathlib import Path

import streamlit as st

from gradtag_core.runs.row import RunRow
from gradtag_core.runs.study_record import StudyRecord
from pages.parts.work_picker import place_of


def study_of(row: RunRow) -> StudyRecord | None:
    """The record of a study; None before it has begun."""
    folder, stamp = place_of(row)
    return None if stamp is None else _study(folder, stamp)


@st.cache_resource(max_entries=16, show_spinner=False)
def _study(folder: str, stamp: int) -> StudyRecord:
    record = StudyRecord(Path(folder))
    record.results  # noqa: B018 (read now: a study at work replaces its files)
    return record
