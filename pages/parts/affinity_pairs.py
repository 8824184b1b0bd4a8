"""All pairs of the Affinity page: estimate against truth as points, and a table to sort and search."""

from zlib import crc32

import numpy as np
import pandas as pd
import streamlit as st

from gradtag_core.figures.accuracy import estimate_against_truth
from gradtag_core.figures.relative import relative_to_task_mean
from pages.parts.affinity_state import OF_TABLE, Explored, Pair, select_pair, select_point
from pages.parts.charts import draw
from pages.parts.state import theme

MOST_ROWS = 2000  # sent to the browser


def show_pairs(explored: Explored, shown: np.ndarray, pair: Pair | None) -> None:
    """The scatter, where there is a truth, beside the table; `shown`: the tasks to list pairs of."""
    if explored.comparison is None:
        _show_table(explored, shown, pair)
        return
    left, right = st.columns(2, gap="medium")
    with left:
        _show_scatter(explored, pair)
    with right:
        _show_table(explored, shown, pair)


def _show_scatter(explored: Explored, pair: Pair | None) -> None:
    comparison, names = explored.comparison, explored.names
    assert comparison is not None
    figure = estimate_against_truth(
        comparison.estimated.values, comparison.trained.values, names, selected=pair, theme=theme()
    )
    coloured = "" if pair is None else " Orange: the co-tasks of the evaluated task; the ring is the pair."

    def table() -> pd.DataFrame:
        known = comparison.estimated.values + comparison.trained.values
        return _frame(explored, np.flatnonzero(np.isfinite(known) & ~np.eye(len(names), dtype=bool)))

    draw(
        figure, key="estimate_against_truth", table=table, on_click=lambda chart: select_point(chart, names),
        alt="Estimated against true affinity of each pair of tasks.",
        caption=f"Each point is a pair of tasks; a good estimate rises from left to right.{coloured}",
    )  # fmt: skip


def _show_table(explored: Explored, shown: np.ndarray, pair: Pair | None) -> None:
    names = explored.names
    wanted = st.text_input("Find tasks", key="find", bind="query-params", placeholder="A part of a name")
    cells, n_found = _largest(explored, shown, wanted.strip().casefold())
    key = f"pairs_{st.session_state.get(OF_TABLE, 0)}_{crc32(cells.tobytes())}"
    at = [] if pair is None else np.flatnonzero(cells == pair[0] * len(names) + pair[1]).tolist()

    def picked() -> None:
        for row in st.session_state[key].selection.rows[:1]:
            task, co_task = divmod(int(cells[row]), len(names))
            select_pair(names[task], names[co_task], from_table=True)

    number = st.column_config.NumberColumn
    signed = number(format="%+.4f", help="Against the task's mean over its co-tasks.")
    st.dataframe(
        _frame(explored, cells), hide_index=True, width="stretch", height=400, key=key, on_select=picked,
        selection_mode="single-row", placeholder="unknown", selection_default={"selection": {"rows": at}},
        column_config={
            "Estimate": signed, "Truth": signed, "Standard error": number(format="%.4f"),
            "Difference": number(format="%+.4f", help="Estimate minus truth, each over the really trained subsets "
            "and against the task's mean."),
        },
        alt="Pairs of tasks with their estimated and true affinity.",
    )  # fmt: skip
    cut = f"The {len(cells):,} of {n_found:,} pairs" if n_found > len(cells) else f"{n_found:,} pairs"
    st.caption(f"{cut} with the largest effects first, by the estimate. Select a row to see the pair.")


def _largest(explored: Explored, shown: np.ndarray, wanted: str) -> tuple[np.ndarray, int]:
    """Cells, as row · n + column, of the largest relative affinities in size, and how many there are to show."""
    effects = np.abs(relative_to_task_mean(explored.estimated.values))
    known = np.isfinite(effects)
    listed = np.zeros(len(effects), dtype=bool)
    listed[shown] = True
    known &= listed[:, None] & listed[None, :]
    if wanted:
        matches = np.array([wanted in name.casefold() for name in explored.names])
        known &= matches[:, None] | matches[None, :]
    cells = np.flatnonzero(known)
    sizes = effects.ravel()[cells]
    if len(cells) > MOST_ROWS:
        most = np.argpartition(-sizes, MOST_ROWS)[:MOST_ROWS]
        return cells[most][np.argsort(-sizes[most], kind="stable")], len(cells)
    return cells[np.argsort(-sizes, kind="stable")], len(cells)


def _frame(explored: Explored, cells: np.ndarray) -> pd.DataFrame:
    """The numbers of some cells, by their places in the flat matrix."""
    names = np.array(explored.names, dtype=object)
    rows, columns = np.divmod(cells, len(names))
    estimated, comparison = explored.estimated, explored.comparison
    frame = {
        "Evaluated task": names[rows],
        "Co-task": names[columns],
        "Estimate": relative_to_task_mean(estimated.values)[rows, columns],
    }
    if explored.true is not None and comparison is not None:
        difference = relative_to_task_mean(comparison.estimated.values - comparison.trained.values)
        frame["Truth"] = relative_to_task_mean(explored.true.values)[rows, columns]
        frame["Difference"] = difference[rows, columns]
    frame["Standard error"] = estimated.standard_errors[rows, columns]
    frame["Subsets"] = estimated.counts[rows, columns]
    return pd.DataFrame(frame)
