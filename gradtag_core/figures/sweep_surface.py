"""One result over the cells of a parameter sweep: a map for two knobs, a line for one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gradtag_core.errors import InvalidInput
from gradtag_core.figures.heatmap import BAR_ROOM, axis_labels, colour_bar
from gradtag_core.figures.theme import PALETTES, ColourScale, Theme, blank_figure, colour_scale

BEST, ALIKE = "★ ", "≈ "
CELL_HEIGHT, AROUND, BELOW = 64, 150, 47  # pixels of a row, of the axis and the bar together, and of the axis
DARK_INK, LIGHT_INK = "#000000", "#ffffff"
MARKERS = {"best": "star", "alike": "circle", "other": "circle-open"}


@dataclass(frozen=True)
class Knob:
    """A knob's name and the words for its values, in order."""

    title: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Cells:
    """A result of every cell, row by row.

    `values` are NaN where there is none, their standard `errors` where they are unknown; `texts` are what a reader
    sees. `best` is the position of the best cell, if there is one, `alike` those that cannot be told apart from it,
    `base` that with which the others are compared. `signed`: zero means no effect.
    """

    title: str
    values: np.ndarray
    errors: np.ndarray
    texts: Sequence[str]
    best: int | None = None
    alike: Collection[int] = ()
    base: int | None = None
    signed: bool = False

    def mark(self, index: int) -> str:
        """What stands before the text of a cell."""
        return BEST if index == self.best else ALIKE if index in self.alike else ""

    def words(self, index: int) -> str:
        """What a reader is told who points at a cell."""
        told = f"{self.title}: {self.texts[index]}"
        if index == self.best:
            told += "<br>the best"
        elif index in self.alike:
            told += "<br>not told apart from the best"
        return told + ("<br>the base cell" if index == self.base else "")


def sweep_surface(rows: Knob, columns: Knob, cells: Cells, *, theme: Theme = "light") -> go.Figure:
    """Draw a map of len(rows) by len(columns) cells with their numbers; the best is framed, the base dotted.

    The colours span at least four typical standard errors, so that noise looks like noise.
    """
    shape = (len(rows.values), len(columns.values))
    _require_cells(cells, shape[0] * shape[1])
    y, x = axis_labels(list(rows.values)), axis_labels(list(columns.values))
    texts = [cells.mark(index) + text.replace(" ± ", "<br>± ") for index, text in enumerate(cells.texts)]
    hover = [cells.words(index) for index in range(len(texts))]
    height = AROUND + CELL_HEIGHT * shape[0]
    colours = _colours(cells, height, theme)
    figure = blank_figure(theme, height=height)
    figure.add_trace(
        go.Heatmap(
            z=cells.values.reshape(shape), x=x, y=y, customdata=_grid(hover, shape), xgap=2, ygap=2, hoverongaps=True,
            hovertemplate=f"{_safe(rows.title)}: %{{y}}<br>{_safe(columns.title)}: %{{x}}<br>%{{customdata}}"
            "<extra></extra>",
            **colours,
        )
    )  # fmt: skip
    category = {"type": "category", "showgrid": False, "fixedrange": True}
    figure.update_layout(
        xaxis={**category, "title": {"text": _safe(columns.title)}, "categoryarray": x},
        yaxis={**category, "title": {"text": _safe(rows.title)}, "categoryarray": y, "autorange": "reversed"},
        margin={"t": BAR_ROOM},
        shapes=_frames(cells, shape, theme),
        annotations=_numbers(cells, texts, shape, colours, theme),
    )
    return figure


def sweep_line(knob: Knob, cells: Cells, *, theme: Theme = "light") -> go.Figure:
    """Draw the result against the values of one knob, evenly spaced, with error bars; the best is a star, those that
    cannot be told apart from it are filled."""
    _require_cells(cells, len(knob.values))
    palette = PALETTES[theme]
    x = axis_labels(list(knob.values))
    kinds = [
        "best" if index == cells.best else "alike" if index in cells.alike or cells.best is None else "other"
        for index in range(len(x))
    ]
    figure = blank_figure(theme, height=380)
    figure.add_trace(
        go.Scatter(
            x=x, y=cells.values, mode="lines+markers", customdata=[cells.words(index) for index in range(len(x))],
            line={"color": palette.muted, "width": 1.5},
            marker={
                "symbol": [MARKERS[kind] for kind in kinds],
                "size": [15 if kind == "best" else 10 for kind in kinds], "color": palette.accent,
                "line": {"color": palette.accent, "width": 1.5},
            },
            error_y={"type": "data", "array": np.nan_to_num(cells.errors), "color": palette.accent, "thickness": 1.2,
                     "width": 4},
            hovertemplate=f"{_safe(knob.title)}: %{{x}}<br>%{{customdata}}<extra></extra>", showlegend=False,
            selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
        )
    )  # fmt: skip
    figure.update_layout(
        xaxis={
            "type": "category",
            "title": {"text": _safe(knob.title)},
            "fixedrange": True,
            "showgrid": False,
        },
        yaxis={"title": {"text": _safe(cells.title)}, "fixedrange": True, "range": list(_span(cells))},
        margin={"t": 24},
    )
    return figure


def _require_cells(cells: Cells, n_cells: int) -> None:
    for name in ("values", "errors", "texts"):
        found = len(getattr(cells, name))
        if found != n_cells:
            raise InvalidInput(f"`{name}` must have one entry per cell, {n_cells}; found {found}.")


def _span(cells: Cells) -> tuple[float, float]:
    """The ends of the scale: all cells with their errors, and at least four typical errors wide."""
    known = np.isfinite(cells.values)
    if not known.any():
        return 0.0, 1.0
    errors = np.nan_to_num(cells.errors)[known]
    low, high = float((cells.values[known] - errors).min()), float((cells.values[known] + errors).max())
    room = max(0.0, 4 * float(np.median(errors)) - (high - low)) / 2 + 0.08 * (high - low)
    room = room or 0.05 * abs(high) or 0.5
    return low - room, high + room


def _colours(cells: Cells, height: int, theme: Theme) -> dict[str, Any]:
    palette = PALETTES[theme]
    bar = colour_bar(_safe(cells.title), height, {"t": BAR_ROOM, "b": BELOW})
    known = cells.values[np.isfinite(cells.values)]
    typical = 2 * float(np.median(np.nan_to_num(cells.errors)))
    if cells.signed:
        half = max(float(np.abs(known).max(initial=0.0)), typical) or 1.0
        return {"colorscale": colour_scale(palette.diverging), "zmin": -half, "zmax": half, "colorbar": bar}
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    room = max(0.0, 2 * typical - (high - low)) / 2
    if not high - low + room:
        room = 0.05 * abs(high) or 0.5
    return {
        "colorscale": colour_scale(palette.sequential), "zmin": low - room, "zmax": high + room, "colorbar": bar,
    }  # fmt: skip


def _numbers(
    cells: Cells, texts: list[str], shape: tuple[int, int], colours: dict[str, Any], theme: Theme
) -> list[dict[str, Any]]:
    """The text of each cell, dark or light, whichever stands out from its colour."""
    low, high = colours["zmin"], colours["zmax"]
    found = []
    for index, text in enumerate(texts):
        value = cells.values[index]
        share = float((value - low) / (high - low)) if np.isfinite(value) else None
        row, column = divmod(index, shape[1])
        ink = PALETTES[theme].muted if share is None else _ink(colours["colorscale"], share)
        found.append(
            {"x": column, "y": row, "text": text, "showarrow": False, "font": {"size": 13, "color": ink}}
        )
    return found


def _ink(scale: ColourScale, share: float) -> str:
    """Black or white, whichever has the higher contrast (WCAG 2) with the colour at a share of a scale."""
    places = [place for place, _ in scale]
    channels = np.array([_linear(colour) for _, colour in scale])
    red, green, blue = (np.interp(share, places, channels[:, channel]) for channel in range(3))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return DARK_INK if (luminance + 0.05) ** 2 > 1.05 * 0.05 else LIGHT_INK


def _linear(colour: str) -> list[float]:
    """The linear intensities of #rrggbb."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def _frames(cells: Cells, shape: tuple[int, int], theme: Theme) -> list[dict[str, Any]]:
    """A frame around the base cell and, above it, one around the best."""
    palette = PALETTES[theme]
    marks = ((cells.base, palette.muted, "dot", 2.0), (cells.best, palette.text, "solid", 3.0))
    frames = []
    for index, colour, dash, width in marks:
        if index is None:
            continue
        row, column = divmod(index, shape[1])
        frames.append({
            "type": "rect", "x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5,
            "line": {"color": colour, "dash": dash, "width": width},
        })  # fmt: skip
    return frames


def _grid(texts: list[str], shape: tuple[int, int]) -> list[list[str]]:
    return [texts[row * shape[1] : (row + 1) * shape[1]] for row in range(shape[0])]


def _safe(text: str) -> str:
    return escape(text, quote=False)
