"""A run at work: where it stands, how long it still takes, and how to stop or resume it."""

from collections.abc import Mapping
from typing import Literal

import streamlit as st

from gradtag_core.runs.command import is_call_in_code
from gradtag_core.runs.process import cancel, log_tail
from gradtag_core.runs.row import OPEN, RunRow, RunState
from pages.parts.errors import shown_errors
from pages.parts.quantities import plain, seconds_text
from pages.parts.state import FOLLOWED, resume_run, store

POLL_SECONDS = 0.5
StateColour = Literal["gray", "blue", "green", "red", "orange"]
STATE_COLOURS: Mapping[RunState, StateColour] = {
    "queued": "gray", "running": "blue", "done": "green", "failed": "red", "cancelled": "orange",
    "interrupted": "orange",
}  # fmt: skip


def follow_run(row: RunRow) -> None:
    """Show a run, anew every half second while it is open; when it ends, the whole page is drawn again."""
    live = row.state in OPEN
    if live:
        st.session_state[FOLLOWED] = (
            row.id
        )  # so that its ending is shown too, even in a window that did not launch it
    st.fragment(_show_run, run_every=POLL_SECONDS if live else None)(row.id, live)


def _show_run(run_id: str, was_open: bool) -> None:
    with shown_errors():
        row = store().get(run_id)
        if was_open and row.state not in OPEN:
            st.rerun()
        with st.container(border=True, key=f"progress_{run_id}"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{plain(row.name)}**", width="content")
                st.badge(row.state, color=STATE_COLOURS[row.state])
            if row.state in OPEN:
                _show_open(row)
            else:
                show_ending(row)


def _show_open(row: RunRow) -> None:
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


def show_ending(row: RunRow) -> None:
    """How a closed run ended, with a way on."""
    if row.state == "done":
        st.markdown(f"Finished in {seconds_text(row.seconds)}.")
        with st.container(horizontal=True):
            if row.kind == "study":
                st.page_link("pages/pareto.py", label="See its methods", icon=":material/balance:",
                             query_params={"study": row.id})  # fmt: skip
                return
            st.page_link("pages/affinity.py", label="See its affinities", icon=":material/grid_on:",
                         query_params={"run": row.id})  # fmt: skip
            st.page_link("pages/groups.py", label="See its groups", icon=":material/workspaces:",
                         query_params={"run": row.id})  # fmt: skip
        return
    if row.state == "failed":
        st.error(row.error or f"The {row.kind} failed without a message.", icon=":material/error:")
        show_log(row)
    else:
        st.info(row.error or f"The {row.kind} was cancelled; everything it had finished is kept.")
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
