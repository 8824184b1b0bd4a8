"""Where a co-task stands among all co-tasks of a task."""

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from gradtag_core.figures.relative import relative_to_task_mean
from gradtag_core.figures.theme import PALETTES, TRANSPARENT, Theme, blank_figure

HEIGHT = 210


def row_rank(
    values: np.ndarray,
    task_names: Sequence[str],
    selected: tuple[int, int],
    *,
    truth: np.ndarray | None = None,
    title: str = "",
    theme: Theme = "light",
) -> go.Figure:
    """A bar per known co-task of an evaluated task, relative to the task's mean, from the best to the worst.

    `values`, `truth`: (n, n); true values are points over the bars. `selected`: the evaluated task and the co-task to
    mark. The custom data of a bar and of a point begins with the indices of the two tasks.
    """
    task, co_task = selected
    palette = PALETTES[theme]
    row = relative_to_task_mean(values)[task]
    order = np.argsort(-row, kind="stable")
    order = order[np.isfinite(row[order])]
    names = [escape(task_names[int(other)], quote=False) for other in order]
    ranks = np.arange(1, len(order) + 1)
    details = [[task, int(other), name] for other, name in zip(order, names, strict=True)]
    colours = np.where(row[order] >= 0, palette.above, palette.below)
    seen = {"marker": {"opacity": 1}}
    figure = blank_figure(theme, title=title, height=HEIGHT)
    figure.add_trace(
        go.Bar(
            x=ranks, y=row[order], showlegend=False, selected=seen, unselected=seen,
            customdata=details,
            marker={
                "color": colours.tolist(), "opacity": np.where(order == co_task, 1.0, 0.45).tolist(),
                "line": {"width": np.where(order == co_task, 1.5, 0).tolist(), "color": palette.text},
            },
            hovertemplate="<b>%{customdata[2]}</b>, rank %{x}<br>Against the task's mean: %{y:+.4f}<extra></extra>",
        )
    )  # fmt: skip
    if truth is not None:
        true = relative_to_task_mean(truth)[task][order]
        figure.add_trace(
            go.Scatter(
                x=ranks, y=true, mode="markers", showlegend=False, customdata=details,
                selected=seen, unselected=seen,
                marker={"size": 5, "color": TRANSPARENT, "line": {"color": palette.text, "width": 1}},
                hovertemplate="<b>%{customdata[2]}</b><br>True: %{y:+.4f}<extra></extra>",
            )
        )  # fmt: skip
    place = np.flatnonzero(order == co_task)
    if len(place):
        _point_out(figure, int(place[0]) + 1, len(order), names[int(place[0])], theme)
    figure.update_xaxes(title_text="rank of the co-task", range=[0.4, len(order) + 0.6], showgrid=False)
    figure.update_yaxes(title_text="against the mean", nticks=5, zeroline=True)
    figure.update_layout(bargap=0.15 if len(order) <= 60 else 0, margin={"t": 32})
    return figure


def _point_out(figure: go.Figure, rank: int, n_ranked: int, name: str, theme: Theme) -> None:
    """A line through the bar of that rank, and above the plot the name of its co-task on the roomier side."""
    palette = PALETTES[theme]
    figure.add_vline(x=rank, line={"color": palette.muted, "width": 1})
    figure.add_annotation(
        x=rank, y=1, yref="paper", yanchor="bottom", text=f"<b>{name}</b>, {rank} of {n_ranked}", showarrow=False,
        xanchor="left" if rank <= n_ranked / 2 else "right", font={"color": palette.text, "size": 12},
    )  # fmt: skip
