"""Sweep: one or two knobs over a grid, and what they do to the result beyond noise."""

import streamlit as st

from gradtag_core.runs.row import RunRow
from gradtag_core.runs.sweep_measures import Measure
from gradtag_core.runs.sweep_record import SweepRecord
from pages.parts.heading import heading
from pages.parts.navigation import show
from pages.parts.sweep_cell import pick_cell, show_cell
from pages.parts.sweep_launch import show_launcher
from pages.parts.sweep_picker import forget_view, pick_measure
from pages.parts.sweep_records import sweep_of
from pages.parts.sweep_table import show_failed, show_table
from pages.parts.sweep_view import show_answer, show_surface
from pages.parts.when_seen import when_seen
from pages.parts.work_picker import follow_work, pick_work

RESULTS_HEIGHT = 900  # pixels, about what they take

ABOUT = (
    "A sweep runs one configuration with one or two knobs varied over a grid. Cells share what they have in common, so "
    "that a grid costs far less than as many runs."
)
EMPTY = (
    "There are no sweeps yet. A sweep answers which knob matters, and whether a difference is more than noise: vary "
    "the projected dimension and the initialisations to see what they buy, or the seed to see how far results scatter. "
    "The form below begins with an example."
)


def main() -> None:
    """Draw the page."""
    heading("Sweep")
    st.markdown(ABOUT)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        row = pick_work("sweep", forget_view)
    follow_work("sweep", row)
    record = None if row is None else sweep_of(row)
    if row is not None and record is not None and record.results:
        with right:
            measure = pick_measure(record)
        show_answer(record, measure)
        when_seen("sweep_results", lambda: _show_results(row, record, measure), height=RESULTS_HEIGHT)
    elif row is not None:
        st.info("This sweep has no results yet.")
    else:
        st.info(EMPTY)
    show_launcher(is_first=row is None or row.sample)


def _show_results(row: RunRow, record: SweepRecord, measure: Measure) -> None:
    """The grid, the picked cell and the table; a click on the grid is about these alone."""
    show_surface(row, record, measure)
    show_cell(row, record, pick_cell(record))
    show_table(row, record)
    show_failed(record)


show(main)
