"""The affinity map under a tree of its tasks, in one figure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gradtag_core.figures.heatmap import affinity_heatmap, bar_place
from gradtag_core.figures.relative import relative_to_task_mean
from gradtag_core.figures.theme import PALETTES, Theme

TREE_PIXELS = 84
TREE_SHARE = 0.14  # of what the plot is high


def task_tree(values: np.ndarray, group_labels: np.ndarray | None = None) -> np.ndarray:
    """Average linkage of n tasks by their symmetric relative affinity, leaves in optimal order: (n - 1, 4), as scipy's.

    With `group_labels` (n,) the tasks of a group join first and the groups next, so that every group is a
    branch; a branch is then at least as high as those inside it. Heights are distances from the largest
    affinity. Fewer than two tasks have no tree: (0, 4).
    """
    n_tasks = len(values)
    if n_tasks < 2:
        return np.zeros((0, 4))
    from scipy.cluster.hierarchy import linkage

    relative = np.nan_to_num(relative_to_task_mean(values))
    rows, columns = np.triu_indices(n_tasks, 1)
    similarity = (relative + relative.T)[rows, columns] / 2
    distances = similarity.max() - similarity
    if group_labels is None:
        return linkage(distances, "average", optimal_ordering=True)
    apart = group_labels[rows] != group_labels[columns]
    lift = 2 * float(distances.max()) + 1  # above every distance inside a group
    tree = linkage(distances + lift * apart, "average", optimal_ordering=True)
    heights = np.where(tree[:, 2] >= lift, tree[:, 2] - lift, tree[:, 2])
    for node, (left, right) in enumerate(tree[:, :2].astype(int)):
        below = [heights[child - n_tasks] for child in (left, right) if child >= n_tasks]
        heights[node] = max([heights[node], *below])
    tree[:, 2] = heights
    return tree


def leaf_order(tree: np.ndarray) -> np.ndarray:
    """(n,) task indices from left to right under the tree."""
    if not len(tree):
        return np.arange(1)
    from scipy.cluster.hierarchy import leaves_list

    return leaves_list(tree)


def affinity_under_tree(
    values: np.ndarray,
    task_names: Sequence[str],
    *,
    group_labels: np.ndarray,
    grouped: bool = True,
    theme: Theme = "light",
    **details: Any,
) -> go.Figure:
    """`affinity_heatmap` with frames around the groups and a dendrogram above its columns.

    `grouped`: groups are branches of the tree and stand together; else the tree knows no groups and only the
    colours of its branches show them. A branch whose tasks are all of one group has that group's colour, which
    repeats where there are more groups than colours. `details`: as in `affinity_heatmap`.
    """
    labels = np.asarray(group_labels)
    tree = task_tree(values, labels if grouped else None)
    order = leaf_order(tree)
    figure = affinity_heatmap(values, task_names, order=order, group_labels=labels, theme=theme, **details)
    return with_tree(figure, tree, labels, theme=theme)


def with_tree(
    figure: go.Figure, tree: np.ndarray, group_labels: np.ndarray | None = None, *, theme: Theme = "light"
) -> go.Figure:
    """Draw a tree of n tasks above the columns of a map whose tasks stand in its leaf order; returns the figure.

    Without `group_labels` (n,) all branches have one colour.
    """
    if not len(tree):
        return figure
    labels = np.full(len(tree) + 1, -1) if group_labels is None else np.asarray(group_labels)
    layout: Any = figure.layout  # plotly makes its attributes at run time
    top = float(tree[:, 2].max()) or 1.0
    figure.update_layout(
        height=layout.height + TREE_PIXELS,
        yaxis_domain=[0, 0.99 - TREE_SHARE],
        yaxis2={
            "domain": [1 - TREE_SHARE, 1], "range": [0, 1.04 * top], "visible": False, "fixedrange": True,
            "anchor": "x",
        },
    )  # fmt: skip
    layout.shapes = (
        *layout.shapes,
        *_branches(tree, labels, leaf_order(tree), theme),
    )  # updating one by one is slow
    figure.update_traces(colorbar_y=bar_place(layout.height, layout.margin), selector={"type": "heatmap"})
    return figure


def _branches(tree: np.ndarray, labels: np.ndarray, order: np.ndarray, theme: Theme) -> list[dict[str, Any]]:
    """One path per colour, in positions of the category axis and heights of the tree."""
    n_tasks = len(labels)
    position = np.empty(n_tasks)
    position[order] = np.arange(n_tasks)
    across, heights = [*position.tolist()], [0.0] * n_tasks
    groups: list[int] = labels.tolist()  # -1: of several groups
    palette = PALETTES[theme]
    paths: dict[str, list[str]] = {}
    for left, right, height, _ in tree:
        ends = sorted((int(left), int(right)), key=lambda child: across[child])
        (a, b), top = (across[child] for child in ends), float(height)
        joined = groups[ends[0]] if groups[ends[0]] == groups[ends[1]] else -1
        for child, x in zip(ends, (a, b), strict=True):
            colour = _colour(groups[child], theme) if groups[child] >= 0 else palette.muted
            paths.setdefault(colour, []).append(f"M{x:g},{heights[child]:.6g}L{x:g},{top:.6g}")
        bar = _colour(joined, theme) if joined >= 0 else palette.muted
        paths.setdefault(bar, []).append(f"M{a:g},{top:.6g}L{b:g},{top:.6g}")
        across.append((a + b) / 2)
        heights.append(top)
        groups.append(joined)
    return [
        {
            "type": "path", "path": "".join(parts), "xref": "x", "yref": "y2",
            "line": {"color": colour, "width": 1.6 if colour != palette.muted else 1.2},
        }
        for colour, parts in paths.items()
    ]  # fmt: skip


GROUP_COLOURS: dict[Theme, tuple[str, ...]] = {
    "light": ("#0072b2", "#c98500", "#008a65", "#c2568f", "#c24e00", "#2f8fc4", "#6b6f00", "#4a4a4a"),
    "dark": ("#56b4e9", "#e69f00", "#1fb28a", "#e08bbb", "#e9742b", "#8fa8ff", "#f0e442", "#b8bec3"),
}


def _colour(group: int, theme: Theme) -> str:
    colours = GROUP_COLOURS[theme]
    return colours[group % len(colours)]
