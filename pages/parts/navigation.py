"""The pages, and how each of them begins."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from pages.parts.document import QUESTION
from pages.parts.errors import shown_errors

NAVIGATED = "navigated"
ICON = Path(__file__).parent / "icon.svg"


def navigate() -> st.Page:
    """The page that the address names, with links to all pages."""
    st.set_page_config(page_title=QUESTION, page_icon=ICON, layout="wide")
    st.session_state[NAVIGATED] = True
    return st.navigation(
        [
            st.Page("pages/start.py", title="Start", icon=":material/home:", default=True),
            st.Page("pages/data.py", title="Data", icon=":material/table_chart:"),
            st.Page("pages/estimate.py", title="Estimate", icon=":material/play_circle:"),
            st.Page("pages/sweep.py", title="Sweep", icon=":material/tune:"),
            st.Page("pages/affinity.py", title="Affinity", icon=":material/grid_on:"),
            st.Page("pages/groups.py", title="Groups", icon=":material/workspaces:"),
            st.Page("pages/pareto.py", title="Pareto", icon=":material/balance:"),
            st.Page("pages/story.py", title="Story", icon=":material/auto_stories:"),
            st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
            st.Page("pages/runs.py", title="Runs", icon=":material/history:"),
            st.Page("pages/how.py", title="How it works", icon=":material/school:"),
        ],
        position="top",
    )


def show(draw: Callable[[], None]) -> None:
    """Draw a page, with errors meant for the user as sentences.

    Until a first `st.navigation`, Streamlit runs the files of a folder named `pages` without app.py: a page that
    is opened by its address on a fresh server must hand over.
    """
    if not st.session_state.get(NAVIGATED):
        navigate()
        st.rerun()
    with shown_errors():
        draw()
