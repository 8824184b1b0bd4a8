"""Which tasks go from which group of one run to which group of another."""

from html import escape

import plotly.graph_objects as go

from gradtag_core.evaluation.group_changes import Flow, GroupChanges
from gradtag_core.figures.run_difference import short_name
from gradtag_core.figures.theme import PALETTES, Theme, blank_figure

GROUP, SMALLEST, TALLEST = 36, 240, 900  # pixels: of a group, and of the figure
GAP = 10  # pixels between groups
LISTED = 12  # tasks of a flow that are named when one points at it
OPACITY = "66"


def group_flow(
    changes: GroupChanges, reference_name: str, other_name: str, *, title: str = "", theme: Theme = "light"
) -> go.Figure:  # fmt: skip
    """Groups of the reference on the left, those of the other run on the right; as thick as they have tasks.

    Bands between paired groups are grey, those of tasks that moved orange.
    """
    palette = PALETTES[theme]
    flows = changes.flows
    left = sorted({flow.reference for flow in flows})
    right = _other_groups(flows)
    position = {("left", group): index for index, group in enumerate(left)}
    position |= {("right", group): len(left) + index for index, group in enumerate(right)}
    sizes = [int((changes.reference == group).sum()) for group in left]
    sizes += [int((changes.other == group).sum()) for group in right]
    height = min(TALLEST, max(SMALLEST, 80 + GROUP * max(len(left), len(right))))
    figure = blank_figure(theme, title=title, height=height)
    figure.add_trace(
        go.Sankey(
            arrangement="fixed",
            textfont={"color": palette.text, "size": 12, "shadow": "none"},
            node={
                "label": [
                    f"Group {group + 1} ({size})" for group, size in zip([*left, *right], sizes, strict=True)
                ],
                "x": [0.001] * len(left) + [0.999] * len(right),
                "y": [*_centres(sizes[: len(left)], height), *_centres(sizes[len(left) :], height)],
                "color": palette.accent, "pad": GAP, "thickness": 14, "line": {"width": 0},
                "hovertemplate": "%{label}<extra></extra>",
            },
            link={
                "source": [position["left", flow.reference] for flow in flows],
                "target": [position["right", flow.other] for flow in flows],
                "value": [len(flow.task_names) for flow in flows],
                "color": [(palette.muted if flow.stays else palette.above) + OPACITY for flow in flows],
                "customdata": [_names(flow) for flow in flows],
                "hovertemplate": "%{source.label} to %{target.label}: %{value}<br>%{customdata}<extra></extra>",
            },
        )
    )  # fmt: skip
    for text, x, anchor in ((reference_name, 0, "left"), (other_name, 1, "right")):
        figure.add_annotation(
            text=f"<b>{short_name(text)}</b>", x=x, y=1, xref="paper", yref="paper", xanchor=anchor, yanchor="bottom",
            yshift=10, showarrow=False,
        )  # fmt: skip
    return figure


def _other_groups(flows: list[Flow]) -> list[int]:
    """Each group of the other run beside its partner where it has one, else beside where most of its tasks are from."""
    best: dict[int, Flow] = {}
    for flow in flows:
        known = best.get(flow.other)
        rank = (flow.stays, len(flow.task_names))
        if known is None or rank > (known.stays, len(known.task_names)):
            best[flow.other] = flow
    return sorted(best, key=lambda group: (best[group].reference, not best[group].stays, group))


def _centres(sizes: list[int], height: int) -> list[float]:
    """Where the middle of each group stands from top to bottom, as plotly places groups with `GAP` between them."""
    gap = GAP / height
    scale = (1 - gap * (len(sizes) - 1)) / sum(sizes)
    centres, top = [], 0.0
    for size in sizes:
        centres.append(min(0.999, max(0.001, top + size * scale / 2)))
        top += size * scale + gap
    return centres


def _names(flow: Flow) -> str:
    names = [escape(name, quote=False) for name in flow.task_names[:LISTED]]
    more = len(flow.task_names) - LISTED
    return "<br>".join(names) + (f"<br>and {more} more" if more > 0 else "")
