"""Start: what this is, the newest result, and one button to make another."""

import streamlit as st

from gradtag_core.config import make_config
from gradtag_core.runs.row import OPEN, RunRow
from gradtag_core.tasks.registry import suite_infos
from pages.parts.errors import shown_errors
from pages.parts.heading import heading
from pages.parts.navigation import show
from pages.parts.progress import follow_run
from pages.parts.quantities import seconds_text
from pages.parts.state import current_run, open_runs, start_run, store
from pages.parts.when_seen import when_seen

RESULT_HEIGHT = 700  # pixels, about what it takes


def main() -> None:
    """Draw the page."""
    heading("Which tasks should be learned together?")
    st.markdown(
        "Training tasks together helps some and hurts others. This app estimates from gradients how much each task "
        "gains from each other one, without training every combination, and groups the tasks that help each other."
    )
    launcher()
    rows = store().list("run")
    row = current_run(rows)
    for running in open_runs(rows):
        follow_run(running)
    if row is not None and row.state not in (*OPEN, "done"):
        follow_run(row)
    finished = newest_finished([row, *rows] if row else rows)
    if finished is None:
        st.info("Nothing has been estimated yet: run the quick preset, and the affinity map appears here.")
        return
    when_seen("newest_result", lambda: _show_result(finished), height=RESULT_HEIGHT)


def _show_result(row: RunRow) -> None:
    from pages.parts.overview import show_result  # the button above must not wait for plotly

    show_result(row)


def newest_finished(rows: list[RunRow]) -> RunRow | None:
    return next((row for row in rows if row.state == "done"), None)


def launcher() -> None:
    """The quick preset on a data set, with the time it will take."""
    infos = {info.name: info for info in suite_infos()}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        suite = st.selectbox(
            "Data set", list(infos), index=list(infos).index("yeast"), key="quick_suite", width=300,
            format_func=lambda name: f"{infos[name].title}, {infos[name].n_tasks} tasks",
        )  # fmt: skip
        clicked = st.button(
            "Run the quick preset", type="primary", icon=":material/play_arrow:", key="quick_run"
        )
    caption = st.empty()
    caption.caption(infos[suite].description)
    with shown_errors():
        config = make_config("quick", suite=suite)
        if clicked:
            start_run(config)
            st.rerun()
        from pages.parts.forecast import forecast_of  # as above

        seconds = forecast_of(config)[0].seconds
        if seconds is not None:
            takes = f"Takes about {seconds_text(seconds)} once the worker has started."
            caption.caption(f"{infos[suite].description} {takes}")


show(main)
