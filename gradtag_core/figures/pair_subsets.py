"""The subsets behind an affinity: the task's score with the co-task beside it without."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gradtag_core.affinity.pair_evidence import PairEvidence
from gradtag_core.figures.heatmap import axis_labels
from gradtag_core.figures.theme import PALETTES, Theme, blank_figure

HEIGHT = 250
GOLDEN = 0.6180339887  # steps that spread points evenly whatever their number
SPREAD = 0.56  # of the room of a strip


@dataclass(frozen=True)
class _Strip:
    label: str
    scores: np.ndarray
    colour: str
    symbol: str


def pair_subsets(
    evidence: PairEvidence,
    co_task: str,
    *,
    baselines: tuple[float, float],
    title: str = "",
    theme: Theme = "light",
) -> go.Figure:
    """A point per subset, in strips: estimated with and without the co-task, then really trained ones, if any.

    `baselines`: the task's mean over its co-tasks by the estimate and in truth. Scores are shown against them, so that
    the mean of the strip with the co-task, the upright line, is the affinity against the task's mean.
    """
    palette = PALETTES[theme]
    name = axis_labels([co_task])[0]
    sources = [("estimated", evidence.estimated, baselines[0], "circle")]
    if np.isfinite(evidence.trained).any():
        sources.append(("really trained", evidence.trained, baselines[1], "diamond"))
    strips = [
        _Strip(
            f"{'with' if together else 'without'} {name}<br>{source}",
            (scores - baseline)[(evidence.with_co_task == together) & np.isfinite(scores)],
            palette.above if together else palette.muted,
            symbol,
        )
        for source, scores, baseline, symbol in sources
        for together in (True, False)
    ]
    figure = blank_figure(theme, title=title, height=HEIGHT + 40 * (len(strips) - 2))
    for place, strip in enumerate(strips):
        figure.add_traces(_draw(strip, place, theme))
    figure.add_vline(x=0, line={"color": palette.muted, "width": 1, "dash": "dot"})
    figure.update_yaxes(
        tickvals=list(range(len(strips))), ticktext=[strip.label for strip in strips], showgrid=False,
        range=[len(strips) - 0.5, -0.5], zeroline=False,
    )  # fmt: skip
    figure.update_xaxes(title_text="score in a subset, against the mean", zeroline=False)
    return figure


def _draw(strip: _Strip, place: int, theme: Theme) -> list[go.Scatter]:
    n_points = len(strip.scores)
    across = place + SPREAD * ((np.arange(n_points) * GOLDEN) % 1 - 0.5)
    points: dict[str, Any] = {
        "size": 6 if n_points <= 300 else 4, "color": strip.colour, "symbol": strip.symbol,
        "opacity": 0.7 if n_points <= 300 else 0.4,
    }  # fmt: skip
    traces = [
        go.Scatter(
            x=strip.scores.astype(np.float32), y=across.astype(np.float32), mode="markers", marker=points,
            showlegend=False, hovertemplate=f"{strip.label}: %{{x:+.4f}}<extra></extra>",
        )
    ]  # fmt: skip
    if n_points:
        mean = float(strip.scores.mean())
        traces.append(
            go.Scatter(
                x=[mean, mean], y=[place - 0.38, place + 0.38], mode="lines", showlegend=False,
                line={"color": PALETTES[theme].text, "width": 2.5},
                hovertemplate=f"Mean of {n_points:,}: %{{x:+.4f}}<extra></extra>",
            )
        )  # fmt: skip
    return traces
