"""The affinity matrix as a map: row = evaluated task, column = co-task."""

from collections.abc import Mapping, Sequence
from html import escape, unescape
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from gradtag_core.errors import InvalidInput
from gradtag_core.figures.labels import text_width
from gradtag_core.figures.relative import relative_to_task_mean, without_diagonal
from gradtag_core.figures.theme import PALETTES, Theme, blank_figure, colour_scale

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
MOST_DETAILED = 200  # the numbers that hovering shows would be tens of megabytes for larger maps
BAR_ROOM, BAR_MIDDLE, TITLE_ROOM = 64, 29, 34  # pixels above a map
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
    also: Mapping[str, np.ndarray] | None = None,
    colour_range: float | tuple[float, float] | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw (n, n) affinities; hovering shows original values, standard errors and numbers of subsets.

    `scale`: "relative" colours each row around its own mean over all its co-tasks, "raw" and "error" the values,
    "signed" the values around zero (a difference). `order`: task indices, all of them or those to show.
    `group_labels`: (n,) frames each group whose tasks stand together. `also`: further (n, n) numbers to show by
    hovering, under their titles. `colour_range`: half the width of the signed scales, or both ends of the others, in
    units of the values (None: from the cells shown). Over 200 tasks, hovering shows the colour's value alone.
    """
    n_tasks = len(task_names)
    if values.shape != (n_tasks, n_tasks):
        raise InvalidInput(
            f"`values` must be {n_tasks} by {n_tasks}, one row per task name; found {values.shape}."
        )
    order = np.arange(n_tasks) if order is None else np.asarray(order)
    cells = np.ix_(order, order)
    coloured = (relative_to_task_mean(values) if scale == "relative" else without_diagonal(values))[cells]
    names = [task_names[int(task)] for task in order]
    labels = axis_labels(names)
    lines = _lines(values, scale, counts, standard_errors, also or {})
    details = _details(names, labels, {title: matrix[cells] for title, (matrix, _) in lines.items()})
    gap = 1 if len(order) <= EASILY_READ else 0
    layout, height = map_axes(labels, bool(title)), map_height(labels)
    bar = colour_bar(SCALE_TITLES[scale], height, layout["margin"])
    if group_labels is not None:
        layout["shapes"] = _frames(np.asarray(group_labels)[order], theme)
    figure = blank_figure(theme, title=title, height=height, layout=layout)
    figure.add_trace(
        go.Heatmap(
            z=coloured.astype(np.float32), x=labels, y=labels, xgap=gap, ygap=gap, hoverongaps=False,
            hovertemplate=_template(scale, lines if "customdata" in details else {}, "text" in details), **details,
            **_colours(coloured, scale, colour_range, theme),
            colorbar=bar,
        )
    )  # fmt: skip
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
    return int(np.clip(40 * len(labels), 200, 440) + _label_room(labels) + 110)


def _colours(
    coloured: np.ndarray, scale: Scale, colour_range: float | tuple[float, float] | None, theme: Theme
) -> dict[str, Any]:
    palette = PALETTES[theme]
    if scale in ("raw", "error"):
        ends = colour_range if isinstance(colour_range, tuple) else (None, None)
        return {"colorscale": colour_scale(palette.sequential), "zmin": ends[0], "zmax": ends[1]}
    half = colour_range if isinstance(colour_range, float | int) else symmetric_range(coloured)
    return {"colorscale": colour_scale(palette.diverging), "zmin": -half, "zmax": half}


def bar_place(height: float, margin: Mapping[str, float]) -> float:
    """Where a colour bar has its middle: above what the margins leave of a figure, in heights of that."""
    return 1 + BAR_MIDDLE / (height - margin["t"] - margin["b"])


def colour_bar(title: str, height: float, margin: Mapping[str, float]) -> dict[str, Any]:
    """A short bar above a map, in a figure of a height with these margins, in pixels.

    It hangs by its middle: plotly moves the title of the axis below the map onto the labels where a bar stands on it.
    """
    return {
        "orientation": "h", "x": 0, "xanchor": "left", "y": bar_place(height, margin), "yanchor": "middle", "ypad": 6,
        "lenmode": "pixels", "len": 180, "thickness": 8, "outlinewidth": 0, "nticks": 5, "tickfont": {"size": 11},
        "title": {"text": title, "side": "top", "font": {"size": 12}},
    }  # fmt: skip


def _lines(
    values: np.ndarray, scale: Scale, counts: np.ndarray | None, errors: np.ndarray | None,
    also: Mapping[str, np.ndarray],
) -> dict[str, tuple[np.ndarray, str]]:  # fmt: skip
    """The numbers that hovering shows beside the colour's: their titles, matrices and formats."""
    lines: dict[str, tuple[np.ndarray, str]] = {}
    if scale == "relative":
        lines["Affinity"] = (values, ".4f")
    lines |= {escape(title, quote=False): (matrix, "+.4f") for title, matrix in also.items()}
    if errors is not None:
        lines["Standard error"] = (errors, ".4f")
    if counts is not None:
        lines["Subsets"] = (counts, "d")
    return lines


def _details(names: list[str], labels: list[str], cells: dict[str, np.ndarray]) -> dict[str, Any]:
    """What hovering needs of each cell: numbers in as few bytes as they take, and names where labels are short forms.

    A map that is too large to carry them has neither; one that is not easily read has no names, most of its bytes.
    """
    if len(names) > MOST_DETAILED:
        return {}
    details: dict[str, Any] = {}
    if cells:
        details["customdata"] = np.stack(list(cells.values()), axis=-1).astype(np.float32)
    full = [escape(name, quote=False) for name in names]
    if full != labels and len(names) <= EASILY_READ:
        details["text"] = [[f"<b>{row}</b><br>Co-task: <b>{column}</b>" for column in full] for row in full]
    return details


def _template(scale: Scale, lines: dict[str, tuple[np.ndarray, str]], has_text: bool) -> str:
    cell = "%{text}" if has_text else "<b>%{y}</b><br>Co-task: <b>%{x}</b>"
    template = f"Evaluated task: {cell}<br>{BRIEF_HOVER[scale]}"
    for position, (title, (_, form)) in enumerate(lines.items()):
        template += f"<br>{title}: %{{customdata[{position}]:{form}}}"
    return template + "<extra></extra>"


def _square(x0: float, x1: float, y0: float, y1: float, line: dict[str, Any]) -> dict[str, Any]:
    """A frame around the cells from one corner to before the other."""
    return {"type": "rect", "x0": x0 - 0.5, "x1": x1 - 0.5, "y0": y0 - 0.5, "y1": y1 - 0.5, "line": line}


def map_axes(
    labels: list[str], has_title: bool, row: str = "evaluated task", column: str = "co-task"
) -> dict[str, Any]:
    """The layout of a map with a cell per pair; `row` and `column` say what the axes hold.

    Its margins are made for the labels here: plotly draws a figure twice to find them.
    """
    n_tasks = len(labels)
    ends = [-0.5, n_tasks - 0.5]
    common = {
        "type": "category", "categoryorder": "array", "categoryarray": labels,
        "tickfont": {"size": _tick_size(n_tasks)}, "showgrid": False, "zeroline": False,
        "fixedrange": n_tasks <= EASILY_READ, "automargin": False,
    }  # fmt: skip
    title = {"font": {"size": 12, "weight": 600}, "standoff": 12}
    beside = int(_label_room(labels) + 34)  # and the title of the axis
    return {
        "xaxis": {
            **common, "range": ends, "tickangle": -90,
            "title": {"text": column, **title},
        },
        "yaxis": {
            **common, "range": ends[::-1],
            "title": {"text": row, **title},
        },
        "margin": {"t": BAR_ROOM + TITLE_ROOM * has_title, "l": beside, "b": beside},
    }  # fmt: skip


def _label_room(labels: list[str]) -> float:
    """Pixels that the longest label takes."""
    return _tick_size(len(labels)) * max(text_width(unescape(label)) for label in labels)


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
        _square(start, end, start, end, line)
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(labels)], strict=True)
    ]
