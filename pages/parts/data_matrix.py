"""Affinities that are known already: a look at them, and the way to group them."""

import streamlit as st

from gradtag_core.figures.heatmap import affinity_heatmap
from pages.parts.charts import draw
from pages.parts.downloads import matrix_table
from pages.parts.groups_upload import matrix_of, pick_file
from pages.parts.state import theme


def draw_matrix() -> None:
    """The uploader of the Groups page, a map of what it read, and a link that groups it there."""
    st.caption(
        "Affinities from elsewhere need no data set and no run: the Groups page groups their tasks at once. They stay "
        "in this window, and are not saved."
    )
    uploaded = pick_file()
    if uploaded is None:
        return
    matrix = matrix_of(uploaded)
    st.page_link(
        "pages/groups.py", label=f"Group these {matrix.n_tasks} tasks", icon=":material/workspaces:",
        query_params={"source": "a CSV file"},
    )  # fmt: skip
    figure = affinity_heatmap(matrix.values, matrix.task_names, scale="raw", theme=theme())
    draw(
        figure, key="own_affinities", alt=f"Affinities of {matrix.n_tasks} tasks, as uploaded.",
        caption="Row = evaluated task, column = co-task; higher is better.",
        table=lambda: matrix_table(matrix.values, matrix.task_names),
    )  # fmt: skip
