"""Compare: what differs between runs, in their parameters, results and groups."""

import streamlit as st

from pages.parts.compare_groups import show_group_changes
from pages.parts.compare_maps import show_difference, show_pairs, show_words
from pages.parts.compare_picker import pick_metric_of, pick_other, pick_runs, show_how_to
from pages.parts.compare_runs import compared, difference_of, record_with_estimate, titles_of
from pages.parts.compare_tables import show_figures, show_parameters
from pages.parts.heading import heading
from pages.parts.navigation import show
from pages.parts.when_seen import when_seen

MAPS_HEIGHT, PAIRS_HEIGHT, GROUPS_HEIGHT = 800, 520, 700  # pixels, about what they take on a wide window


def main() -> None:
    """Draw the page."""
    heading("Compare runs")
    rows = pick_runs()
    if len(rows) < 2:
        show_how_to(rows)
        return
    metric = pick_metric_of(rows)
    left, right = st.columns(2, gap="medium") if len(rows) == 2 else (st.container(), st.container())
    with left:
        show_parameters([record_with_estimate(row).config for row in rows], titles_of(rows))
    runs = compared(rows, metric)  # for large runs with real training, the first time takes seconds
    with right:
        show_figures(runs)
    reference, other = runs[0], runs[pick_other(runs)]
    found = difference_of(reference, other)
    for remark in found.remarks:
        st.info(remark, icon=":material/info:")
    if found.affinity.task_names:
        show_words(found.affinity, other.letter)
        when_seen("difference", lambda: show_difference(found, other), height=MAPS_HEIGHT)
        when_seen("compared_pairs", lambda: show_pairs(found.affinity, reference, other), height=PAIRS_HEIGHT)
        when_seen("group_changes", lambda: show_group_changes(found, reference, other), height=GROUPS_HEIGHT)


show(main)
