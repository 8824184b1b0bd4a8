"""What the pages share: the store, the theme, and the current run, which the address names."""

import os
from pathlib import Path

import streamlit as st

from gradtag_core.config import RunConfig
from gradtag_core.figures.theme import Theme
from gradtag_core.runs.process import launch
from gradtag_core.runs.row import OPEN, RunRow
from gradtag_core.runs.store import RunStore

CURRENT, FOLLOWED = "current_run", "followed_run"


def store() -> RunStore:
    """The run store of this server."""
    return _store(os.environ.get("GRADTAG_HOME"))


@st.cache_resource(show_spinner=False)
def _store(home: str | None) -> RunStore:
    # Slow to import: the first title must not wait for it.
    from gradtag_core.runs.start import open_store

    return open_store(Path(home) if home else None)


def theme() -> Theme:
    return "dark" if st.context.theme.type == "dark" else "light"


def choose_run(run_id: str) -> None:
    """Make a run the current one. Leaving a page drops what is in the address, so the session keeps it too."""
    st.session_state[CURRENT] = run_id
    if st.query_params.get("run") != run_id:
        st.query_params["run"] = run_id


def current_run(rows: list[RunRow]) -> RunRow | None:
    """The run in the address, else the last one looked at, else the newest finished one; None in an empty store."""
    known = {row.id: row for row in rows}
    asked = st.query_params.get("run")
    if asked and asked not in known:
        st.warning(f"There is no run `{asked.replace('`', '´')}` here; it may have been deleted.")
    remembered = (known.get(asked or ""), known.get(st.session_state.get(CURRENT, "")))
    finished = (row for row in rows if row.state == "done")
    row = next((row for row in remembered if row), None) or next(finished, None)
    if row:
        choose_run(row.id)
    return row


def open_runs(rows: list[RunRow]) -> list[RunRow]:
    return [row for row in rows if row.state in OPEN]


def start_run(config: RunConfig) -> None:
    """Queue and launch a run and make it the current one."""
    from gradtag_core.runs.start import create_run

    row = create_run(store(), config)
    choose_run(row.id)
    st.session_state[FOLLOWED] = row.id
    launch(store(), row.id)


def resume_run(run_id: str) -> None:
    store().reopen(run_id)
    choose_run(run_id)
    launch(store(), run_id)


def delete_run(run_id: str) -> None:
    store().delete(run_id)
    if st.session_state.get(CURRENT) == run_id:
        del st.session_state[CURRENT]
        st.query_params.pop("run", None)
