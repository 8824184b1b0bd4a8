"""What can be done with one run or study."""

from collections.abc import Mapping

import streamlit as st

from gradtag_core.runs.command import is_call_in_code
from gradtag_core.runs.row import OPEN, RunKind, RunRow
from pages.parts.errors import shown_errors
from pages.parts.progress import follow_run, show_log
from pages.parts.quantities import plain
from pages.parts.state import PAGES, choose_run, delete_run, store

READ_ONLY = "It ships with the project and cannot be changed."
ICONS: Mapping[RunKind, str] = {"run": ":material/grid_on:", "study": ":material/balance:"}


def show_actions(row: RunRow) -> None:
    """Open, resume or cancel, rename, delete; the command that repeats the run, and its log if it failed."""
    st.subheader(plain(row.name))
    if row.state != "done" and row.state not in OPEN:
        follow_run(row)
    with st.container(horizontal=True):
        if st.button("Open", type="primary", icon=ICONS[row.kind], key="open_run"):
            choose_run(row.id, row.kind)
            st.switch_page(PAGES[row.kind][0], query_params={row.kind: row.id})
        with st.popover(
            "Rename", icon=":material/edit:", disabled=row.sample, help=READ_ONLY if row.sample else None
        ):
            _rename(row)
        cannot_delete = row.sample or row.state in OPEN
        reason = READ_ONLY if row.sample else "Cancel it first." if cannot_delete else None
        if st.button(
            "Delete", icon=":material/delete:", disabled=cannot_delete, help=reason, key="delete_run"
        ):
            st.dialog(f"Delete this {row.kind}?")(_confirm_delete)(row)
    in_code = is_call_in_code(row.command)
    repeats = "The call that repeats this run, in the code where it began:" if in_code else None
    st.caption(repeats or f"The command that repeats this {row.kind}:")
    st.code(row.command, language="python" if in_code else "bash", wrap_lines=True)
    if row.state == "done":
        show_log(row)


def _rename(row: RunRow) -> None:
    name = st.text_input("New name", row.name, key=f"name_{row.id}")
    if st.button("Save", key="save_name"):
        with shown_errors():
            store().rename(row.id, name)
            st.rerun()


def _confirm_delete(row: RunRow) -> None:
    st.markdown(f"**{plain(row.name)}** and all its results will be gone. What others share with it is kept.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", key="confirm_delete"):
            with shown_errors():
                delete_run(row.id)
                st.rerun()
        if st.button("Keep"):
            st.rerun()
