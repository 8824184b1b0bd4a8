"""Removing a suite of the user's own."""

import streamlit as st

from gradtag_core.runs.suites import remove_unused_suite, runs_of_suite
from pages.parts.errors import shown_errors
from pages.parts.state import store


def remove_button(name: str) -> None:
    """A button that asks before it deletes."""
    if st.button("Remove", icon=":material/delete:", key=f"remove_{name}"):
        st.dialog("Remove this data set?")(_confirm)(name)


def _confirm(name: str) -> None:
    runs = runs_of_suite(store(), name)
    st.markdown(f"`{name}` will be gone; your files stay where they are.")
    if runs:
        many = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
        st.markdown(f"The results of {many} stay, but what is unfinished cannot be resumed without it.")
    with st.container(horizontal=True):
        if st.button("Remove", type="primary", key="confirm_remove"):
            with shown_errors():
                remove_unused_suite(store(), name)
                st.rerun()
        if st.button("Keep"):
            st.rerun()
