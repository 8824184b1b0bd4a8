"""A run at work: where it stands, how long it still takes, and how to stop or resume it."""

from collections.abc import Mapping
from typing import Literal

import streamlit as st

from gradtag_core.runs.command import is_call_in_code
from gradtag_core.runs.process import cancel, log_tail, tend_queue
from gradtag_core.runs.queue import is_busy, waiting_line
from gradtag_core.runs.row import OPEN, RunRow, RunState, UnknownRun
from pages.parts.errors import shown_errors
from pages.parts.quantities import plain, seconds_text
from pages.parts.state import FOLLOWED, PAGES, resume_run, store

POLL_SECONDS = 0.5
WAITING_POLL_SECONDS = 2.0  # many may stand in line, and little happens there
PLACES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
StateColour = Literal["gray", "blue", "green", "red", "orange"]
STATE_COLOURS: Mapping[RunState, StateColour] = {
    "queued": "gray", "running": "blue", "done": "green", "failed": "red", "cancelled": "orange",
    "interrupted": "orange",
}  # fmt: skip


def follow_run(row: RunRow) -> None:
    """Show a run, anew every half second while it is open; when it ends, the whole page is drawn again."""
    live = row.state in OPEN
    if live:
        # So that its ending is shown too, even in a window that did not launch it.
        st.session_state[FOLLOWED] = row.id
    pace = WAITING_POLL_SECONDS if row.waiting else POLL_SECONDS
    st.fragment(_show_run, run_every=pace if live else None)(row.id, live, row.waiting)


def _show_run(run_id: str, was_open: bool, was_waiting: bool) -> None:
    with shown_errors():
        try:
            row = store().get(run_id)
        except UnknownRun:
            if was_open:  # deleted in another window: the page goes on without it
                st.rerun()
            raise
        if (was_open and row.state not in OPEN) or (was_waiting and not row.waiting):
            st.rerun()
        with st.container(border=True, key=f"progress_{run_id}"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{plain(row.name)}**", width="content")
                st.badge("waiting" if row.waiting else row.state, color=STATE_COLOURS[row.state])
            if row.state in OPEN:
                _show_open(row)
            else:
                show_ending(row)
        if row.waiting:
            tend_queue(store())


def _show_open(row: RunRow) -> None:
    if row.waiting:
        st.markdown(waiting_text(row, store().open_rows()))
    else:
        st.progress(row.fraction, text=_progress_text(row))
    text = "Cancelling …" if row.cancel_requested else "Cancel"
    if st.button(text, icon=":material/stop_circle:", key=f"cancel_{row.id}", disabled=row.cancel_requested):
        cancel(store(), row.id)
        st.rerun()


def _progress_text(row: RunRow) -> str:
    if row.state == "queued":
        return "Starting the worker …"
    if not row.stage:
        return "Loading the data and the libraries …"
    left = "" if row.seconds_left is None else f", about {seconds_text(row.seconds_left)} left"
    return f"{row.stage}: {row.done} of {row.total}{left}"


def waiting_text(row: RunRow, rows: list[RunRow]) -> str:
    """Where a run stands in line among the open `rows`, and when the next of those at work ends."""
    line = [each.id for each in waiting_line(rows)]
    place = line.index(row.id) if row.id in line else 0
    busy = [each for each in rows if is_busy(each)]
    left = [each.seconds_left for each in busy if each.seconds_left is not None]
    text = f"Waiting, {PLACES[place] if place < len(PLACES) else f'number {place + 1}'} in line."
    if not left:
        return text
    who = "The run at work" if len(busy) == 1 else f"The first of {len(busy)} runs at work"
    return f"{text} {who} ends in about {seconds_text(min(left))}."


def show_ending(row: RunRow) -> None:
    """How a closed run ended, with a way on."""
    if row.state == "done":
        st.markdown(f"Finished in {seconds_text(row.seconds)}.")
        with st.container(horizontal=True):
            if row.kind != "run":
                page, name = PAGES[row.kind]
                st.page_link(page, label=f"Open it: {name}", icon=":material/arrow_forward:",
                             query_params={row.kind: row.id})  # fmt: skip
                return
            st.page_link("pages/affinity.py", label="See its affinities", icon=":material/grid_on:",
                         query_params={"run": row.id})  # fmt: skip
            st.page_link("pages/groups.py", label="See its groups", icon=":material/workspaces:",
                         query_params={"run": row.id})  # fmt: skip
        return
    if row.state == "failed":
        st.error(row.error or f"The {row.kind} failed without a message.", icon=":material/error:")
    else:
        st.info(row.error or f"The {row.kind} was cancelled; everything it had finished is kept.")
    if row.state != "cancelled":
        show_log(row)
    if is_call_in_code(row.command):
        st.markdown(
            "It began in code, with a suite or a model that is not stored: to finish it, call `gradtag_core.run` again "
            "there. What it finished is not computed again."
        )
    elif st.button("Resume", icon=":material/resume:", key=f"resume_{row.id}"):
        resume_run(row.id)
        st.rerun()


def show_log(row: RunRow) -> None:
    tail = log_tail(store(), row.id)
    if tail:
        with st.expander("Last lines of the log"):
            st.code(tail, language=None, wrap_lines=True)
