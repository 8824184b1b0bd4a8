"""Which study or sweep a page shows, and those at work."""

from collections.abc import Callable

import streamlit as st

from gradtag_core.runs.row import KIND_FILES, OPEN, RunKind, RunRow
from pages.parts.errors import shown_errors
from pages.parts.progress import follow_run
from pages.parts.run_picker import run_labels
from pages.parts.state import choose_run, current_run, store

WATCH_SECONDS = 2.0


def pick_work(kind: RunKind, on_change: Callable[[], None]) -> RunRow | None:
    """Let the user pick one of a kind; None in a store without any. `on_change` forgets what was meant for the one
    before."""
    rows = store().list(kind)
    row = current_run(rows, kind) or next(iter(rows), None)
    if row is None:
        return None
    choose_run(row.id, kind)  # one at work, where none has finished yet
    key = f"{kind}_picker"
    st.session_state[key] = row.id
    names = run_labels(rows, row.id)

    def picked() -> None:
        choose_run(st.session_state[key], kind)
        on_change()

    st.selectbox(kind.capitalize(), list(names), format_func=names.__getitem__, key=key, on_change=picked)
    return row


def follow_work(kind: RunKind, row: RunRow | None) -> None:
    """Show those at work, and how the chosen one ended if it did not finish; draw its results as they come."""
    for each in store().list(kind):
        chosen = row is not None and each.id == row.id
        if each.state in OPEN or (chosen and each.state != "done"):
            follow_run(each)
        if chosen and each.state in OPEN:
            st.fragment(_watch, run_every=WATCH_SECONDS)(each, place_of(each)[1])


def _watch(row: RunRow, stamp: int | None) -> None:
    with shown_errors():
        if place_of(row)[1] != stamp:
            st.rerun()


def place_of(row: RunRow) -> tuple[str, int | None]:
    """The folder and what changes whenever a result in it does; None before there is any."""
    folder = store().run_folder(row.id)
    try:
        return str(folder), (folder / KIND_FILES[row.kind]).stat().st_mtime_ns
    except FileNotFoundError:
        return str(folder), None
