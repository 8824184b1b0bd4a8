"""Data: know the tasks before a run, and bring tasks of one's own."""

import streamlit as st

from gradtag_core.runs.suites import damaged_suites
from gradtag_core.tasks.registry import suite_problems
from pages.parts.data_add import draw_form
from pages.parts.data_draft import SAVED
from pages.parts.data_remove import remove_button
from pages.parts.data_suite import choose_suite, pick_suite, show_suite
from pages.parts.heading import heading
from pages.parts.navigation import show

KNOW, ADD = "Data sets", "Add your own"


def main() -> None:
    """Draw the page."""
    heading("Data")
    saved = st.session_state.pop(SAVED, None)
    if saved:
        st.session_state["view"] = KNOW
        choose_suite(saved)
    view = st.segmented_control(
        "View", (KNOW, ADD), default=None if saved else KNOW, required=True, key="view", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    if view == ADD:
        draw_form()
        return
    if saved:
        st.success(f"`{saved}` is saved: runs and studies can use it.", icon=":material/check_circle:")
    for problem in suite_problems():
        st.warning(problem, icon=":material/warning:")
    for name in damaged_suites():
        remove_button(name)
    show_suite(pick_suite())


show(main)
