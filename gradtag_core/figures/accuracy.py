"""How good an estimate is: by task, cell by cell, and beside the reference lines."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gradtag_core.evaluation.comparison import Comparison, Line
from gradtag_core.figures.relative import relative_to_task_mean
from gradtag_core.figures.theme import PALETTES, TRANSPARENT, Theme, blank_figure, colour_scale

MOST_MARKERS = 4000  # beyond, cells are counted in bins
BINS = 60
LINE_TITLES = {
    "estimate": "this estimate",
    "proxies": "its small models alone",
    "gradients": "its gradients alone",
    "equal_flops": "real training at the same FLOPs",
    "label_similarity": "label similarity",
    "train_size": "the co-task's size",
    "constant": "constant predictor",
    "random": "random order",
}


def spearman_bars(
    by_task: np.ndarray, task_names: Sequence[str], *, ceiling: float | None = None, title: str = "",
    theme: Theme = "light",
) -> go.Figure:  # fmt: skip
    """One bar per task: how well its co-tasks are ranked; (n,) with NaN for tasks with too few known cells.

    Lines mark the mean and the noise ceiling, the best that any estimate can reach against this truth.
    """
    palette = PALETTES[theme]
    known = np.flatnonzero(np.isfinite(by_task))
    order = known[np.argsort(by_task[known], kind="stable")]
    row = float(np.clip(900 / max(1, len(order)), 6, 24))
    figure = blank_figure(theme, title=title, height=int(110 + row * len(order)))
    names = [escape(task_names[int(task)], quote=False) for task in order]
    colours = np.where(by_task[order] >= 0, palette.accent, palette.muted)
    figure.add_trace(
        go.Bar(
            x=by_task[order], y=names, orientation="h", marker={"color": colours.tolist()},
            hovertemplate="<b>%{y}</b><br>Spearman: %{x:.3f}<extra></extra>",
        )
    )  # fmt: skip
    lowest = min(0.0, by_task[known].min(initial=0.0))
    figure.update_xaxes(title_text="Spearman of the task's row", range=[lowest - 0.05, 1.02])
    figure.update_yaxes(type="category", tickvals=names, tickfont_size=12 if row >= 16 else 9, showgrid=False)
    figure.update_yaxes(showticklabels=row >= 10)
    if len(known):
        _vertical(figure, float(by_task[known].mean()), "mean", palette.text)
    if ceiling is not None:
        _vertical(figure, ceiling, "ceiling", palette.above, level=1)
    return figure


def estimate_against_truth(
    estimate: np.ndarray, truth: np.ndarray, task_names: Sequence[str], *, title: str = "",
    selected: tuple[int, int] | None = None, theme: Theme = "light",
) -> go.Figure:  # fmt: skip
    """Each pair of tasks as a point, both (n, n) matrices relative to the task's mean; the line is y = x.

    `selected`: the evaluated task, whose co-tasks stand out, and the co-task of the pair to ring. The custom data of a
    point begins with the indices of its two tasks. Beyond `MOST_MARKERS` pairs all but those are counted in bins.
    """
    shared = np.isfinite(estimate) & np.isfinite(truth)
    ours, true = (relative_to_task_mean(np.where(shared, matrix, np.nan)) for matrix in (estimate, truth))
    known = np.isfinite(ours) & np.isfinite(true)
    of_task = np.zeros_like(known)
    if selected is not None:
        of_task[selected[0]] = True
    palette = PALETTES[theme]
    names = np.array([escape(name, quote=False) for name in task_names], dtype=object)

    def points(cells: np.ndarray, colour: str, size: int, **look: Any) -> go.Scatter:
        rows, columns = np.nonzero(cells)
        numbers = (rows, columns, names[rows], names[columns], estimate[cells], truth[cells])
        seen = {"marker": {"opacity": look.get("opacity", 0.6)}}  # a click must not fade the other points
        return go.Scatter(
            x=true[cells], y=ours[cells], mode="markers", showlegend=False, selected=seen, unselected=seen,
            customdata=[list(point) for point in zip(*(part.tolist() for part in numbers), strict=True)],
            marker={"size": size, "opacity": 0.6, "color": colour, **look},
            hovertemplate="Evaluated task: <b>%{customdata[2]}</b><br>"
            "Co-task: <b>%{customdata[3]}</b><br>Estimate: %{customdata[4]:.4f}<br>"
            "Truth: %{customdata[5]:.4f}<extra></extra>",
        )  # fmt: skip

    figure = blank_figure(theme, title=title, height=440)
    if known.sum() > MOST_MARKERS:
        figure.add_trace(_bins(true[known], ours[known], theme))
    else:
        colour = palette.accent if selected is None else palette.muted
        figure.add_trace(points(known & ~of_task, colour, 6))
    if selected is not None:
        figure.add_trace(points(known & of_task, palette.above, 7, opacity=0.9))
        ring = np.zeros_like(known)
        ring[selected] = known[selected]
        line = {"color": palette.text, "width": 2.5}
        figure.add_trace(points(ring, TRANSPARENT, 15, opacity=1, line=line))
    x, y = true[known], ours[known]
    if len(x):
        ends = [float(min(x.min(), y.min())), float(max(x.max(), y.max()))]
        line = {"color": palette.muted, "width": 1, "dash": "dot"}
        figure.add_shape(type="line", x0=ends[0], y0=ends[0], x1=ends[1], y1=ends[1], line=line)
    figure.update_xaxes(title_text="true affinity, relative to the task's mean")
    figure.update_yaxes(title_text="estimated")
    return figure


def _bins(x: np.ndarray, y: np.ndarray, theme: Theme) -> go.Heatmap:
    """How many points each cell of a grid holds; empty ones stay blank."""
    counts, rows, columns = np.histogram2d(y, x, bins=BINS)
    return go.Heatmap(
        z=np.where(counts > 0, counts, np.nan).astype(np.float32), showscale=False, hoverongaps=False,
        x0=(columns[0] + columns[1]) / 2, dx=columns[1] - columns[0],
        y0=(rows[0] + rows[1]) / 2, dy=rows[1] - rows[0],
        colorscale=colour_scale(PALETTES[theme].sequential),
        hovertemplate="truth %{x:.4f}, estimate %{y:.4f}: %{z} pairs<extra></extra>",
    )  # fmt: skip


def reference_lines(comparison: Comparison, *, title: str = "", theme: Theme = "light") -> go.Figure:
    """Row Spearman of the estimate and of every reference line, ± one standard error, and the ceiling."""
    palette = PALETTES[theme]
    lines: dict[str, Line] = {"estimate": comparison.estimate, **comparison.lines}
    shown = [name for name in LINE_TITLES if name in lines][::-1]
    scores = [lines[name].agreement for name in shown]
    colours = [palette.above if name == "estimate" else palette.muted for name in shown]
    figure = blank_figure(theme, title=title, height=110 + 38 * len(shown))
    figure.add_trace(
        go.Scatter(
            x=[score.row_spearman for score in scores], y=[LINE_TITLES[name] for name in shown],
            mode="markers", marker={"size": 12, "color": colours}, showlegend=False,
            error_x={
                "array": [score.row_spearman_standard_error for score in scores],
                "thickness": 1.5, "width": 0, "color": palette.muted,
            },
            hovertemplate="<b>%{y}</b><br>Row Spearman: %{x:.3f} ± %{error_x.array:.3f}<extra></extra>",
        )
    )  # fmt: skip
    lowest = min(score.row_spearman - score.row_spearman_standard_error for score in scores)
    figure.update_xaxes(title_text="row Spearman against the truth", range=[min(-0.05, lowest - 0.05), 1.02])
    figure.update_yaxes(type="category")
    if comparison.ceiling is not None:
        _vertical(figure, comparison.ceiling, "ceiling", palette.above)
    return figure


def _vertical(figure: go.Figure, x: float, label: str, colour: str, level: int = 0) -> None:
    """A line from top to bottom, labelled above the chart on its roomier side; `level` lifts the label by rows."""
    figure.add_vline(
        x=x, line={"color": colour, "width": 1.5, "dash": "dash"}, annotation_text=f"{label} {x:.2f}",
        annotation_position="top left" if x > 0.5 else "top right", annotation_font_color=colour,
        annotation_yshift=16 + 16 * level,
    )  # fmt: skip
