"""The result of a finished run at a glance."""

import streamlit as st

from gradtag_core.errors import StoreError
from gradtag_core.figures.heatmap import affinity_heatmap
from gradtag_core.figures.order import task_order
from gradtag_core.runs.row import RunRow
from pages.parts.charts import draw
from pages.parts.downloads import matrix_table
from pages.parts.quantities import plain, task_chips
from pages.parts.results import affinity_of, record_of
from pages.parts.state import theme

MOST_GROUPS = 12  # that are listed at once


def show_result(row: RunRow) -> None:
    """The affinity map of a finished run in the order of its groups, and the groups in words."""
    record = record_of(row)
    if record is None:
        raise StoreError(f"The run `{row.id}` has lost its results: delete it.")
    affinity = affinity_of(row, record.config.metric)
    grouping = record.grouping
    labels = grouping.labels if grouping else None
    st.header(plain(row.name))
    if row.sample:
        st.caption("This run ships with the project.")
    with st.container(horizontal=True):
        st.page_link("pages/affinity.py", label="Look closer at the affinities", icon=":material/grid_on:",
                     query_params={"run": row.id})  # fmt: skip
        st.page_link("pages/groups.py", label="Try other groups", icon=":material/workspaces:",
                     query_params={"run": row.id})  # fmt: skip
    left, right = st.columns([3, 2], gap="medium")
    with left:
        order = task_order("group", affinity.values, affinity.task_names, labels)
        figure = affinity_heatmap(
            affinity.values, affinity.task_names, order=order, group_labels=labels, counts=affinity.counts,
            standard_errors=affinity.standard_errors, theme=theme(),
        )  # fmt: skip
        draw(
            figure, key="newest_affinities", alt=f"Estimated affinity of the {affinity.n_tasks} tasks of {row.suite}.",
            caption="Row = evaluated task, column = co-task; frames are groups. Orange: training with the co-task "
            "raises the score above the task's own mean; blue: it lowers it.",
            table=lambda: matrix_table(affinity.values, affinity.task_names),
        )  # fmt: skip
    with right:
        if grouping:
            st.markdown("**Learn these together**")
            lines = [
                f"{number}. {task_chips(names)}" for number, names in enumerate(grouping.groups, start=1)
            ]
            for line in lines[:MOST_GROUPS]:
                st.markdown(line)
            if lines[MOST_GROUPS:]:
                with st.expander(f"{len(lines) - MOST_GROUPS} more groups"):
                    st.markdown("\n".join(lines[MOST_GROUPS:]))
