"""The map of the Affinity page: what it shows, how it is ordered, cut and coloured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import streamlit as st

from gradtag_core.figures.dendrogram import leaf_order, task_tree, with_tree
from gradtag_core.figures.heatmap import Scale, affinity_heatmap, symmetric_range
from gradtag_core.figures.order import ORDER_TITLES, Order, best_partners, pinned_first, task_order
from gradtag_core.figures.relative import relative_to_task_mean, without_diagonal
from pages.parts.affinity_state import Explored, note_change
from pages.parts.charts import draw
from pages.parts.state import theme

View = Literal["estimated", "true", "difference", "error"]
VIEW_TITLES: dict[View, str] = {
    "estimated": "Estimate", "true": "Truth", "difference": "Difference", "error": "Uncertainty",
}  # fmt: skip
Colours = Literal["relative", "raw"]
Limits = Literal["shared", "fitted"]
LIMIT_TITLES: dict[Limits, str] = {"shared": "same in all maps", "fitted": "fitted to this map"}
MAP = "affinity_map"  # the key of its chart
PARTNERS = 5  # of each pinned task
CAPTIONS: dict[Scale, str] = {
    "relative": "Row = evaluated task, column = co-task. Orange: training with the co-task raises the score above "
    "the task's own mean; blue: it lowers it.",
    "raw": "Row = evaluated task, column = co-task. How hard each task is colours whole rows.",
    "error": "How far the estimate of each cell may be off by the draw of subsets, or by the additive model where "
    "small models were trained. An effect smaller than twice this says little.",
    "signed": "The estimate minus truth over the really trained subsets. Orange: it is too high; blue: too low.",
}


@dataclass(frozen=True)
class Style:
    """How the map is shown; `order`: the tasks shown, `tree`: of these tasks, where one is drawn."""

    colours: Colours
    limits: Limits
    order: np.ndarray
    tree: np.ndarray | None


def pick_view(explored: Explored) -> View:
    views: list[View] = ["estimated", "error"] if explored.comparison is None else list(VIEW_TITLES)
    return st.segmented_control(
        "Map", views, format_func=lambda name: VIEW_TITLES[name], default="estimated", required=True, key="map",
        bind="query-params", label_visibility="collapsed",
    )  # fmt: skip


def pick_style(explored: Explored) -> Style:
    """Order, colours and pinned tasks."""
    names, values = explored.names, explored.estimated.values
    with st.grid(4, min_column_width=170):
        order_by: Order = st.selectbox(
            "Order", get_args(Order), format_func=lambda name: ORDER_TITLES[name], key="order", bind="query-params",
            help="The order is that of the estimate in every map. Similarity: optimal leaf order of average linkage. "
            "Difficulty: the task with the lowest mean score first.",
        ) or "group"  # fmt: skip
        colours: Colours = st.selectbox(
            "Colours", get_args(Colours), key="colours", bind="query-params",
            help="Relative: against the task's mean over its co-tasks. How hard a task is dominates raw affinities.",
        ) or "relative"  # fmt: skip
        limits: Limits = st.selectbox(
            "Limits of the colours", get_args(Limits), format_func=lambda name: LIMIT_TITLES[name], key="limits",
            bind="query-params", help="The same limits let one compare maps by colour; fitted ones use all colours "
            "for the cells shown. Relative values and differences are centred at zero either way. The largest "
            "hundredth of the cells is clipped.",
        ) or "shared"  # fmt: skip
        pinned = st.multiselect(
            "Pin tasks", names, key="pin", bind="query-params", placeholder="Search for tasks",
            help="Pinned tasks come first.", on_change=note_change,
        )  # fmt: skip
    only = bool(pinned) and st.toggle(
        f"Show only pinned tasks and the {PARTNERS} best co-tasks of each",
        key="only_pinned",
        bind="query-params",
        on_change=note_change,
    )
    tree = _tree(values) if order_by == "similarity" and not pinned else None
    order = _order(order_by, values, names, explored.labels) if tree is None else leaf_order(tree)
    if pinned:
        order = pinned_first(order, [names.index(name) for name in pinned])
        if only:
            order = order[np.isin(order, pinned_and_partners(explored, pinned))]
    return Style(colours, limits, order, tree)


def shown_tasks(explored: Explored) -> np.ndarray:
    """The tasks that the map shows, for a part of the page that is not drawn with it."""
    pinned = [name for name in st.session_state.get("pin", ()) if name in explored.names]
    if pinned and st.session_state.get("only_pinned"):
        return pinned_and_partners(explored, pinned)
    return np.arange(len(explored.names))


def pinned_and_partners(explored: Explored, pinned: Sequence[str]) -> np.ndarray:
    """These tasks, and the best co-tasks of each."""
    places = [explored.names.index(name) for name in pinned]
    return np.array(sorted({*places, *best_partners(explored.estimated.values, places, PARTNERS)}))


@st.cache_resource(max_entries=64, show_spinner=False)
def _order(order: Order, values: np.ndarray, names: tuple[str, ...], labels: np.ndarray | None) -> np.ndarray:
    return task_order(order, values, names, labels)


@st.cache_resource(max_entries=64, show_spinner=False)
def _tree(values: np.ndarray) -> np.ndarray:
    return task_tree(values)


def show_map(explored: Explored, view: View, style: Style) -> None:
    """One map with its caption; who shows the selected pair hears of a click."""
    names, order = explored.names, style.order
    values, scale, details = _content(explored, view, style.colours)
    figure = affinity_heatmap(
        values, names, scale=scale, order=order, group_labels=explored.labels,
        colour_range=_limits(explored, view, style), theme=theme(), **details,
    )  # fmt: skip
    if style.tree is not None:
        figure = with_tree(figure, style.tree, explored.labels, theme=theme())

    def table() -> pd.DataFrame:
        drawn = relative_to_task_mean(values) if scale == "relative" else values
        shown = [names[task] for task in order]
        return pd.DataFrame(drawn[np.ix_(order, order)], index=pd.Index(shown, name="task"), columns=shown)

    draw(
        figure, key=MAP, table=table, caption=CAPTIONS[scale],
        alt=f"Map of {len(order)} tasks: {VIEW_TITLES[view].lower()} of the affinity of each pair.",
        with_cells=True,
    )  # fmt: skip


def _content(explored: Explored, view: View, colours: Colours) -> tuple[np.ndarray, Scale, dict[str, Any]]:
    """The values of a map, how they are coloured, and what hovering shows beside them."""
    estimated, true, comparison = explored.estimated, explored.true, explored.comparison
    also = {"Estimated, against the task's mean": relative_to_task_mean(estimated.values)}
    if true is not None:
        also["True, against the task's mean"] = relative_to_task_mean(true.values)
    if view == "error":
        return estimated.standard_errors, "error", {"counts": estimated.counts, "also": also}
    if view == "difference" and comparison is not None:
        difference = comparison.estimated.values - comparison.trained.values
        if colours == "relative":
            difference = relative_to_task_mean(difference)
        return difference, "signed", {"counts": comparison.trained.counts, "also": also}
    shown = true if view == "true" and true is not None else estimated
    if colours == "relative":
        del also[("True" if shown is true else "Estimated") + ", against the task's mean"]  # the map's own
    uncertain = {"counts": shown.counts, "standard_errors": shown.standard_errors}
    return shown.values, colours, {**uncertain, "also": also}


def _limits(explored: Explored, view: View, style: Style) -> float | tuple[float, float] | None:
    """The ends of the colours that all maps share; standard errors and raw differences have their own."""
    if style.limits == "fitted" or view == "error":
        return None
    matrices = [each.values for each in (explored.estimated, explored.true) if each is not None]
    if style.colours == "relative":
        return symmetric_range(*map(relative_to_task_mean, matrices))
    if view == "difference":
        return None
    cells = np.concatenate([without_diagonal(matrix).ravel() for matrix in matrices])
    known = cells[np.isfinite(cells)]
    return (float(known.min()), float(known.max())) if len(known) else None
