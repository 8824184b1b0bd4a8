"""What each method changes for each task; computed when it is opened."""

import numpy as np
import pandas as pd
import streamlit as st

from gradtag_core.config import METRIC_TITLES, METRICS
from gradtag_core.csv_text import csv_text
from gradtag_core.figures.task_differences import task_differences
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.study_record import StudyRecord
from pages.parts.charts import draw
from pages.parts.errors import shown_errors
from pages.parts.pareto_answer import NAIVE
from pages.parts.pareto_picker import View
from pages.parts.pareto_records import study_of
from pages.parts.state import theme


@st.fragment
def show_tasks(row: RunRow, view: View) -> None:
    """A map of tasks and methods against naive multitask training, and the scores as a file."""
    with shown_errors(), st.expander("Task by task", key="by_task", on_change="rerun") as box:
        record = study_of(row) if box.open else None
        if record is None:
            return
        if NAIVE not in record.results:
            st.caption("This is shown against naive multitask training, which has not run yet.")
            return
        scores = mean_scores(record, view)
        others = [method.record for method in view.priced(record) if method.record.method != NAIVE]
        names = record.summary.task_names
        table = pd.DataFrame(scores, index=pd.Index(list(names), name="task"))
        if others:
            figure = task_differences(
                np.stack([scores[each.method] for each in others]), scores[NAIVE],
                [each.title for each in others], names, score_title=METRIC_TITLES[view.metric], theme=theme(),
            )  # fmt: skip
            draw(
                figure, key="task_differences",
                alt=f"Test score of {len(names)} tasks by {len(others)} methods less that by naive multitask training.",
                caption=f"Test split, {METRIC_TITLES[view.metric]}, mean over seeds, higher is better. Orange: "
                "better than naive multitask; blue: worse. The cheapest method comes first.",
                table=lambda: table.filter([each.method for each in others]).sub(table[NAIVE], axis=0),
            )  # fmt: skip
        st.download_button(
            "Scores by task (CSV)", lambda: csv_text(table), f"{row.id}-{view.metric}-tasks.csv",
            "text/csv", icon=":material/download:", on_click="ignore", key="tasks_csv",
        )  # fmt: skip


def mean_scores(record: StudyRecord, view: View) -> dict[str, np.ndarray]:
    """The test scores (n,) of each method, mean over its seeds; higher is better."""
    column = METRICS.index(view.metric)
    return {
        method: np.mean([result.test[:, column] for result in own.values()], axis=0)
        for method, own in record.results.items()
    }
