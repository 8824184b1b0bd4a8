"""The figures of a run's story and report, each with its words and its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gradtag_core.figures.accuracy import estimate_against_truth, reference_lines, spearman_bars
from gradtag_core.figures.gains import group_gains
from gradtag_core.figures.heatmap import affinity_heatmap, symmetric_range
from gradtag_core.figures.relative import relative_to_task_mean
from gradtag_core.figures.theme import Theme
from gradtag_core.report.densities import group_help, help_inside
from gradtag_core.report.findings import Findings, Gains
from gradtag_core.report.tables import (
    accuracy_table,
    difference,
    groups_table,
    matrix_table,
    pairs_table,
    task_accuracy_table,
)
from gradtag_core.report.words import counted, signed

MOST_DRAWN = 500  # tasks of a map
TALLEST = 1030  # pixels; what has more lines than fit shows their shape, and tells one by pointing at it
READ_MAP = (
    "Row = the task that is evaluated, column = the task trained with it; frames are groups. Orange: that company "
    "raises the score above the task's own mean; blue: it lowers it."
)


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure that can be drawn in either theme: `alt` says in words what is seen, `caption` how to read it, `table`
    gives its numbers."""

    key: str
    title: str
    alt: str
    caption: str
    draw: Callable[[Theme], go.Figure]
    table: Callable[[], pd.DataFrame]


def story_pictures(found: Findings) -> tuple[Picture, ...]:
    """The three that matter: who helps whom, how far to trust it, and what the groups bring."""
    trusted = _reference_lines(found) if found.comparison is not None else _standard_errors(found)
    brought = _gains(found) if found.gains is not None else _group_help(found)
    return tuple(picture for picture in (_affinity_map(found), trusted, brought) if picture is not None)


def all_pictures(found: Findings) -> tuple[Picture, ...]:
    """Those of the story, and what stands behind them."""
    more = (
        _standard_errors(found), _true_map(found), _difference_map(found), _points(found), _by_task(found),
        _group_help(found),
    )  # fmt: skip
    chosen = {picture.key: picture for picture in (*story_pictures(found), *more) if picture is not None}
    return tuple(chosen.values())


def _map(found: Findings, values: np.ndarray, theme: Theme, **style: object) -> go.Figure:
    labels = found.grouping.labels if found.grouping else None
    return affinity_heatmap(
        values, found.task_names, order=found.order, group_labels=labels, theme=theme, **style  # type: ignore[arg-type]
    )  # fmt: skip


def _range(found: Findings) -> float:
    """The same colours mean the same effects in the estimate and in the truth."""
    true = [] if found.true is None else [relative_to_task_mean(found.true.values)]
    return symmetric_range(found.relative, *true)


def _affinity_map(found: Findings) -> Picture | None:
    if found.n_tasks > MOST_DRAWN:
        return None
    estimated = found.estimated
    groups = f" in {counted(found.grouping.n_groups, 'group')}" if found.grouping else ""
    inside = _inside(found)
    return Picture(
        "affinity", "Who helps whom",
        f"Map of the estimated affinity of {counted(found.n_tasks, 'task')}{groups}, in {found.metric_title}.{inside}",
        READ_MAP,
        lambda theme: _map(
            found, estimated.values, theme, counts=estimated.counts, standard_errors=estimated.standard_errors,
            colour_range=_range(found),
        ),
        lambda: pairs_table(found),
    )  # fmt: skip


def _inside(found: Findings) -> str:
    """What the frames hold, in words."""
    if found.grouping is None:
        return ""
    means = help_inside(found.relative, found.grouping.labels)
    if not np.isfinite(means).any():
        return ""
    return f" Inside the groups, tasks bring each other {signed(float(np.nanmean(means)))} on average."


def _standard_errors(found: Findings) -> Picture | None:
    errors = found.estimated.standard_errors
    if found.n_tasks > MOST_DRAWN or not np.isfinite(errors).any():
        return None
    return Picture(
        "standard-errors", "How sure each number is",
        f"Map of the standard errors of the estimate; the middle one is {np.nanmedian(errors):.4f}.",
        "How far each number of the map may be off by the draw of subsets, or by the model that joined two estimates. "
        "An effect smaller than twice this says little.",
        lambda theme: _map(found, errors, theme, scale="error"),
        lambda: matrix_table(errors, found.task_names),
    )  # fmt: skip


def _true_map(found: Findings) -> Picture | None:
    true = found.true
    if true is None or found.n_tasks > MOST_DRAWN:
        return None
    return Picture(
        "affinity-true", "Who helps whom in real training",
        f"Map of the affinity of {counted(found.n_tasks, 'task')} by really trained subsets, group by group.",
        f"{READ_MAP} Same order and colours as the estimate; empty cells: no trained subset holds both tasks.",
        lambda theme: _map(found, true.values, theme, counts=true.counts, standard_errors=true.standard_errors,
                           colour_range=_range(found)),
        lambda: matrix_table(true.values, found.task_names),
    )  # fmt: skip


def _difference_map(found: Findings) -> Picture | None:
    gap = difference(found)
    if gap is None or found.n_tasks > MOST_DRAWN:
        return None
    return Picture(
        "affinity-difference", "Where estimate and truth differ",
        "Map of the estimated minus the true affinity, each against the task's mean.",
        "Over the really trained subsets. Orange: the estimate is too high; blue: too low.",
        lambda theme: _map(found, relative_to_task_mean(gap), theme, scale="signed", colour_range=_range(found)),
        lambda: matrix_table(gap, found.task_names),
    )  # fmt: skip


def _reference_lines(found: Findings) -> Picture | None:
    comparison, table = found.comparison, accuracy_table(found)
    if comparison is None or table is None:
        return None
    rows = zip(table["line"], table["row Spearman"], strict=True)
    words = ", ".join(f"{line} {value:.2f}" for line, value in rows)
    ceiling = "" if comparison.ceiling is None else f" The best possible is {comparison.ceiling:.2f}."
    return Picture(
        "reference-lines", "How far to trust it",
        f"Agreement with real training (row Spearman, 1 is the same order): {words}.{ceiling}",
        "Each point says how well a method ranks the partners of a task as real training does: further right is "
        "better, 0 is chance, the bar is one standard error. The estimate should be well ahead of what costs nothing.",
        lambda theme: reference_lines(comparison, theme=theme),
        lambda: table,
    )  # fmt: skip


def _points(found: Findings) -> Picture | None:
    comparison = found.comparison
    if comparison is None:
        return None
    return Picture(
        "estimate-against-truth", "Estimate against truth, pair by pair",
        f"Estimated against true affinity of each pair; {counted(comparison.n_truth_subsets, 'trained subset')}.",
        "Each point is a pair of tasks; a good estimate rises from left to right.",
        partial(_drawn_points, comparison.estimated.values, comparison.trained.values, found.task_names),
        lambda: pairs_table(found),
    )  # fmt: skip


def _drawn_points(estimate: np.ndarray, truth: np.ndarray, names: tuple[str, ...], theme: Theme) -> go.Figure:
    return estimate_against_truth(estimate, truth, names, theme=theme)


def _by_task(found: Findings) -> Picture | None:
    comparison = found.comparison
    if comparison is None:
        return None
    row = comparison.estimate.agreement.row_spearman
    return Picture(
        "spearman-by-task", "How well each task's partners are ranked",
        f"Row Spearman of each of {counted(found.n_tasks, 'task')}; the mean is {row:.2f}.",
        "Further right is better; 0 is a random order.",
        lambda theme: spearman_bars(comparison.by_task, found.task_names, ceiling=comparison.ceiling, theme=theme),
        lambda: task_accuracy_table(found),
    )  # fmt: skip


def _gains(found: Findings) -> Picture | None:
    gains = found.gains
    if gains is None:
        return None
    better = int((gains.by_task > 0).sum())
    return Picture(
        "gains", "What the groups bring",
        f"Test {found.metric_title} of each task by its group's model and by one model for all: {better} of "
        f"{counted(len(gains.by_task), 'task')} better in groups, {signed(gains.mean)} on average.",
        "Each line leads from one model for all tasks (ring) to the model of the task's group (dot). Orange: the group "
        "helps; blue: it hurts. One training each: small differences are noise.",
        lambda theme: _drawn_gains(found, gains, theme),
        lambda: groups_table(found),
    )  # fmt: skip


def _drawn_gains(found: Findings, gains: Gains, theme: Theme) -> go.Figure:
    figure = group_gains(
        gains.grouped, gains.together, found.task_names, score_title=found.metric_title, theme=theme
    )
    layout: Any = figure.layout  # plotly makes its attributes at run time
    return figure.update_layout(height=min(layout.height, TALLEST))


def _group_help(found: Findings) -> Picture | None:
    grouping = found.grouping
    if grouping is None:
        return None
    means = help_inside(found.relative, grouping.labels)
    return Picture(
        "group-help", "What the groups should bring, by the estimate",
        f"What the tasks of each of {counted(grouping.n_groups, 'group')} bring each other by the estimate: "
        f"{int(np.nansum(means > 0))} above their average co-tasks.",
        "Each bar is the mean effect of a group’s tasks on each other, against their average co-tasks.",
        lambda theme: group_help(found.relative, grouping.labels, score_title=found.metric_title, theme=theme),
        lambda: groups_table(found),
    )  # fmt: skip
