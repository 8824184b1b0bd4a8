"""The affinity matrix as a map: row = evaluated task, column = co-task."""

from collections.abc import Sequence
from html import escape
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from gradtag_core.errors import InvalidInput
from gradtag_core.figures.relative import relative_to_task_mean, without_diagonal
from gradtag_core.figures.theme import PALETTES, TRANSPARENT, Theme, blank_figure, colour_scale

Scale = Literal["relative", "raw", "signed", "error"]
SCALE_TITLES: dict[Scale, str] = {
    "relative": "affinity, relative to the task's mean",
    "raw": "affinity",
    "signed": "difference",
    "error": "standard error",
}
BRIEF_HOVER: dict[Scale, str] = {
    "relative": "Against the task's mean: %{z:+.4f}",
    "raw": "Affinity: %{z:.4f}",
    "signed": "Difference: %{z:+.4f}",
    "error": "Standard error: %{z:.4f}",
}

LONGEST_LABEL = 24
EASILY_READ = 60  # larger maps have no gaps between cells, and one can zoom in
MOST_DETAILED = 200  # the texts of larger maps would be tens of megabytes
MOST_SELECTABLE = 60  # a marker per cell makes larger maps slow to load
POINT_PIXELS = 2
CLIPPED_SHARE = 1.0  # per cent of the cells at the ends of the colour map


def affinity_heatmap(
    values: np.ndarray,
    task_names: Sequence[str],
    *,
    title: str = "",
    scale: Scale = "relative",
    order: np.ndarray | None = None,
    group_labels: np.ndarray | None = None,
    counts: np.ndarray | None = None,
    standard_errors: np.ndarray | None = None,
    colour_range: float | None = None,
    selectable: bool = False,
    theme: Theme = "light",
) -> go.Figure:
    """Draw (n, n) affinities; hovering shows original values, standard errors and numbers of subsets.

    `scale`: "relative" colours each row around its own mean over co-tasks, "raw" and "error" the values, "signed" the
    values around zero (a difference). `order`: (n,) task indices. `group_labels`: (n,) frames each group
    whose tasks stand together. `colour_range`: half the width of the signed scales, in units of the values
    (None: from the cells). `selectable` adds an invisible marker per pair, whose custom data begins with the
    indices of the evaluated task and the co-task, because heatmaps emit no selections (not over 60 tasks).
    """
    n_tasks = len(task_names)
    if values.shape != (n_tasks, n_tasks):
        raise InvalidInput(
            f"`values` must be {n_tasks} by {n_tasks}, one row per task name; found {values.shape}."
        )
    order = np.arange(n_tasks) if order is None else np.asarray(order)
    coloured = relative_to_task_mean(values) if scale == "relative" else without_diagonal(values)
    labels = axis_labels([task_names[int(task)] for task in order])
    if n_tasks <= MOST_DETAILED:
        details, template = _hover(values, coloured, counts, standard_errors, scale, task_names)
        details = details[np.ix_(order, order)]
    else:
        details, template = None, f"<b>%{{y}}</b> with <b>%{{x}}</b><br>{BRIEF_HOVER[scale]}<extra></extra>"
    selectable = selectable and n_tasks <= MOST_SELECTABLE
    gap = 1 if n_tasks <= EASILY_READ else 0
    figure = blank_figure(theme, title=title, height=map_height(labels))
    hover = {"hoverinfo": "skip"} if selectable else {"hovertemplate": template, "hoverongaps": False}
    figure.add_trace(
        go.Heatmap(
            z=coloured[np.ix_(order, order)], x=labels, y=labels, customdata=details, xgap=gap, ygap=gap,
            **hover, **_colours(coloured, scale, colour_range, theme),
        )
    )  # fmt: skip
    if selectable and details is not None:
        figure.add_traces(_markers(labels, details, template))
        figure.update_layout(hoverdistance=-1)  # no cell is too large
    figure.update_layout(map_axes(labels, bool(title)))
    if group_labels is not None:
        figure.update_layout(shapes=_frames(np.asarray(group_labels)[order], theme))
    return figure


def symmetric_range(*matrices: np.ndarray) -> float:
    """Half the width of a signed colour scale that suits all matrices; the few largest cells are clipped."""
    sizes = np.concatenate([np.abs(matrix[np.isfinite(matrix)]) for matrix in matrices])
    largest = float(np.percentile(sizes, 100 - CLIPPED_SHARE)) if len(sizes) else 0.0
    return largest or float(sizes.max(initial=0.0)) or 1.0


def map_height(labels: list[str]) -> int:
    """Pixels for square cells in half a wide page, and below them the labels and the title of the axis.

    Only the width of a figure follows its window. Cells do too: square ones would leave a narrow window blank below the
    map, with every second label left out, and a wide one blank beside it.
    """
    below = _tick_size(len(labels)) * 0.55 * max(map(len, labels))
    return int(110 + np.clip(40 * len(labels), 200, 440) + below)


def _colours(coloured: np.ndarray, scale: Scale, colour_range: float | None, theme: Theme) -> dict[str, Any]:
    palette = PALETTES[theme]
    bar = colour_bar(SCALE_TITLES[scale])
    if scale in ("raw", "error"):
        return {"colorscale": colour_scale(palette.sequential), "colorbar": bar}
    half = colour_range or symmetric_range(coloured)
    return {"colorscale": colour_scale(palette.diverging), "zmin": -half, "zmax": half, "colorbar": bar}


def colour_bar(title: str) -> dict[str, Any]:
    """A short bar above a map."""
    return {
        "orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "ypad": 6,
        "lenmode": "pixels", "len": 180, "thickness": 8, "outlinewidth": 0, "nticks": 5, "tickfont": {"size": 11},
        "title": {"text": title, "side": "top", "font": {"size": 12}},
    }  # fmt: skip


def _hover(
    values: np.ndarray, coloured: np.ndarray, counts: np.ndarray | None, errors: np.ndarray | None,
    scale: Scale, task_names: Sequence[str],
) -> tuple[np.ndarray, str]:  # fmt: skip
    """(n, n, 4 + lines): the indices and names of both tasks and the text of each line; and their template."""
    signed = scale == "signed"
    lines = [("Difference" if signed else "Affinity", values, "%+.4f" if signed else "%.4f")]
    if scale == "relative":
        lines.append(("Against the task's mean", coloured, "%+.4f"))
    if errors is not None:
        lines.append(("Standard error", errors, "%.4f"))
    if counts is not None:
        lines.append(("Subsets", counts, "%d"))
    texts = [
        np.where(np.isfinite(matrix), np.char.mod(form, np.nan_to_num(matrix)), "unknown")
        for _, matrix, form in lines
    ]
    tasks = [index.astype(object) for index in np.indices(values.shape)]
    names = np.array([escape(name, quote=False) for name in task_names], dtype=object)
    details = np.stack([*tasks, *(names[task.astype(int)] for task in tasks), *texts], axis=-1)
    template = "Evaluated task: <b>%{customdata[2]}</b><br>Co-task: <b>%{customdata[3]}</b>"
    for position, (label, _, _) in enumerate(lines, start=4):
        template += f"<br>{label}: %{{customdata[{position}]}}"
    return details, template + "<extra></extra>"


def _markers(labels: list[str], details: np.ndarray, template: str) -> list[go.Scatter]:
    """Invisible points in the middle of every cell: the nearest is that of the cell one points at.

    They are smaller than a cell of any window, since a point inside several markers is not told by its distance. The
    diagonal has silent ones, for else a neighbour of it would answer.
    """
    invisible = {"marker": {"opacity": 0}}
    traces = []
    for cells, answer in (
        (~np.eye(len(labels), dtype=bool), {"hovertemplate": template}),
        (np.eye(len(labels), dtype=bool), {"hoverinfo": "none"}),
    ):
        rows, columns = np.nonzero(cells)
        traces.append(
            go.Scatter(
                x=[labels[column] for column in columns], y=[labels[row] for row in rows], mode="markers",
                customdata=details[rows, columns], showlegend=False, cliponaxis=True,
                marker={"size": POINT_PIXELS, "opacity": 0, "color": TRANSPARENT},
                selected=invisible, unselected=invisible, **answer,
            )
        )  # fmt: skip
    return traces


def map_axes(
    labels: list[str], has_title: bool, row: str = "evaluated task", column: str = "co-task"
) -> dict[str, Any]:
    """The layout of a map with a cell per pair; `row` and `column` say what the axes hold."""
    n_tasks = len(labels)
    ends = [-0.5, n_tasks - 0.5]
    common = {
        "type": "category", "categoryorder": "array", "categoryarray": labels,
        "tickfont": {"size": _tick_size(n_tasks)}, "showgrid": False, "zeroline": False,
        "fixedrange": n_tasks <= EASILY_READ,
    }  # fmt: skip
    title = {"font": {"size": 12, "weight": 600}, "standoff": 16}
    return {
        "xaxis": {
            **common, "range": ends, "tickangle": -90,
            "title": {"text": column, **title},
        },
        "yaxis": {
            **common, "range": ends[::-1],
            "title": {"text": row, **title},
        },
        "margin": {"t": 92 if has_title else 58},
    }  # fmt: skip


def _tick_size(n_tasks: int) -> int:
    return 12 if n_tasks <= 16 else 10 if n_tasks <= 36 else 8


def axis_labels(names: list[str]) -> list[str]:
    """Names short enough for an axis, still different from each other."""
    labels = [name if len(name) <= LONGEST_LABEL else name[: LONGEST_LABEL - 1] + "…" for name in names]
    if len(set(labels)) < len(labels):
        labels = [f"{label} {position}" for position, label in enumerate(labels, start=1)]
    return [escape(label, quote=False) for label in labels]


def _frames(labels: np.ndarray, theme: Theme) -> list[dict[str, Any]]:
    """A square around each group; none at all when a group's tasks stand apart."""
    starts = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
    if len(starts) != len(np.unique(labels)):
        return []
    line = {"color": PALETTES[theme].text, "width": 1.6}
    return [
        {"type": "rect", "x0": start - 0.5, "y0": start - 0.5, "x1": end - 0.5, "y1": end - 0.5, "line": line}
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(labels)], strict=True)
    ]
