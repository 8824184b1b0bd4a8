"""How far the first-order expansion is off, by how far a model moved: table 1 of the paper as a figure."""

import numpy as np
import plotly.graph_objects as go

from gradtag_core.evaluation.linearisation import PAPER, PAPER_DISTANCES, PAPER_RSS, LinearisationTable
from gradtag_core.figures.theme import PALETTES, Theme, blank_figure

DASHES = ("solid", "dash", "dot")
TICKS = [digit * 10.0**power for power in range(-5, 2) for digit in (1, 2, 5)]


def linearisation_scatter(table: LinearisationTable, *, title: str = "", theme: Theme = "light") -> go.Figure:
    """A point per fine-tuned model, on log axes: the error of its outputs and that of their change; models trained as
    long as for real are filled. The paper's means stand beside them. Errors of exactly 0 have no place on the axis."""
    palette = PALETTES[theme]
    figure = blank_figure(theme, title=title, height=440)
    for (name, values), dash in zip(PAPER.items(), DASHES, strict=True):
        figure.add_trace(
            go.Scatter(
                x=PAPER_DISTANCES, y=values, mode="lines", name=f"{name} (paper)",
                line={"color": palette.muted, "width": 1.5, "dash": dash},
                hovertemplate=f"<b>{name}</b> in the paper<br>%{{y:.1e}} of the outputs at %{{x:.0%}}<extra></extra>",
            )
        )  # fmt: skip
    for what, field, colour in (
        ("of the outputs", "rss", palette.accent),
        ("of their change", "missed", palette.above),
    ):
        rows = [row for row in table.rows if row.distance > 0 and getattr(row, field) > 0]
        figure.add_trace(
            go.Scatter(
                x=[row.distance for row in rows], y=[getattr(row, field) for row in rows], mode="markers", name=what,
                marker={
                    "size": 8, "color": colour, "line": {"color": colour, "width": 1.5},
                    "symbol": ["circle" if row.complete else "circle-open" for row in rows],
                },
                customdata=np.array([[len(row.subset), row.epochs, row.learning_rate] for row in rows]).reshape(-1, 3),
                hovertemplate=f"Missed: %{{y:.2e}} {what}<br>Distance: %{{x:.1%}}<br>%{{customdata[0]:d}} tasks, "
                "%{customdata[1]:d} epochs, step size %{customdata[2]:.2g}<extra></extra>",
            )
        )  # fmt: skip
    figure.add_shape(
        type="line", xref="paper", x0=0, x1=1, y0=PAPER_RSS, y1=PAPER_RSS,
        line={"color": palette.accent, "width": 1, "dash": "dash"},
    )  # fmt: skip
    figure.add_annotation(
        xref="paper", x=0, y=float(np.log10(PAPER_RSS)), yanchor="bottom", showarrow=False,
        text=f"{PAPER_RSS:.1%} of the outputs", font_color=palette.accent,
    )  # fmt: skip
    figure.update_xaxes(
        type="log", title_text="distance from the base model, relative to its length", tickvals=TICKS,
        tickformat="~%",
    )  # fmt: skip
    figure.update_yaxes(
        type="log", title_text="squared error that the expansion misses", exponentformat="power"
    )
    figure.update_layout(legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"}, margin={"t": 64})
    return figure
