"""Which runs the Compare page shows, in which metric, and which two of them side by side."""

import streamlit as st

from gradtag_core.config import METRIC_TITLES, Metric
from gradtag_core.evaluation.run_comparison import shared_metrics
from gradtag_core.runs.row import RunRow
from pages.parts.compare_runs import LETTERS, Shown, record_with_estimate
from pages.parts.quantities import plain
from pages.parts.run_picker import run_label, run_labels
from pages.parts.state import current_run, store

RUNS = "runs"  # in the address: ids with commas between them
REMEMBERED, PICKER = "compared_runs", "compare_picker"
MOST = len(LETTERS)
SUGGESTED = 3


def choose_compared(ids: list[str]) -> None:
    """Make these the compared runs. Leaving a page drops what is in the address, so the session keeps them too."""
    st.session_state[REMEMBERED] = ids
    if st.query_params.get(RUNS, "") != ",".join(ids):
        st.query_params[RUNS] = ",".join(ids)


def pick_runs() -> list[RunRow]:
    """Let the user pick runs; the first of them is the reference."""
    rows = store().list()
    known = {row.id: row for row in rows if row.kind == "run"}
    asked = [run_id for run_id in st.query_params.get(RUNS, "").split(",") if run_id]
    _tell_unknown([run_id for run_id in asked if run_id not in known], rows)
    chosen = [run_id for run_id in asked or st.session_state.get(REMEMBERED, []) if run_id in known]
    chosen = list(dict.fromkeys(chosen))[:MOST]
    if not chosen:
        current = current_run(list(known.values()))
        chosen = [current.id] if current else []
    choose_compared(chosen)
    st.session_state[PICKER] = chosen
    names = run_labels([row for row in known.values() if row.id in chosen or row.state == "done"], *chosen)
    st.multiselect(
        "Runs to compare", list(names), format_func=names.__getitem__, key=PICKER, max_selections=MOST,
        on_change=lambda: choose_compared(st.session_state[PICKER]), placeholder="Choose two or more; type to search",
        help=f"Two to {MOST} runs. The first is the reference, A.",
    )  # fmt: skip
    return [known[run_id] for run_id in chosen]


def _tell_unknown(ids: list[str], rows: list[RunRow]) -> None:
    kinds = {row.id: row.kind for row in rows}
    for run_id in ids:
        shown = f"`{run_id.replace('`', '´')}`"
        st.warning(
            f"{shown} is a {kinds[run_id]}: only runs have affinities to compare."
            if run_id in kinds
            else f"There is no run {shown} here; it may have been deleted."
        )


def show_how_to(rows: list[RunRow]) -> None:
    """What a comparison shows, and ways to begin one."""
    st.info(
        "Choose two or more runs to see which parameters differ, what each found and cost, where their affinities "
        "disagree by more than noise, and which tasks change their group. The first run is the reference.",
        icon=":material/compare_arrows:",
    )
    if not rows:
        st.page_link("pages/estimate.py", label="Estimate affinities", icon=":material/play_circle:")
        return
    others = [
        row
        for row in store().list("run")
        if row.state == "done" and row.id != rows[0].id and not row.archived
    ]
    others.sort(
        key=lambda row: row.suite != rows[0].suite
    )  # stable: the newest of the same data set come first
    for row in others[:SUGGESTED]:
        st.button(
            f"Compare with {plain(run_label(row))}", key=f"suggested_{row.id}", icon=":material/compare_arrows:",
            on_click=choose_compared, args=([rows[0].id, row.id],), type="tertiary",
        )  # fmt: skip
    st.page_link("pages/runs.py", label="Select several in the list of runs", icon=":material/history:")


def pick_metric_of(rows: list[RunRow]) -> Metric:
    """The metric of the comparison, among those that every run has."""
    records = [record_with_estimate(row) for row in rows]
    metrics = shared_metrics([record.metrics for record in records])
    own = records[0].config.metric
    return st.selectbox(
        "Metric", metrics, index=metrics.index(own) if own in metrics else 0,
        format_func=METRIC_TITLES.__getitem__, key="metric", bind="query-params", persist_state="session", width=320,
        help="Every metric of a run is stored; changing this computes nothing anew. Higher is better for each.",
    )  # fmt: skip


def pick_other(runs: list[Shown]) -> int:
    """The position of the run that is set against the reference."""
    st.header(f"{runs[1].letter} against A" if len(runs) == 2 else "Against A")
    letters = [each.letter for each in runs[1:]]
    if len(runs) == 2:
        chosen = letters[0]
    else:
        titles = {each.letter: each.title for each in runs}
        chosen = st.selectbox(
            "Compare the reference with", letters, format_func=titles.__getitem__, key="against", width=480,
        )  # fmt: skip
    position = 1 + letters.index(chosen)
    ids = [each.row.id for each in runs]
    st.button(
        f"Make {chosen} the reference", icon=":material/swap_horiz:", key="swap", on_click=choose_compared,
        args=([ids[position], *ids[:position], *ids[position + 1 :]],), type="tertiary",
    )  # fmt: skip
    return position
