"""Affinity: who helps whom, by the estimate and in truth, and how far the estimate can be trusted."""

import streamlit as st

from gradtag_core.config import METRIC_TITLES
from gradtag_core.runs.row import RunRow
from pages.parts.affinity_pairs import show_pairs
from pages.parts.affinity_state import Explored, selected_pair
from pages.parts.agreement import show_agreement, show_how_to_get_truth
from pages.parts.downloads import matrix_button
from pages.parts.errors import shown_errors
from pages.parts.heading import heading
from pages.parts.maps import pick_style, pick_view, show_map
from pages.parts.navigation import show
from pages.parts.pair import show_evidence, show_pair
from pages.parts.results import affinity_of, comparison_of, true_affinity_of
from pages.parts.run_picker import pick_metric, pick_run


def main() -> None:
    """Draw the page."""
    heading("Affinities")
    left, right = st.columns([3, 1], gap="medium")
    with left:
        row, record = pick_run()
    with right:
        metric = pick_metric(record)
    comparison = comparison_of(row, metric)
    explored = Explored(record, affinity_of(row, metric), true_affinity_of(row, metric), comparison)
    _explore(explored)
    if comparison is None:
        show_how_to_get_truth(record)
    else:
        show_agreement(comparison, METRIC_TITLES[metric])
    _offer_matrices(row, explored)


@st.fragment
def _explore(explored: Explored) -> None:
    """The map, the selected pair and all pairs; a click here runs nothing else of the page."""
    with shown_errors():  # of a rerun of this part alone, which no page is around
        style = pick_style(explored)
        pair = selected_pair(explored.estimated)
        left, right = st.columns([11, 9], gap="medium")
        with left:
            show_map(explored, pick_view(explored), style, pair)
            energy = explored.record.summary.captured_energy
            if energy is not None:
                st.caption(f"The projection keeps {energy:.0%} of the gradients' energy.")
        with right:
            show_pair(explored, pair)
        if pair is not None:
            show_evidence(explored, pair)
        show_pairs(explored, style.order, pair)


def _offer_matrices(row: RunRow, explored: Explored) -> None:
    estimated, comparison = explored.estimated, explored.comparison
    st.subheader("Download")
    with st.container(horizontal=True):
        names, end = estimated.task_names, estimated.metric
        matrix_button("Estimated affinity", estimated.values, names, f"{row.id}-estimated-{end}")
        if comparison is not None:
            true = comparison.trained
            difference = comparison.estimated.values - true.values
            matrix_button("True affinity", true.values, names, f"{row.id}-true-{end}")
            matrix_button("Difference", difference, names, f"{row.id}-difference-{end}")


show(main)
