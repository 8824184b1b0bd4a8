"""Pareto: how much error each method leaves for what it computes, and which one a budget buys."""

import streamlit as st

from pages.parts.heading import heading
from pages.parts.navigation import show
from pages.parts.pareto_launch import show_launcher
from pages.parts.pareto_picker import View, forget_view, pick_axis, pick_metric
from pages.parts.pareto_records import study_of
from pages.parts.pareto_table import show_left_out, show_table
from pages.parts.pareto_tasks import show_tasks
from pages.parts.pareto_view import show_answer
from pages.parts.work_picker import follow_work, pick_work

ABOUT = (
    "Each point is a way to learn all the tasks: its error on the test split against everything it computes. That is "
    "probes, searches and final trainings; only the final scoring is left out."
)


def main() -> None:
    """Draw the page."""
    heading("Error against computation")
    st.markdown(ABOUT)
    left, middle, right = st.columns([3, 2, 2], gap="medium")
    with left:
        row = pick_work("study", forget_view)
    follow_work("study", row)
    record = None if row is None else study_of(row)
    if row is not None and record is not None and record.results:
        with middle:
            metric = pick_metric(row, record)
        with right:
            axis, teraflops = pick_axis()
        view = View(metric, axis, teraflops)
        show_answer(row, view)
        show_table(row, record, view)
        show_tasks(row, view)
        show_left_out(record)
    elif row is not None:
        st.info("This study has no results yet.")
    else:
        st.info("There are no studies yet.")
    show_launcher()


show(main)
