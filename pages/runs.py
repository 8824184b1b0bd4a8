"""Runs, studies and sweeps: what was computed, what is being computed, and what to do with it."""

import streamlit as st

from pages.parts.bundle_upload import offer_bundle_upload
from pages.parts.errors import shown_errors
from pages.parts.heading import heading
from pages.parts.navigation import show
from pages.parts.progress import follow_run
from pages.parts.run_actions import show_actions
from pages.parts.run_bulk import show_bulk_actions
from pages.parts.run_filters import pick_filter
from pages.parts.run_table import pick_from_table
from pages.parts.state import current_run, open_runs, store


def main() -> None:
    """Draw the page."""
    heading("Runs")
    listing = st.container()
    with st.expander("Open a run from elsewhere", icon=":material/folder_open:"):
        offer_bundle_upload()  # before the list is made, which then has the new run
    with listing:
        _show_runs()


def _show_runs() -> None:
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
    asked = pick_filter(rows)
    listed = [row for row in rows if asked.keeps(row)]
    if not listed:
        st.info("No run fits the filters.")
        return
    chosen = pick_from_table(listed)
    tags = sorted({tag for row in rows for tag in row.tags}, key=str.casefold)
    with shown_errors():
        if not chosen:
            st.caption(
                f"{len(listed)} of {len(rows)} runs. Select one to open or change it, several to compare them."
            )
        elif len(chosen) == 1:
            show_actions(chosen[0], tags)
        else:
            show_bulk_actions(chosen, tags)


show(main)
