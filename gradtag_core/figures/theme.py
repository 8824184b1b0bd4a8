"""The look of every figure, light and dark, named explicitly: Streamlit changes plotly's default template."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import plotly.graph_objects as go

Theme = Literal["light", "dark"]
ColourScale = list[tuple[float, str]]

FONT = '"Source Sans", "Source Sans Pro", "Helvetica Neue", Arial, sans-serif'
TRANSPARENT = "rgba(0,0,0,0)"


@dataclass(frozen=True)
class Palette:
    """`below` and `above` are the two signs; `diverging` runs from one through `paper` to the other.

    Blue and orange stay apart for every common colour blindness.
    """

    paper: str
    text: str
    muted: str
    grid: str
    accent: str
    below: str
    above: str
    diverging: tuple[str, ...]
    sequential: tuple[str, ...]


PALETTES: dict[Theme, Palette] = {
    "light": Palette(
        paper="#ffffff", text="#1f2a33", muted="#5b6770", grid="#e3e8ec", accent="#1f6f8b",
        below="#2470b3", above="#b85c00",
        diverging=(
            "#12508a", "#2470b3", "#6aa5d3", "#b5d3ea", "#f7f7f5", "#f6cfa3", "#e09a4f", "#b85c00", "#833f00",
        ),
        sequential=("#f1f6f8", "#b9d6e2", "#72abc3", "#347c9b", "#0c3c53"),
    ),
    "dark": Palette(
        paper="#11161a", text="#e6ebee", muted="#a3afb7", grid="#2b353c", accent="#56b4d3",
        below="#62a8e5", above="#ee9a3c",
        diverging=(
            "#a9d3f7", "#62a8e5", "#3576ae", "#22496a", "#1e2429", "#5f4120", "#a0682a", "#ee9a3c", "#fdd3a0",
        ),
        sequential=("#182a33", "#1b5368", "#2c7f9e", "#68adc7", "#e0f2f8"),
    ),
}  # fmt: skip


def colour_scale(colours: tuple[str, ...]) -> ColourScale:
    """Plotly's form of evenly spaced colours."""
    return [(index / (len(colours) - 1), colour) for index, colour in enumerate(colours)]


@lru_cache
def template(theme: Theme) -> go.layout.Template:
    """A template with a transparent background, to lie on a page of that theme."""
    palette = PALETTES[theme]
    axis = {
        "gridcolor": palette.grid, "linecolor": palette.grid, "zerolinecolor": palette.muted,
        "zerolinewidth": 1, "ticks": "", "automargin": True, "tickfont": {"color": palette.text},
        "title": {"standoff": 12, "font": {"size": 13}},
    }  # fmt: skip
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": palette.text},
            "title": {
                "font": {"size": 15}, "x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top",
                "pad": {"l": 8, "t": 8},
            },
            "paper_bgcolor": TRANSPARENT,
            "plot_bgcolor": TRANSPARENT,
            "xaxis": axis,
            "yaxis": axis,
            "colorway": [palette.accent, palette.above, palette.below],
            "colorscale": {
                "sequential": colour_scale(palette.sequential),
                "diverging": colour_scale(palette.diverging),
            },
            "hoverlabel": {
                "bgcolor": palette.paper, "bordercolor": palette.muted, "align": "left",
                "font": {"family": FONT, "color": palette.text, "size": 13},
            },
            "margin": {"l": 8, "r": 8, "t": 40, "b": 8},
            "hovermode": "closest",
            "dragmode": False,
            "modebar": {"bgcolor": TRANSPARENT, "color": palette.muted, "activecolor": palette.accent},
        }
    )  # fmt: skip


def blank_figure(
    theme: Theme, *, title: str = "", height: int | None = None, layout: Mapping[str, Any] | None = None
) -> go.Figure:
    """A figure with the explicit template of its theme and nothing in it. `layout`: what is known of it at once, which
    plotly takes in many times faster than an update."""
    own = {"template": template(theme), "title": {"text": title}, "height": height}
    return go.Figure(layout={**own, **(layout or {})})
