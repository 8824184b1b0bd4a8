"""Error against computation: every method of a study, the Pareto front, and what a budget buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from textwrap import wrap
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from gradtag_core.errors import InvalidInput
from gradtag_core.evaluation.pareto import MethodRecord
from gradtag_core.evaluation.pareto_axis import Axis, PricedMethod
from gradtag_core.figures.frame import Frame
from gradtag_core.figures.labels import FONT_SIZE, Label, place_labels
from gradtag_core.figures.theme import FONT, PALETTES, Theme, blank_figure
from gradtag_core.methods.protocol import find_method

Family = Literal["references", "one_model", "groups", "gradients", "graph"]

HEIGHT = 540
DIMMED = 0.5
MARKER = 12
AXIS_TITLES: dict[Axis, str] = {
    "flops": "FLOPs of everything one seed runs",
    "seconds": "seconds of everything one seed runs",
    "gpu_hours": "GPU-hours of everything one seed runs",
}
FAMILY_TITLES: dict[Family, str] = {
    "references": "references",
    "one_model": "one model",
    "groups": "groups",
    "gradients": "groups by gradient estimates",
    "graph": "graph clusters and embeddings",
}
SYMBOLS: dict[Family, str] = {
    "references": "square", "one_model": "triangle-up", "groups": "circle", "gradients": "diamond",
    "graph": "pentagon",
}  # fmt: skip
# Okabe and Ito's colours, as strong as each theme needs; the references are in the theme's own grey.
COLOURS: dict[Theme, dict[Family, str]] = {
    "light": {"one_model": "#008a65", "groups": "#0072b2", "gradients": "#c24e00", "graph": "#b0457c"},
    "dark": {"one_model": "#1fb28a", "groups": "#56b4e9", "gradients": "#e9742b", "graph": "#e08bbb"},
}
FAMILY_OF: dict[str, Family] = {
    "single_task": "references", "naive_mtl": "references", "random_groups": "references", "pcgrad": "one_model",
    "mmoe": "one_model", "auto_lambda": "one_model", "grad_tag": "gradients",
}  # fmt: skip
# Possible sizes of the plotting area: the legend above it takes more lines the narrower the figure is. Names are placed
# anew between each two, since what is beside a point at one width covers another point at the next.
SIZES = (
    (270, 330), (330, 340), (400, 360), (480, 380), (600, 400), (760, 410), (960, 420), (1300, 420), (1800, 430),
)  # fmt: skip
BANDS = tuple(pairwise(SIZES))
WIDE = SIZES[4:]
AROUND = 90  # pixels of a figure beside its plotting area


def family_of(method: str) -> Family:
    info = find_method(method)
    if info.needs_graph:
        return "graph"
    if info.options.get("n_inits") == 0:  # small models without gradients
        return "groups"
    return "gradients" if info.options.get("estimated") else FAMILY_OF.get(info.module, "groups")


def pareto_figure(
    methods: Sequence[PricedMethod],
    *,
    axis: Axis = "flops",
    error_title: str = "error",
    naive_flops: float | None = None,
    n_groups: Mapping[str, int | None] | None = None,
    budget: float | None = None,
    recommended: str | None = None,
    every_width: bool = False,
    title: str = "",
    theme: Theme = "light",
) -> go.Figure:
    """Error ± one standard error over seeds against cost on a log axis, with the front as a step line.

    `budget` is marked with all that it can pay, and the `recommended` method with a ring. `naive_flops` and the
    number of groups by method, where given, are told with the rest of a record when one points at a method. Names
    stand where they have room in any figure wider than 700 pixels; with `every_width` they are placed for each band of
    widths, and the page must show those of the figure's own by `names_style`.
    """
    if not methods:
        raise InvalidInput("`methods` must hold at least one method; found none.")
    frame = Frame.around(methods, budget)
    figure = blank_figure(theme, title=title, height=HEIGHT)
    figure.add_traces(
        [_front(methods, frame, theme), *_points(methods, frame, naive_flops, n_groups or {}, theme)]
    )
    figure.add_traces(_legend(methods, theme))
    if recommended is not None:
        figure.add_trace(_ring(methods, recommended, theme))
    names, hanging = _names(methods, frame, BANDS if every_width else (WIDE,), budget, recommended, theme)
    figure.add_traces(names)
    power: Any = {"tickformat": "~s"} if axis == "flops" else {"exponentformat": "power"}
    figure.update_xaxes(
        type="log", range=frame.x, title_text=AXIS_TITLES[axis], fixedrange=True, minor={"showgrid": False}, **power,
        dtick=1 if frame.x[1] - frame.x[0] > 1.2 else None, zeroline=False,
    )  # fmt: skip
    figure.update_yaxes(
        range=frame.y, title_text=f"{error_title}, test split", fixedrange=True, zeroline=False
    )
    figure.update_layout(
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.06, "yanchor": "bottom"}, margin={"t": 24},
    )  # fmt: skip
    marked = {} if budget is None else _budget(budget, frame, theme)
    figure.update_layout({**marked, "annotations": [*marked.get("annotations", ()), *hanging]})
    return figure


def names_style(figure_selector: str, query: Literal["@container", "@media"] = "@container") -> str:
    """CSS that shows the names that were placed for the width of the window (or container), and no others.

    Only the browser knows how wide a figure is. A font that nobody has, at the end of a list, tells the texts apart:
    of what plotly writes into the page, nothing else is ours to choose.
    """
    rules = []
    for band, ((narrowest, _), (widest, _)) in enumerate(BANDS):
        mark = f"text[style*={_font_mark(band)}]"
        hide = f"{figure_selector} :is({mark}, .annotation:has({mark})) {{ display: none }}"
        if band > 0:
            rules.append(f"{query} (width < {narrowest + AROUND}px) {{ {hide} }}")
        if band < len(BANDS) - 1:
            rules.append(f"{query} (width >= {widest + AROUND}px) {{ {hide} }}")
    return "\n".join(rules)


def _steps(methods: Sequence[PricedMethod], frame: Frame) -> tuple[list[float], list[float]]:
    """The corners of the front: it falls at the cost of each undominated method and is level in between."""
    best = sorted((method for method in methods if method.on_front), key=lambda method: method.cost)
    costs = [method.cost for method in best for _ in range(2)][1:] + [10 ** frame.x[1]] * bool(best)
    return costs, [method.record.error for method in best for _ in range(2)]


def _front(methods: Sequence[PricedMethod], frame: Frame, theme: Theme) -> go.Scatter:
    costs, errors = _steps(methods, frame)
    return go.Scatter(
        x=costs, y=errors, mode="lines", name="Pareto front", hoverinfo="skip", showlegend=bool(costs),
        line={"color": PALETTES[theme].text, "width": 1.6}, legendrank=2000,
    )  # fmt: skip


def _points(
    methods: Sequence[PricedMethod], frame: Frame, naive_flops: float | None, n_groups: Mapping[str, int | None],
    theme: Theme,
) -> list[go.Scatter]:  # fmt: skip
    """A trace per family; methods off the front are dimmed, and those with a sampled search have open markers."""
    traces = []
    for family in FAMILY_TITLES:
        own = [method for method in methods if family_of(method.record.method) == family]
        colour = _colour(family, theme)
        for dimmed in (True, False):
            shown = [method for method in own if method.on_front != dimmed]
            errors = [frame.spread(method) for method in shown]
            traces.append(
                go.Scatter(
                    x=[method.cost for method in shown], y=[frame.height(method) for method in shown], mode="markers",
                    legendgroup=family, showlegend=False, opacity=DIMMED if dimmed else 1.0, cliponaxis=False,
                    marker={
                        "size": MARKER, "color": colour, "line": {"width": 2, "color": colour},
                        "symbol": [_symbol(family, method.record.estimated) for method in shown],
                    },
                    error_y={"array": errors, "thickness": 1.4, "width": 0, "color": colour},
                    hovertext=[_told(method, naive_flops, n_groups) for method in shown],
                    hovertemplate="%{hovertext}<extra></extra>",
                )
            )  # fmt: skip
    return [trace for trace in traces if trace.x]


def _legend(methods: Sequence[PricedMethod], theme: Theme) -> list[go.Scatter]:
    """Entries of their own, since those of the points would show whatever their first point is."""
    present = {family_of(method.record.method) for method in methods}
    entries = [
        (FAMILY_TITLES[family], family, _symbol(family, False), _colour(family, theme), 1000)
        for family in FAMILY_TITLES
        if family in present
    ]
    if any(method.record.estimated for method in methods):
        grey = PALETTES[theme].muted
        entries += [
            ("measured", "", "circle", grey, 3000),
            ("search estimated", "", "circle-open", grey, 3001),
        ]
    return [
        go.Scatter(
            x=[None], y=[None], mode="markers", name=name, legendgroup=group or name, legendrank=rank,
            marker={"symbol": symbol, "size": MARKER - 2, "color": colour, "line": {"width": 2, "color": colour}},
        )
        for name, group, symbol, colour, rank in entries
    ]  # fmt: skip


def _ring(methods: Sequence[PricedMethod], recommended: str, theme: Theme) -> go.Scatter:
    chosen = [method for method in methods if method.record.method == recommended]
    return go.Scatter(
        x=[method.cost for method in chosen], y=[method.record.error for method in chosen], mode="markers",
        showlegend=False, hoverinfo="skip", cliponaxis=False,
        marker={"symbol": "circle-open", "size": 26, "color": PALETTES[theme].accent, "line": {"width": 3}},
    )  # fmt: skip


def _names(
    methods: Sequence[PricedMethod], frame: Frame, bands: Sequence[Sequence[tuple[int, int]]], budget: float | None,
    recommended: str | None, theme: Theme,
) -> tuple[list[go.Scatter], list[dict[str, Any]]]:  # fmt: skip
    """The names that have room, by band; those in the second list hang on lines, where points are close.

    First the recommended method is named, then the front and Grad-TAG, which must be too.
    """
    lines = _lines(methods, frame, budget)
    first = [method for method in methods if method.record.method == recommended]
    first += [method for method in methods if method.on_front and method not in first]
    first += [method for method in methods if _is_grad_tag(method) and method not in first]
    methods = first + [method for method in methods if method not in first]
    points = frame.shares([method.cost for method in methods], [frame.height(method) for method in methods])
    texts, must = [frame.name(method) for method in methods], [method in first for method in methods]
    traces, hanging = [], []
    for band, sizes in enumerate(bands):
        labels = place_labels(points, texts, must, lines, sizes)
        shown = [(method, label) for method, label in zip(methods, labels, strict=True) if label is not None]
        beside = [(method, label) for method, label in shown if label.leader is None]
        font = {"size": FONT_SIZE, "family": f"{FONT}, {_font_mark(band)}"}
        traces.append(
            go.Scatter(
                x=[method.cost for method, _ in beside], y=[frame.height(method) for method, _ in beside],
                mode="markers+text", showlegend=False, hoverinfo="skip", cliponaxis=False,
                marker={"size": MARKER, "opacity": 0},
                text=[_emphasised(method, label, recommended) for method, label in beside],
                textposition=[label.position for _, label in beside],
                textfont={**font, "color": [_ink(method, theme) for method, _ in beside]},
            )
        )  # fmt: skip
        hanging += [
            {
                **_on_leader(label, method.cost, frame.height(method), theme),
                "text": _emphasised(method, label, recommended), "font": {**font, "color": _ink(method, theme)},
            }
            for method, label in shown if label.leader is not None
        ]  # fmt: skip
    return [trace for trace in traces if trace.x], hanging


def _lines(methods: Sequence[PricedMethod], frame: Frame, budget: float | None) -> np.ndarray:
    """(s, 4) the error bars, the steps of the front and the limit of the budget, in shares of the plotting area."""
    costs = [method.cost for method in methods]
    errors, spread = (np.array([of(method) for method in methods]) for of in (frame.height, frame.spread))
    bars = np.hstack([frame.shares(costs, errors - spread), frame.shares(costs, errors + spread)])
    corners = frame.shares(*_steps(methods, frame))
    ends = np.stack([corners[:-1], corners[1:]], axis=1)
    lines = [bars, np.hstack([ends.min(axis=1), ends.max(axis=1)])]
    if budget is not None:
        lines.append(frame.shares([budget, budget], frame.y).reshape(1, 4))
    return np.concatenate(lines)


def _is_grad_tag(method: PricedMethod) -> bool:
    name = method.record.method
    return find_method(name).module == "grad_tag" and family_of(name) == "gradients"


def _ink(method: PricedMethod, theme: Theme) -> str:
    return PALETTES[theme].text if method.on_front else PALETTES[theme].muted


def _emphasised(method: PricedMethod, label: Label, recommended: str | None) -> str:
    return f"<b>{label.text}</b>" if method.record.method == recommended else label.text


def _on_leader(label: Label, cost: float, error: float, theme: Theme) -> dict[str, Any]:
    """Where a name stands that a line ties to its point."""
    right, up = label.leader or (0.0, 0.0)
    anchors = {1: "left", -1: "right"}, {1: "bottom", -1: "top"}
    return {
        "x": float(np.log10(cost)), "y": error, "ax": right, "ay": -up, "align": "left",
        "xanchor": anchors[0].get(int(np.sign(right)), "center"), "borderpad": 0,
        "yanchor": anchors[1].get(int(np.sign(up)), "middle"), "standoff": 6, "showarrow": True, "arrowhead": 0,
        "arrowwidth": 1, "arrowcolor": PALETTES[theme].muted,
    }  # fmt: skip


def _font_mark(band: int) -> str:
    return f"names-{band}"


def _budget(budget: float, frame: Frame, theme: Theme) -> dict[str, Any]:
    """A line at the budget, and what it can pay shaded."""
    colour = PALETTES[theme].accent
    place = float(np.log10(budget))
    common = {"xref": "x", "yref": "paper", "y0": 0, "y1": 1, "x1": budget}
    near_left = place - frame.x[0] < 0.3 * (frame.x[1] - frame.x[0])
    return {
        "shapes": [
            {"type": "rect", "x0": 10 ** frame.x[0], "fillcolor": colour, "opacity": 0.08, "line": {"width": 0},
             "layer": "below", **common},
            {"type": "line", "x0": budget, "line": {"color": colour, "width": 2, "dash": "dash"}, **common},
        ],
        "annotations": [
            {"x": place, "xref": "x", "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False,
             "xanchor": "left" if near_left else "right", "text": "budget" if near_left else "◂ within the budget",
             "font": {"color": colour, "size": 12}}
        ],
    }  # fmt: skip


def _told(method: PricedMethod, naive_flops: float | None, n_groups: Mapping[str, int | None]) -> str:
    """The whole record as lines of a hover text."""
    record = method.record
    times = f" ({record.flops / naive_flops:,.1f} × naive multitask)" if naive_flops else ""
    lines = [
        f"<b>{escape(record.title, quote=False)}</b>{', on the front' if method.on_front else ''}",
        f"Error: {record.error:.4f}" + _spread(record),
        f"FLOPs: {record.flops:.3g}{times}",
        f"Seconds: {record.seconds:.3g}",
        f"Peak memory: {record.peak_bytes / 1e6:,.0f} MB",
    ]
    if record.method in n_groups:
        count = n_groups[record.method]
        lines.append("One model, no groups" if count is None else f"Groups: {count}")
    if record.estimated:
        sentence = f"Search estimated: {record.sample or 'from a sample.'}"
        lines += [escape(line, quote=False) for line in wrap(sentence, 52)]
    return "<br>".join(lines)


def _spread(record: MethodRecord) -> str:
    if record.error_se is None:
        return " (1 seed)"
    return f" ± {record.error_se:.4f} ({record.n_seeds} seeds)"


def _symbol(family: Family, estimated: bool) -> str:
    return SYMBOLS[family] + ("-open" if estimated else "")


def _colour(family: Family, theme: Theme) -> str:
    return COLOURS[theme].get(family, PALETTES[theme].muted)
