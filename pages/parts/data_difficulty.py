"""How hard the tasks of a suite are, on request: fitting the probes takes a while."""

import streamlit as st

from gradtag_core.config import METRIC_TITLES, METRICS, Metric
from gradtag_core.evaluation.difficulty import Difficulty, difficulty
from gradtag_core.figures.task_facts import difficulty_bars
from gradtag_core.progress import Progress, Reporter
from gradtag_core.tasks.suite import TaskSuite
from pages.parts.charts import draw
from pages.parts.groups_jobs import Jobs
from pages.parts.state import theme


@st.cache_resource(show_spinner=False)
def _probed() -> Jobs:
    return Jobs(32)


def show_difficulty(suite: TaskSuite, key: str) -> None:
    """The scores of linear probes, fitted once per `key` and metric."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        metric: Metric = st.selectbox(
            "Metric", METRICS, index=METRICS.index("auc"), format_func=lambda name: METRIC_TITLES[name],
            key="difficulty_metric", persist_state="session", width=260, help="Higher is better for each.",
        )  # fmt: skip
        asked = st.button("Fit a linear probe per task", icon=":material/straighten:", key="difficulty")
    if not asked and not _probed().done((key, metric)):
        st.caption("Tells in seconds which tasks are easy, hard, or no better than a constant answer.")
        return
    bar = st.progress(0.0, "Reading the inputs …")

    def on_progress(progress: Progress) -> None:
        bar.progress(progress.fraction, f"Fitting probes: {progress.done} of {progress.total}")

    found: Difficulty = _probed().result(
        (key, metric), lambda: difficulty(suite, metric, Reporter(on_progress))
    )
    bar.empty()
    draw(
        difficulty_bars(found, theme=theme()), key="difficulty_bars",
        alt=f"Score of a linear probe on each of the {suite.n_tasks} tasks, beside that of a constant answer.",
        caption=f"{found.description}, fitted on training and scored on validation examples. A bar runs "
        "from the score of a constant answer to that of the probe.",
        table=found.table,
    )  # fmt: skip
