"""Groups: which tasks to train in one model, for a run or for a matrix of one's own."""

import numpy as np
import pandas as pd
import streamlit as st

from gradtag_core.config import METRIC_TITLES, Metric
from gradtag_core.errors import InvalidInput
from gradtag_core.figures.gains import group_gains
from gradtag_core.runs.record import RunRecord
from pages.parts.charts import draw
from pages.parts.groups_upload import kept_matrix, matrix_of, pick_file
from pages.parts.groups_view import Affinities, forget_k, show_groups
from pages.parts.heading import heading
from pages.parts.navigation import show
from pages.parts.results import affinity_of
from pages.parts.run_picker import pick_metric, pick_run
from pages.parts.solver import Matrix
from pages.parts.state import theme
from pages.parts.when_seen import when_seen

RUN, FILE = "a run", "a CSV file"
GAINS_HEIGHT = 800  # pixels, about what they take


def main() -> None:
    """Draw the page."""
    heading("Groups")
    source = st.segmented_control(
        "Affinities from",
        (RUN, FILE),
        default=RUN,
        required=True,
        key="source",
        bind="query-params",
        on_change=forget_k,
    )
    if source == FILE:
        of_file()
    else:
        of_run()


def usual_k(n_tasks: int) -> int:
    return min(n_tasks, max(2, round(n_tasks / 5)))


def of_file() -> None:
    """Group the tasks of a matrix that is uploaded here, or was on the Data page."""
    uploaded = pick_file()
    matrix = matrix_of(uploaded) if uploaded is not None else kept_matrix()
    if matrix is not None:
        show_groups(Affinities(matrix.key, matrix, usual_k(matrix.n_tasks)))


def of_run() -> None:
    """Group the tasks of a run by its estimate, and show what training its own groups brought."""
    with st.grid(2, min_column_width=260):
        with st.container():
            row, record = pick_run()
        metric = pick_metric(record)
    affinity = affinity_of(row, metric)
    if not np.isfinite(affinity.values).all():
        raise InvalidInput(
            "This run's affinities have empty cells: launch it again with a larger `n_subsets`."
        )
    stored, scores = record.grouping, record.group_scores
    default = stored.n_groups if stored else usual_k(affinity.n_tasks)
    matrix = Matrix.of(affinity.values, affinity.task_names)
    evidence = affinity if record.is_joined else record.estimated
    show_groups(Affinities(row.id, matrix, default, evidence, metric))
    st.header("What training in groups brought")
    if stored is None or scores is None:
        st.caption("This run did not train its groups; launch one with “Train the groups” switched on.")
        return
    when_seen("training_gains", lambda: _show_gains(record, metric), height=GAINS_HEIGHT)


def _show_gains(record: RunRecord, metric: Metric) -> None:
    stored, scores = record.grouping, record.group_scores
    assert stored is not None and scores is not None  # as asked above
    grouped, together = scores.of(metric)
    names = record.summary.task_names
    gain = float(np.mean(grouped - together))
    st.markdown(
        f"The run trained its own {stored.n_groups} groups ({METRIC_TITLES[record.config.metric]}) and one model for "
        f"all tasks. On the test split the groups score **{gain:+.4f}** {METRIC_TITLES[metric]} on average; "
        f"{int((grouped > together).sum())} of {len(names)} tasks gain."
    )
    figure = group_gains(grouped, together, names, score_title=METRIC_TITLES[metric], theme=theme())
    draw(
        figure, key="group_gains", alt="Test score of each task by its group's model and by one model for all.",
        caption="Each line leads from one model for all tasks (ring) to the model of the task's group (dot). Orange: "
        "the group helps; blue: it hurts. One seed: small differences are noise.",
        table=lambda: pd.DataFrame({"task": names, "in_groups": grouped, "all_together": together}),
    )  # fmt: skip


show(main)
