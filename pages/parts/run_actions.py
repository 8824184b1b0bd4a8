"""What can be done with one run, study or sweep."""

from collections.abc import Mapping

import streamlit as st

from gradtag_core.config import read_config
from gradtag_core.errors import InvalidInput
from gradtag_core.runs.command import is_call_in_code, python_call
from gradtag_core.runs.row import OPEN, RunKind, RunRow
from gradtag_core.study_config import make_study_config
from gradtag_core.sweep_config import read_sweep_config
from pages.parts.compare_picker import RUNS
from pages.parts.errors import shown_errors
from pages.parts.places import places_caption
from pages.parts.progress import follow_run, show_log
from pages.parts.quantities import plain
from pages.parts.results import record_of
from pages.parts.state import PAGES, choose_run, delete_run, store

READ_ONLY = "It ships with the project and cannot be changed."
ICONS: Mapping[RunKind, str] = {
    "run": ":material/grid_on:", "study": ":material/balance:", "sweep": ":material/tune:",
}  # fmt: skip


def show_actions(row: RunRow, tags: list[str]) -> None:
    """Open, compare, resume or cancel, rename, note and tag, archive, delete; how to repeat it, and its log if it
    failed. `tags` are those in use."""
    st.header(plain(row.name))
    if row.tags:
        st.markdown(" ".join(f":gray-badge[{plain(tag)}]" for tag in row.tags))
    if row.note:
        st.text(row.note)
    _show_places(row)
    if row.state != "done" and row.state not in OPEN:
        follow_run(row)
    with st.container(horizontal=True):
        if st.button("Open", type="primary", icon=ICONS[row.kind], key="open_run"):
            choose_run(row.id, row.kind)
            st.switch_page(PAGES[row.kind][0], query_params={row.kind: row.id})
        if row.kind == "run" and st.button("Compare", icon=":material/compare_arrows:", key="compare_run"):
            st.switch_page("pages/compare.py", query_params={RUNS: row.id})
        with st.popover(
            "Rename", icon=":material/edit:", disabled=row.sample, help=READ_ONLY if row.sample else None
        ):
            _rename(row)
        with st.popover("Note and tags", icon=":material/label:"):
            _annotate(row, tags)
        if st.button(
            "Take out of the archive" if row.archived else "Archive", icon=":material/archive:", key="archive_run",
            help="Archived runs are listed only when asked for; nothing is deleted.",
        ):  # fmt: skip
            with shown_errors():
                store().annotate(row.id, archived=not row.archived)
                st.rerun()
        cannot_delete = row.sample or row.state in OPEN
        reason = READ_ONLY if row.sample else "Cancel it first." if cannot_delete else None
        if st.button(
            "Delete", icon=":material/delete:", disabled=cannot_delete, help=reason, key="delete_run"
        ):
            st.dialog(f"Delete this {row.kind}?")(_confirm_delete)(row)
    _show_calls(row)
    if row.state == "done":
        show_log(row)


def _show_calls(row: RunRow) -> None:
    """The command and the call in Python that repeat it, each with a button that copies it."""
    if is_call_in_code(row.command):
        st.caption("The call that repeats this run, in the code where it began:")
        st.code(row.command, language="python", wrap_lines=True)
        return
    command, python = st.tabs(["Copy as command", "Copy as Python"])
    with command:
        st.code(row.command, language="bash", wrap_lines=True)
    with python:
        try:
            st.code(_python(row), language="python", wrap_lines=True)
        except InvalidInput as error:  # of another version of the program, say
            st.caption(f"This {row.kind} cannot be repeated as it is: {plain(str(error))}")


def _python(row: RunRow) -> str:
    if row.kind == "study":
        return python_call(make_study_config(**row.config))
    return python_call(read_sweep_config(row.config) if row.kind == "sweep" else read_config(row.config))


def _show_places(row: RunRow) -> None:
    record = record_of(row) if row.kind == "run" else None
    words = "" if record is None else places_caption(record)
    if words:
        st.caption(words)


def _rename(row: RunRow) -> None:
    name = st.text_input("New name", row.name, key=f"name_{row.id}")
    if st.button("Save", key="save_name"):
        with shown_errors():
            store().rename(row.id, name)
            st.rerun()


def _annotate(row: RunRow, tags: list[str]) -> None:
    note = st.text_area("Note", row.note, key=f"note_{row.id}", placeholder="What it was for, what it showed")
    options = sorted({*tags, *row.tags}, key=str.casefold)
    chosen = st.multiselect(
        "Tags",
        options,
        list(row.tags),
        accept_new_options=True,
        key=f"tags_{row.id}",
        placeholder="choose or type",
    )
    if st.button("Save", key="save_note"):
        with shown_errors():
            store().annotate(row.id, note=note, tags=chosen)
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
