"""How much the tasks of each group help each other."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from gradtag_core.figures.theme import PALETTES, Theme, blank_figure


def help_inside(relative: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(k,) mean of the relative affinities (n, n) between different tasks of a group; NaN for a task alone."""
    n_groups = int(labels.max()) + 1
    found = np.full(n_groups, np.nan)
    for group in range(n_groups):
        inside = relative[np.ix_(labels == group, labels == group)]
        if np.isfinite(inside).any():
            found[group] = np.nanmean(inside)
    return found


def group_help(
    relative: np.ndarray, labels: np.ndarray, *, score_title: str, theme: Theme = "light"
) -> go.Figure:
    """One bar per group: what its tasks gain from each other, against their average co-tasks."""
    palette = PALETTES[theme]
    means, sizes = help_inside(relative, labels), np.bincount(labels)
    names = [f"group {group + 1}, {size} task{'s' if size > 1 else ''}" for group, size in enumerate(sizes)]
    row = float(np.clip(900 / len(names), 8, 30))
    figure = blank_figure(theme, height=int(110 + row * len(names)))
    figure.add_trace(
        go.Bar(
            x=np.nan_to_num(means), y=names, orientation="h",
            marker={"color": [palette.above if mean > 0 else palette.below for mean in means]},
            hovertemplate="<b>%{y}</b><br>Against the average co-task: %{x:+.4f}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(title_text=f"{score_title}, against the average co-task")
    figure.update_yaxes(
        type="category", autorange="reversed", tickvals=names, showticklabels=row >= 12, showgrid=False
    )
    return figure
