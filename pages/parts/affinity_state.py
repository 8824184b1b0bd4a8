"""What the Affinity page shows, and which pair of tasks is selected in all parts of it."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.evaluation.comparison import Comparison
from gradtag_core.figures.relative import relative_to_task_mean
from gradtag_core.runs.record import RunRecord

TASK, CO_TASK = "evaluated", "co_task"  # in the address, too
CHANGES = "pair_changes"  # how often the pair was changed beside the table of pairs

Pair = tuple[int, int]


@dataclass(frozen=True)
class Explored:
    """The affinities of a run in one metric; `true` and `comparison` where subsets were really trained."""

    record: RunRecord
    estimated: AffinityMatrix
    true: AffinityMatrix | None
    comparison: Comparison | None

    @property
    def names(self) -> tuple[str, ...]:
        return self.estimated.task_names

    @property
    def labels(self) -> np.ndarray | None:
        return self.record.grouping.labels if self.record.grouping else None


def selected_pair(estimated: AffinityMatrix) -> Pair | None:
    """The evaluated task and the co-task that the address or the session names; None where they are one task.

    A name that is missing or of another run gives way to that of the pair of the largest gain by the estimate, if
    possible one with a standard error.
    """
    names = estimated.task_names
    if len(names) < 2:
        return None
    relative = relative_to_task_mean(estimated.values)
    sure = np.where(np.isfinite(estimated.standard_errors), relative, np.nan)
    best = next((int(np.nanargmax(gains)) for gains in (sure, relative) if np.isfinite(gains).any()), 1)
    known = []
    for key, default in zip((TASK, CO_TASK), divmod(best, len(names)), strict=True):
        name = st.session_state.get(key, st.query_params.get(key))
        if name not in names:
            name = st.session_state[key] = names[default]
        known.append(name)
    first, second = (names.index(name) for name in known)
    return None if first == second else (first, second)


def select_pair(task: str, co_task: str, *, from_table: bool = False) -> None:
    """Select a pair in all parts of the page; for a callback. A task with itself is no pair and changes nothing."""
    if task != co_task:
        st.session_state[TASK], st.session_state[CO_TASK] = task, co_task
        if not from_table:
            note_change()


def note_change() -> None:
    """The table of pairs keeps a selection of its own, which is now of another pair."""
    st.session_state[CHANGES] = st.session_state.get(CHANGES, 0) + 1


def select_point(chart: str, names: tuple[str, ...]) -> None:
    """Take the pair from the selected point of a chart whose custom data begins with two tasks; for a callback."""
    for point in st.session_state[chart].selection.points[:1]:
        tasks = point.get("customdata")
        if tasks:
            select_pair(names[int(tasks[0])], names[int(tasks[1])])
