"""Affinity: who helps whom, by the estimate and in truth, and how far the estimate can be trusted."""

import numpy as np
import streamlit as st

from gradtag_core.config import METRIC_TITLES
from gradtag_core.runs.row import RunRow
from pages.parts.affinity_pairs import show_pairs
from pages.parts.affinity_state import Explored, changes, follow_address, select_pair, selected_pair
from pages.parts.agreement import show_agreement, show_how_to_get_truth
from pages.parts.cell_selection import cell_selection
from pages.parts.downloads import matrix_button
from pages.parts.errors import shown_errors
from pages.parts.heading import heading
from pages.parts.maps import MAP, pick_style, pick_view, show_map, shown_tasks
from pages.parts.navigation import show
from pages.parts.pair import show_evidence, show_pair
from pages.parts.results import affinity_of, comparison_of, true_affinity_of
from pages.parts.run_picker import pick_metric, pick_run
from pages.parts.when_seen import when_seen

# Pixels, about what they take in a wide window.
MAP_HEIGHT, EVIDENCE_HEIGHT, PAIRS_HEIGHT, AGREEMENT_HEIGHT = 740, 800, 520, 700


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
    follow_address(explored.names)
    _show_map(explored)
    when_seen("pair_evidence", lambda: _show_evidence(explored), height=EVIDENCE_HEIGHT, version=changes)
    st.header("All pairs")
    when_seen("all_pairs", lambda: _show_pairs(explored), height=PAIRS_HEIGHT, version=changes)
    if comparison is None:
        show_how_to_get_truth(record)
    else:
        st.header("How far to trust the estimate")
        when_seen(
            "agreement", lambda: show_agreement(comparison, METRIC_TITLES[metric]), height=AGREEMENT_HEIGHT
        )
    _offer_matrices(row, explored)


@st.fragment
def _show_map(explored: Explored) -> None:
    """The map and, beside it, the selected pair; a click on a cell leaves the map as it is."""
    with shown_errors():  # of a rerun of this part alone, which no page is around
        style = pick_style(explored)
        left, right = st.columns([11, 9], gap="medium")
        with left:
            view = pick_view(explored)
            when_seen("map_in_view", lambda: show_map(explored, view, style), height=MAP_HEIGHT)
            energy = explored.record.summary.captured_energy
            if energy is not None:
                st.caption(f"The projection keeps {energy:.0%} of the gradients' energy.")
        with right:
            when_seen("pair", lambda: _show_pair(explored, style.order), version=changes)


def _show_pair(explored: Explored, order: np.ndarray) -> None:
    """The selected pair in words and numbers, and its place on the map, whose tasks stand in that order."""
    pair, names = selected_pair(explored.estimated), explored.names
    show_pair(explored, pair)
    places = {int(task): place for place, task in enumerate(order)}
    marked = []
    if pair is not None and set(pair) <= places.keys():
        row, column = (places[task] for task in pair)
        marked = [(row, column), (column, row)]
    cell_selection(
        MAP, (len(order), len(order)), lambda row, column: select_pair(names[order[row]], names[order[column]]),
        marked,
    )  # fmt: skip


def _show_evidence(explored: Explored) -> None:
    pair = selected_pair(explored.estimated)
    if pair is not None:
        show_evidence(explored, pair)


def _show_pairs(explored: Explored) -> None:
    show_pairs(explored, shown_tasks(explored), selected_pair(explored.estimated))


def _offer_matrices(row: RunRow, explored: Explored) -> None:
    estimated, comparison = explored.estimated, explored.comparison
    st.header("Download")
    with st.container(horizontal=True):
        names, end = estimated.task_names, estimated.metric
        matrix_button("Estimated affinity", estimated.values, names, f"{row.id}-estimated-{end}")
        if comparison is not None:
            true = comparison.trained
            difference = comparison.estimated.values - true.values
            matrix_button("True affinity", true.values, names, f"{row.id}-true-{end}")
            matrix_button("Difference", difference, names, f"{row.id}-difference-{end}")


show(main)
