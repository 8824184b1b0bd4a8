"""Runs and studies: what was computed, what is being computed, and what to do with it."""

import streamlit as st

from pages.parts.errors import shown_errors
from pages.parts.navigation import show
from pages.parts.progress import follow_run
from pages.parts.run_actions import show_actions
from pages.parts.run_table import pick_from_table
from pages.parts.state import current_run, open_runs, store


def main() -> None:
    """Draw the page."""
    st.title("Runs")
    for problem in store().problems:
        st.warning(problem, icon=":material/warning:")
    rows = store().list()
    current_run([row for row in rows if row.kind == "run"])
    if not rows:
        st.info("There are no runs yet. An estimate takes seconds with the quick preset.")
        st.page_link("pages/estimate.py", label="Estimate affinities", icon=":material/play_circle:")
        return
    for running in open_runs(rows):
        follow_run(running)
    row = pick_from_table(rows)
    if row is None:
        st.caption("Select a run to open, resume, rename or delete it.")
        return
    with shown_errors():
        show_actions(row)


show(main)
