"""What can be done with one run."""

import streamlit as st

from gradtag_core.runs.row import OPEN, RunRow
from pages.parts.errors import shown_errors
from pages.parts.progress import follow_run, show_log
from pages.parts.quantities import plain
from pages.parts.state import choose_run, delete_run, store

READ_ONLY = "This run ships with the project and cannot be changed."


def show_actions(row: RunRow) -> None:
    """Open, resume or cancel, rename, delete; the command that repeats the run, and its log if it failed."""
    st.subheader(plain(row.name))
    if row.state != "done" and row.state not in OPEN:
        follow_run(row)
    with st.container(horizontal=True):
        if st.button("Open", type="primary", icon=":material/grid_on:", key="open_run"):
            choose_run(row.id)
            st.switch_page("pages/affinity.py", query_params={"run": row.id})
        with st.popover(
            "Rename", icon=":material/edit:", disabled=row.sample, help=READ_ONLY if row.sample else None
        ):
            _rename(row)
        cannot_delete = row.sample or row.state in OPEN
        reason = READ_ONLY if row.sample else "Cancel it first." if cannot_delete else None
        if st.button(
            "Delete", icon=":material/delete:", disabled=cannot_delete, help=reason, key="delete_run"
        ):
            _confirm_delete(row)
    st.caption("The command that repeats this run:")
    st.code(row.command, language="bash", wrap_lines=True)
    if row.state == "done":
        show_log(row)


def _rename(row: RunRow) -> None:
    name = st.text_input("New name", row.name, key=f"name_{row.id}")
    if st.button("Save", key="save_name"):
        with shown_errors():
            store().rename(row.id, name)
            st.rerun()


@st.dialog("Delete this run?")
def _confirm_delete(row: RunRow) -> None:
    st.markdown(
        f"**{plain(row.name)}** and all its results will be gone. What other runs share with it is kept."
    )
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", key="confirm_delete"):
            with shown_errors():
                delete_run(row.id)
                st.rerun()
        if st.button("Keep"):
            st.rerun()
