"""Two runs' affinities against each other, pair by pair."""

from html import escape

import numpy as np
import plotly.graph_objects as go

from gradtag_core.evaluation.affinity_difference import CLEAR, AffinityDifference
from gradtag_core.figures.accuracy import BINS, MOST_MARKERS
from gradtag_core.figures.theme import PALETTES, Theme, blank_figure, colour_scale

AXIS = "{}, relative to the task's mean"
LONGEST_NAME = 40


def difference_scatter(
    difference: AffinityDifference, reference_name: str, other_name: str, *, title: str = "", theme: Theme = "light"
) -> go.Figure:  # fmt: skip
    """Each pair of tasks as a point, the reference to the right and the other upwards; on the line both agree.

    Pairs that differ by more than `CLEAR` standard errors have a colour and a shape of their own. Many pairs are
    counted in bins.
    """
    palette = PALETTES[theme]
    rows, columns = np.nonzero(np.isfinite(difference.values))
    x, y = difference.reference[rows, columns], difference.other[rows, columns]
    clear = np.abs(difference.in_standard_errors[rows, columns]) > CLEAR
    figure = blank_figure(theme, title=title, height=440)
    if len(x) > MOST_MARKERS:
        figure.add_trace(
            go.Histogram2d(
                x=x, y=y, nbinsx=BINS, nbinsy=BINS, showscale=False, colorscale=colour_scale(palette.sequential),
                hovertemplate="reference %{x}, other %{y}: %{z} pairs<extra></extra>",
            )
        )  # fmt: skip
    else:
        names = np.array([escape(name, quote=False) for name in difference.task_names], dtype=object)
        looks = (
            ("within 2 standard errors", ~clear, palette.muted, "circle"),
            ("further apart", clear, palette.above, "diamond"),
        )
        for label, kept, colour, symbol in looks:
            details = np.stack([names[rows[kept]], names[columns[kept]]], axis=-1)
            figure.add_trace(
                go.Scatter(
                    x=x[kept], y=y[kept], mode="markers", customdata=details, name=label,
                    marker={"size": 6, "opacity": 0.65, "color": colour, "symbol": symbol},
                    hovertemplate="Evaluated task: <b>%{customdata[0]}</b><br>Co-task: <b>%{customdata[1]}</b><br>"
                    "Reference: %{x:+.4f}<br>Other: %{y:+.4f}<extra></extra>",
                )
            )  # fmt: skip
    if len(x):
        ends = [float(min(x.min(), y.min())), float(max(x.max(), y.max()))]
        line = {"color": palette.muted, "width": 1, "dash": "dot"}
        figure.add_shape(type="line", x0=ends[0], y0=ends[0], x1=ends[1], y1=ends[1], line=line)
    figure.update_xaxes(title_text=AXIS.format(short_name(reference_name)))
    figure.update_yaxes(title_text=short_name(other_name))
    figure.update_layout(legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"})
    return figure


def short_name(name: str) -> str:
    """A run's name short enough for an axis, as text that no figure takes for markup."""
    return escape(name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…", quote=False)
