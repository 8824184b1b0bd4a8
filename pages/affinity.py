"""Affinity: who helps whom, by the estimate and in truth, and how far the estimate can be trusted."""

import streamlit as st

from gradtag_core.config import METRIC_TITLES
from gradtag_core.figures.heatmap import symmetric_range
from gradtag_core.figures.order import task_order
from gradtag_core.figures.relative import relative_to_task_mean
from pages.parts.agreement import show_agreement, show_how_to_get_truth
from pages.parts.downloads import matrix_button
from pages.parts.maps import pick_beside, pick_colours, pick_order, show_difference, show_errors, show_map
from pages.parts.navigation import show
from pages.parts.pair import show_pair
from pages.parts.results import affinity_of, comparison_of, true_affinity_of
from pages.parts.run_picker import pick_metric, pick_run
from pages.parts.state import theme


def main() -> None:
    """Draw the page."""
    st.title("Affinities")
    row, record = pick_run()
    with st.grid(4, min_column_width=160):
        metric = pick_metric(record)
        order_by = pick_order()
        colours = pick_colours()
        beside = pick_beside()
    estimated, true = affinity_of(row, metric), true_affinity_of(row, metric)
    comparison = comparison_of(row, metric)
    labels = record.grouping.labels if record.grouping else None
    order = task_order(order_by, estimated.values, estimated.task_names, labels)
    relative = [relative_to_task_mean(matrix.values) for matrix in (estimated, true) if matrix]
    style = {
        "order": order,
        "group_labels": labels,
        "colour_range": symmetric_range(*relative),
        "theme": theme(),
    }

    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Estimated affinity")
        show_map(estimated, colours, "estimated", style)
        if record.summary.captured_energy is not None:
            st.caption(f"The projection keeps {record.summary.captured_energy:.0%} of the gradients' energy.")
    with right:
        if beside == "error":
            st.subheader("Standard error")
            show_errors(estimated, style)
        elif true is None or comparison is None:
            show_how_to_get_truth(record)
        elif beside == "true":
            st.subheader("True affinity")
            show_map(true, colours, "true", style)
        else:
            st.subheader("Estimated minus true")
            show_difference(comparison.estimated, comparison.trained, colours, style)
    show_pair(estimated, true)
    if comparison is not None:
        show_agreement(comparison, METRIC_TITLES[metric])
    st.subheader("Download")
    with st.container(horizontal=True):
        matrix_button(
            "Estimated affinity", estimated.values, estimated.task_names, f"{row.id}-estimated-{metric}"
        )
        if comparison is not None and true is not None:
            difference = comparison.estimated.values - true.values
            matrix_button("True affinity", true.values, true.task_names, f"{row.id}-true-{metric}")
            matrix_button("Difference", difference, true.task_names, f"{row.id}-difference-{metric}")


show(main)
