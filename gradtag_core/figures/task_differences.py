"""What each method changes for each task."""

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from gradtag_core.errors import InvalidInput
from gradtag_core.figures.heatmap import BAR_ROOM, TITLE_ROOM, colour_bar, symmetric_range
from gradtag_core.figures.labels import text_width
from gradtag_core.figures.theme import PALETTES, Theme, blank_figure, colour_scale

ROW = 22  # pixels
SMALLEST_ROW, TALLEST = 10, 1400
AROUND = 190  # pixels above and below the map


def task_differences(
    scores: np.ndarray,
    reference: np.ndarray,
    method_titles: Sequence[str],
    task_names: Sequence[str],
    *,
    reference_title: str = "naive multitask",
    score_title: str = "score",
    title: str = "",
    theme: Theme = "light",
) -> go.Figure:
    """A map of `scores` (methods, n) less those of the `reference` (n,): row = task, column = method, around zero."""
    if scores.shape != (len(method_titles), len(task_names)) or reference.shape != (len(task_names),):
        raise InvalidInput(
            f"`scores` must be {len(method_titles)} by {len(task_names)}, a row per method, and `reference` as long as "
            f"a row; found {scores.shape} and {reference.shape}."
        )
    palette = PALETTES[theme]
    differences = (scores - reference).T
    half = symmetric_range(differences)
    names = [escape(name, quote=False) for name in task_names]
    row = max(SMALLEST_ROW, min(ROW, TALLEST // len(names)))
    height, top = AROUND + row * len(names), BAR_ROOM + TITLE_ROOM * bool(title)
    below = 16 + 11 * max(map(text_width, method_titles), default=0)
    figure = blank_figure(theme, title=title, height=height)
    figure.add_trace(
        go.Heatmap(
            z=differences, x=[escape(name, quote=False) for name in method_titles], y=names, customdata=scores.T,
            xgap=1, ygap=1, colorscale=colour_scale(palette.diverging), zmin=-half, zmax=half, hoverongaps=False,
            hovertemplate=f"<b>%{{y}}</b>, %{{x}}<br>{escape(score_title, quote=False)}: %{{customdata:.4f}}<br>"
            f"Against {escape(reference_title, quote=False)}: %{{z:+.4f}}<extra></extra>",
            colorbar=colour_bar(f"difference to {reference_title}", height, {"t": top, "b": below}),
        )
    )  # fmt: skip
    figure.update_xaxes(type="category", tickangle=-90, showgrid=False, fixedrange=True, tickfont_size=11)
    figure.update_yaxes(
        type="category", autorange="reversed", showgrid=False, fixedrange=True, tickfont_size=11 if row >= 16 else 9,
        tickvals=names,
    )  # fmt: skip
    figure.update_layout(margin={"t": top})
    return figure
