"""What a suite holds, drawn: balance, labels that occur together, shared training examples, difficulty."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gradtag_core.config import METRIC_TITLES
from gradtag_core.evaluation.difficulty import Difficulty
from gradtag_core.evaluation.task_facts import TaskFacts
from gradtag_core.figures.heatmap import EASILY_READ, axis_labels, colour_bar, map_axes, map_height
from gradtag_core.figures.theme import PALETTES, ColourScale, Theme, blank_figure, colour_scale
from gradtag_core.tasks.overlap import UNRELIABLE_OVERLAP


def balance_bars(facts: TaskFacts, *, title: str = "", theme: Theme = "light") -> go.Figure:
    """The share of positives of each binary task, the most balanced ones at the top; other tasks are left out."""
    binary = np.flatnonzero(np.isfinite(facts.positive))
    order = binary[np.argsort(-np.abs(facts.positive[binary] - 0.5), kind="stable")]
    figure, names = _bar_chart(facts.task_names, order, title, theme)
    figure.add_trace(
        go.Bar(
            x=facts.positive[order], y=names, orientation="h", marker={"color": PALETTES[theme].accent},
            customdata=np.column_stack([facts.sizes[order], facts.unlabelled[order]]),
            hovertemplate="<b>%{y}</b><br>Positive: %{x:.2%}<br>Train: %{customdata[0]:,}<br>"
            "Validation: %{customdata[1]:,}<br>Test: %{customdata[2]:,}<br>Not labelled: %{customdata[3]:,}"
            "<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(title_text="positives among the labelled", range=[0, 1], tickformat=".0%")
    return figure


def difficulty_bars(found: Difficulty, *, title: str = "", theme: Theme = "light") -> go.Figure:
    """From the score of a constant answer to that of the probe, the easiest tasks at the top; tasks without a score are
    left out."""
    palette = PALETTES[theme]
    known = np.flatnonzero(np.isfinite(found.scores))
    order = known[np.argsort(found.scores[known], kind="stable")]
    figure, names = _bar_chart(found.task_names, order, title, theme)
    start = np.nan_to_num(found.constant[order])
    figure.add_trace(
        go.Bar(
            x=found.scores[order] - start, base=start, y=names, orientation="h", marker={"color": palette.accent},
            customdata=np.column_stack([found.scores[order], found.constant[order]]),
            hovertemplate="<b>%{y}</b><br>Linear probe: %{customdata[0]:.3f}<br>"
            "Constant answer: %{customdata[1]:.3f}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(title_text=f"{METRIC_TITLES[found.metric]}, from a constant answer to a linear probe")
    return figure


def cooccurrence_heatmap(facts: TaskFacts, *, title: str = "", theme: Theme = "light") -> go.Figure:
    """Which labels occur together: of the positives of the row's task, the share that the column's task has too."""
    return _pair_map(
        facts.cooccurrence, facts.task_names, ("positive in", "positive in this too"), "share of the row's positives",
        "Of the positives of <b>%{y}</b>,<br>%{z:.1%} are positives of <b>%{x}</b>",
        colour_scale(PALETTES[theme].sequential), title, theme,
    )  # fmt: skip


def overlap_heatmap(facts: TaskFacts, *, title: str = "", theme: Theme = "light") -> go.Figure:
    """Which tasks train on the same examples; where they share too few for gradients, the other colour."""
    palette = PALETTES[theme]
    rest = 1 - UNRELIABLE_OVERLAP
    enough = [
        (UNRELIABLE_OVERLAP + rest * place, colour) for place, colour in colour_scale(palette.sequential)
    ]
    scale = [(0.0, palette.above), (UNRELIABLE_OVERLAP, palette.diverging[5]), *enough]
    figure = _pair_map(
        facts.overlap, facts.task_names, ("task", "task"), "shared training examples",
        "<b>%{y}</b> and <b>%{x}</b> share<br>%{z:.1%} of the smaller one's training examples", scale, title, theme,
    )  # fmt: skip
    figure.update_traces(colorbar_tickvals=[0, UNRELIABLE_OVERLAP, 1])
    return figure


def _bar_chart(
    task_names: Sequence[str], order: np.ndarray, title: str, theme: Theme
) -> tuple[go.Figure, list[str]]:
    """An empty chart with a line per task, and their names as they stand on its axis."""
    row = float(np.clip(900 / max(1, len(order)), 6, 24))
    names = axis_labels([task_names[int(task)] for task in order])
    figure = blank_figure(theme, title=title, height=int(110 + row * len(order)))
    figure.update_yaxes(
        type="category", tickvals=names, tickfont_size=12 if row >= 16 else 9, showgrid=False,
        showticklabels=row >= 10,
    )  # fmt: skip
    return figure, names


def _pair_map(
    shares: np.ndarray, task_names: Sequence[str], axes: tuple[str, str], bar: str, hover: str, scale: ColourScale,
    title: str, theme: Theme,
) -> go.Figure:  # fmt: skip
    """A map of shares from 0 to 1 with a cell per pair of tasks; the diagonal says nothing and stays empty."""
    labels = axis_labels(list(task_names))
    gap = 1 if len(labels) <= EASILY_READ else 0
    off_diagonal: Any = np.where(np.eye(len(labels), dtype=bool), np.nan, shares)
    layout, height = map_axes(labels, bool(title), *axes), map_height(labels)
    colorbar = colour_bar(bar, height, layout["margin"])
    figure = blank_figure(theme, title=title, height=height, layout=layout)
    figure.add_trace(
        go.Heatmap(
            z=off_diagonal, x=labels, y=labels, xgap=gap, ygap=gap, zmin=0, zmax=1, colorscale=scale,
            colorbar={**colorbar, "tickformat": ".0%"},
            hovertemplate=f"{hover}<extra></extra>", hoverongaps=False,
        )
    )  # fmt: skip
    return figure
