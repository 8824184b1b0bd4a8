"""What the pages share: the store, the theme, and the current run and study, which the address names."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import streamlit as st

from gradtag_core.config import RunConfig
from gradtag_core.figures.theme import Theme
from gradtag_core.runs.process import launch
from gradtag_core.runs.queue import waiting_line
from gradtag_core.runs.row import OPEN, RunKind, RunRow
from gradtag_core.runs.store import RunStore
from gradtag_core.study_config import StudyConfig
from gradtag_core.sweep_config import SweepConfig
from pages.parts.quantities import plain

CURRENT: Mapping[RunKind, str] = {"run": "current_run", "study": "current_study", "sweep": "current_sweep"}
MISSING: Mapping[RunKind, str] = {kind: f"missing_{kind}" for kind in CURRENT}
FOLLOWED = "followed_run"
SUITE = "suite"  # a data set in the address
PAGES: Mapping[RunKind, tuple[str, str]] = {
    "run": ("pages/affinity.py", "Affinity"),
    "study": ("pages/pareto.py", "Pareto"),
    "sweep": ("pages/sweep.py", "Sweep"),
}


def session_token() -> str:
    """Tells this browser session from every other."""
    return st.session_state.setdefault("session_token", uuid4().hex)


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


def choose_run(run_id: str, kind: RunKind = "run") -> None:
    """Make a run the current one. Leaving a page drops what is in the address, so the session keeps it too."""
    st.session_state[CURRENT[kind]] = run_id
    if st.query_params.get(kind) != run_id:
        st.query_params[kind] = run_id


def current_run(rows: list[RunRow], kind: RunKind = "run") -> RunRow | None:
    """The run in the address, else the last one looked at, else the newest finished one; None in an empty store.

    `rows` are all of the `kind`; the current study is a different thing from the current run.
    """
    known = {row.id: row for row in rows}
    asked = st.query_params.get(kind)
    remembered = (known.get(asked or ""), known.get(st.session_state.get(CURRENT[kind], "")))
    finished = (row for row in rows if row.state == "done")
    row = next((row for row in remembered if row), None) or next(finished, None)
    _tell_missing(asked if asked not in known else None, row, kind)
    if row:
        choose_run(row.id, kind)
    return row


def _tell_missing(asked: str | None, instead: RunRow | None, kind: RunKind) -> None:
    """Say what the address `asked` for and does not name, as long as that page shows what is there `instead`.

    The address names that then, and a page may run again by itself at any time.
    """
    here = (instead and instead.id, urlsplit(st.context.url or "").path)
    if asked:
        st.session_state[MISSING[kind]] = asked, here
    missing, where = st.session_state.get(MISSING[kind], (None, None))
    if missing and where == here:
        _tell_unknown(missing, kind)
    else:
        st.session_state.pop(MISSING[kind], None)


def _tell_unknown(asked: str, kind: RunKind) -> None:
    """Say that the address names nothing of this kind, and where it leads if it names the other one."""
    shown = asked.replace("`", "´")
    other = next((row for row in store().list() if row.id == asked), None)
    if other is None:
        st.warning(f"There is no {kind} `{shown}` here; it may have been deleted.")
        return
    page, name = PAGES[other.kind]
    st.warning(f"`{shown}` is a {other.kind}, not a {kind}: the {name} page shows it.")
    st.page_link(page, label=f"Open it there: {name}", query_params={other.kind: asked})


def tell_refused(name: str, asked: str, rule: str) -> None:
    """Say that the address asks for what cannot be; the words stay while the page runs again."""
    st.toast(
        f"The address asks for {name} = {plain(asked[:60])}: {rule}. The page shows what it would without it.",
        icon=":material/link_off:", duration="long",
    )  # fmt: skip


def open_runs(rows: list[RunRow]) -> list[RunRow]:
    """Those at work, the newest first, then those in line, the next one first."""
    return [row for row in rows if row.state in OPEN and not row.waiting] + waiting_line(rows)


def start_run(config: RunConfig) -> None:
    """Queue and launch a run and make it the current one."""
    from gradtag_core.runs.start import create_run

    _start(create_run(store(), config))


def start_study(config: StudyConfig) -> None:
    """Queue and launch a study and make it the current one."""
    from gradtag_core.runs.start import create_study

    _start(create_study(store(), config))


def start_sweep(config: SweepConfig) -> None:
    """Queue and launch a sweep and make it the current one."""
    from gradtag_core.runs.start import create_sweep

    _start(create_sweep(store(), config))


def _start(row: RunRow) -> None:
    choose_run(row.id, row.kind)
    st.session_state[FOLLOWED] = row.id
    launch(store(), row.id)


def resume_run(run_id: str) -> None:
    row = store().reopen(run_id)
    choose_run(run_id, row.kind)
    launch(store(), run_id)


def delete_run(run_id: str) -> None:
    store().delete(run_id)
    for kind, key in CURRENT.items():
        if st.session_state.get(key) == run_id:
            del st.session_state[key]
            st.query_params.pop(kind, None)
