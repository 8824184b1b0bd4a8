"""The maps of the Affinity page: how they are ordered and coloured, and what they show."""

from typing import Any, Literal, get_args

import streamlit as st

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.figures.heatmap import Scale, affinity_heatmap
from gradtag_core.figures.order import ORDER_TITLES, Order
from gradtag_core.figures.relative import relative_to_task_mean
from pages.parts.charts import draw
from pages.parts.pair import select_pair

Colours = Literal["relative", "raw"]
COLOUR_TITLES: dict[Colours, str] = {"relative": "relative", "raw": "raw"}
BESIDE_TITLES = {"true": "true affinity", "difference": "difference", "error": "standard error"}
CAPTIONS: dict[Scale, str] = {
    "relative": "Row = evaluated task, column = co-task. Orange: training with the co-task raises the score above "
    "the task's own mean; blue: it lowers it.",
    "raw": "Row = evaluated task, column = co-task. How hard each task is colours whole rows.",
    "error": "How far the estimate of each cell may be off by the draw of subsets, or by the additive model where "
    "small models were trained. An effect smaller than twice this says little.",
    "signed": "The estimate minus truth over the really trained subsets. Orange: it is too high; blue: too low.",
}


def pick_order() -> Order:
    return st.selectbox(
        "Order", get_args(Order), format_func=lambda name: ORDER_TITLES[name], key="order",
        bind="query-params", help="All maps use the same order. Similarity: optimal leaf order of average linkage.",
    ) or "group"  # fmt: skip


def pick_colours() -> Colours:
    return st.selectbox(
        "Colours", get_args(Colours), format_func=lambda name: COLOUR_TITLES[name], key="colours", bind="query-params",
        help="Relative: against the task's mean over its co-tasks. How hard a task is dominates raw affinities.",
    ) or "relative"  # fmt: skip


def pick_beside() -> str:
    return st.selectbox(
        "Compare with", tuple(BESIDE_TITLES), format_func=lambda name: BESIDE_TITLES[name], key="beside",
        bind="query-params", help="True affinities need a run with really trained subsets; standard errors do not.",
    ) or "true"  # fmt: skip


def show_map(matrix: AffinityMatrix, colours: Colours, name: str, style: dict[str, Any]) -> None:
    """One map with its caption; clicking a cell picks the pair."""
    figure = affinity_heatmap(
        matrix.values, matrix.task_names, scale=colours, counts=matrix.counts,
        standard_errors=matrix.standard_errors, selectable=True, **style,
    )  # fmt: skip
    draw(
        figure, key=f"map_{name}", on_click=lambda key: select_pair(key, matrix.task_names),
        alt=f"Map of the {name} affinity of {matrix.n_tasks} tasks.", caption=CAPTIONS[colours],
    )  # fmt: skip


def show_errors(matrix: AffinityMatrix, style: dict[str, Any]) -> None:
    """How sure the estimate of each cell is."""
    figure = affinity_heatmap(
        matrix.standard_errors, matrix.task_names, scale="error", counts=matrix.counts,
        **{**style, "colour_range": None},
    )  # fmt: skip
    draw(
        figure, key="map_error", caption=CAPTIONS["error"],
        alt=f"Map of the standard errors of the estimated affinity of {matrix.n_tasks} tasks.",
    )  # fmt: skip


def show_difference(
    estimated: AffinityMatrix, true: AffinityMatrix, colours: Colours, style: dict[str, Any]
) -> None:  # fmt: skip
    """Estimate minus truth, each relative to its task's mean first unless raw values are shown."""
    difference = estimated.values - true.values
    if colours == "relative":
        difference = relative_to_task_mean(difference)
    else:
        style = {**style, "colour_range": None}
    figure = affinity_heatmap(difference, true.task_names, scale="signed", counts=true.counts, **style)
    draw(
        figure, key="map_difference", caption=CAPTIONS["signed"],
        alt=f"Map of the estimated minus the true affinity of {true.n_tasks} tasks.",
    )  # fmt: skip
