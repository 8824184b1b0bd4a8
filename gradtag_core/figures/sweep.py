"""Numbers of groups side by side: what each brings, and how firmly it holds."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from gradtag_core.errors import InvalidInput
from gradtag_core.figures.theme import PALETTES, Theme, blank_figure

Rows = Sequence[Mapping[str, float]]

SMALL_GAP = 1.0  # per cent


def sweep_curves(rows: Rows, suggested: int, *, title: str = "", theme: Theme = "light") -> go.Figure:
    """Two panels over k, the suggested one marked: the gap to the bound, and what the suggestion rests on.

    `rows`: as `to_rows` of `stability.Sweep` (the second panel shows the agreement under resampling) or of
    `sweep.AffinitySweep` (the lead over random groups, and that of shuffled affinities).
    """
    if not rows:
        raise InvalidInput("`rows` must hold at least one number of groups; found none.")
    palette = PALETTES[theme]
    numbers = [row["n_groups"] for row in rows]
    figure = blank_figure(theme, title=title, height=420)
    hover = "k = %{x}<br>%{fullData.name}: %{y:.4g}<extra></extra>"
    line = {"mode": "lines+markers", "hovertemplate": hover, "x": numbers}
    figure.add_trace(
        go.Scatter(
            **line, y=[100 * row["gap"] for row in rows], name="gap (%)", yaxis="y2",
            line={"color": palette.muted, "width": 2},
        )
    )  # fmt: skip
    if "agreement" in rows[0]:
        errors = {
            "type": "data", "array": [row["standard_error"] for row in rows], "thickness": 1.2, "width": 3,
        }  # fmt: skip
        figure.add_trace(
            go.Scatter(
                **line, y=[row["agreement"] for row in rows], name="stability", error_y=errors,
                line={"color": palette.accent, "width": 2},
            )
        )  # fmt: skip
        words = "stability (adjusted Rand)"
    else:
        for key, name, colour in (
            ("lead", "lead of the groups", palette.accent),
            ("shuffled_lead", "lead in shuffled affinities", palette.above),
        ):
            figure.add_trace(
                go.Scatter(
                    **line, y=[row[key] for row in rows], name=name, line={"color": colour, "width": 2}
                )
            )
        words = "lead over random groups"
    axis = {"rangemode": "tozero", "fixedrange": True}
    largest = max(
        max(100 * row["gap"] for row in rows), SMALL_GAP
    )  # so that rounding errors do not fill the panel
    figure.update_layout(
        xaxis={
            "title": {"text": "number of groups (k)"}, "anchor": "y2", "fixedrange": True,
            "tickvals": numbers if len(numbers) <= 14 else None,
        },
        yaxis={"domain": [0.46, 1], "title": {"text": words}, **axis},
        yaxis2={"domain": [0, 0.36], "title": {"text": "gap (%)"}, "range": [0, 1.1 * largest], **axis},
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        shapes=[
            {
                "type": "line", "xref": "x", "yref": "paper", "x0": suggested, "x1": suggested, "y0": 0, "y1": 1,
                "line": {"color": palette.above, "width": 1.5, "dash": "dot"},
            }
        ],
        annotations=[
            {
                "x": suggested, "y": 1, "xref": "x", "yref": "paper", "text": f"k = {suggested}", "showarrow": False,
                "xanchor": "left", "yanchor": "top", "xshift": 5, "font": {"color": palette.above, "size": 12},
            }
        ],
    )  # fmt: skip
    return figure
