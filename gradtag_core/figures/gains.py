"""What training in groups changed, task by task."""

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from gradtag_core.figures.theme import PALETTES, Theme, blank_figure


def group_gains(
    grouped: np.ndarray,
    together: np.ndarray,
    task_names: Sequence[str],
    *,
    score_title: str = "score",
    title: str = "",
    theme: Theme = "light",
) -> go.Figure:
    """Test scores (n,) of each task by its group's model and by one model for all tasks, best gain on top."""
    palette = PALETTES[theme]
    order = np.argsort(np.nan_to_num(grouped - together), kind="stable")
    names = [escape(task_names[int(task)], quote=False) for task in order]
    before, after = together[order], grouped[order]
    row = float(np.clip(900 / max(1, len(order)), 6, 24))
    figure = blank_figure(theme, title=title, height=int(130 + row * len(order)))
    for sign, colour in ((1, palette.above), (-1, palette.below)):
        chosen = np.flatnonzero(np.sign(after - before) == sign)
        x = np.full(3 * len(chosen), np.nan)  # a gap after each bar keeps them apart
        x[0::3], x[1::3] = before[chosen], after[chosen]
        figure.add_trace(
            go.Scatter(
                x=x, y=[names[index] for index in np.repeat(chosen, 3)], mode="lines", hoverinfo="skip",
                line={"color": colour, "width": 3}, showlegend=False, connectgaps=False,
            )
        )  # fmt: skip
    hover = "<b>%{y}</b><br>%{fullData.name}: %{x:.4f}<extra></extra>"
    size = 9 if row >= 12 else 6
    for values, name, marker in (
        (before, "one model for all", {"color": palette.paper, "line": {"color": palette.muted, "width": 2}}),
        (after, "its group's model", {"color": palette.text}),
    ):
        figure.add_trace(
            go.Scatter(
                x=values, y=names, mode="markers", name=name, marker={"size": size, **marker},
                hovertemplate=hover,
            )
        )  # fmt: skip
    figure.update_xaxes(title_text=f"{score_title} on the test split")
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=names, tickvals=names, showticklabels=row >= 10,
        tickfont_size=12 if row >= 16 else 9,
    )  # fmt: skip
    figure.update_layout(legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"})
    return figure
