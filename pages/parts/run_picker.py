"""Which run and which metric a page shows."""

import time
from collections import Counter
from collections.abc import Sequence

import streamlit as st

from gradtag_core.config import METRIC_TITLES, Metric
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.row import RunRow
from pages.parts.groups_view import forget_k
from pages.parts.progress import follow_run
from pages.parts.results import record_of
from pages.parts.state import choose_run, current_run, open_runs, store


def pick_run() -> tuple[RunRow, RunRecord]:
    """Let the user pick a run that has an estimate; ends the page, saying what to do, where there is none."""
    rows = store().list("run")
    row = current_run(rows)
    if row is None:
        for running in open_runs(rows):
            follow_run(running)
        st.info("There is no finished run yet. An estimate takes seconds with the quick preset.")
        st.page_link("pages/estimate.py", label="Estimate affinities", icon=":material/play_circle:")
        st.stop()
    st.session_state["run_picker"] = row.id
    names = run_labels(rows, row.id)
    st.selectbox("Run", list(names), format_func=names.__getitem__, key="run_picker", on_change=_picked)
    if row.state != "done":
        follow_run(row)
    record = record_of(row)
    if record is None or record.estimated is None:
        st.info("This run has no estimate yet.")
        st.stop()
    return row, record


def _picked() -> None:
    choose_run(st.session_state["run_picker"])
    forget_k()


def run_labels(rows: Sequence[RunRow], *shown: str) -> dict[str, str]:
    """A label for each run that is not archived or is `shown` anyway, by id.

    No two are alike, since widgets tell options apart by their labels.
    """
    labels = {row.id: run_label(row) for row in rows if not row.archived or row.id in shown}
    times = Counter(labels.values())
    return {run_id: f"{label} · {run_id}" if times[label] > 1 else label for run_id, label in labels.items()}


def run_label(row: RunRow) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.created))
    state = "ships with the project" if row.sample else row.state
    return f"{row.name} · {state} · {when}"


def pick_metric(record: RunRecord) -> Metric:
    """The metric that a page shows; every metric of a run is stored."""
    return st.selectbox(
        "Metric", record.metrics, index=record.metrics.index(record.config.metric),
        format_func=lambda name: METRIC_TITLES[name], key="metric", bind="query-params", persist_state="session",
        help="All metrics were scored; changing this computes nothing anew. Higher is better for each. Tasks with "
        "numeric targets have the loss and, as their area under the curve, the concordance index alone.",
    )  # fmt: skip
