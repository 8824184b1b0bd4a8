"""What the Affinity page shows, and which pair of tasks is selected in all parts of it."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.evaluation.comparison import Comparison
from gradtag_core.figures.relative import relative_to_task_mean
from gradtag_core.runs.record import RunRecord
from pages.parts.state import tell_refused

TASK, CO_TASK = "evaluated", "co_task"  # in the address, too
CHANGES = "pair_changes"  # how often what several parts show was changed
OF_TABLE = "table_changes"  # how often beside the table of pairs

SELECTED, TOLD = "_selected", "_in_address"  # the names of the pair, and those last written to the address

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
    """The evaluated task and the co-task that are selected; None where they are one task.

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
        name = st.session_state.get(f"{key}{SELECTED}")
        if name not in names:
            name = st.session_state[f"{key}{SELECTED}"] = names[default]
        known.append(name)
    first, second = (names.index(name) for name in known)
    return None if first == second else (first, second)


def follow_address(names: tuple[str, ...]) -> None:
    """Take the pair from the address where the reader came by a link, or went back."""
    for key in (TASK, CO_TASK):
        name = st.query_params.get(key)
        if not name or name == st.session_state.get(f"{key}{TOLD}"):
            continue
        if name in names:
            st.session_state[f"{key}{SELECTED}"] = name
        else:
            tell_refused(key, name, "no task of this run has that name")


def tell_address() -> None:
    """Write the selected pair to the address."""
    for key in (TASK, CO_TASK):
        name = st.session_state[f"{key}{TOLD}"] = st.session_state[f"{key}{SELECTED}"]
        if st.query_params.get(key) != name:
            st.query_params[key] = name


def pick_task(label: str, names: tuple[str, ...], key: str, help_text: str | None = None) -> None:
    """A control for one task of the pair. The selection is not that of the control: what another part of the page
    selects would be overruled by what the browser knows of it."""
    st.session_state[key] = st.session_state[f"{key}{SELECTED}"]

    def picked() -> None:
        st.session_state[f"{key}{SELECTED}"] = st.session_state[key]
        note_change()

    st.selectbox(label, names, index=None, key=key, on_change=picked, help=help_text)


def select_pair(task: str, co_task: str, *, from_table: bool = False) -> None:
    """Select a pair in all parts of the page; for a callback. A task with itself is no pair and changes nothing."""
    if task != co_task:
        for key, name in ((TASK, task), (CO_TASK, co_task)):
            st.session_state[f"{key}{SELECTED}"] = name
        note_change(from_table=from_table)


def note_change(*, from_table: bool = False) -> None:
    """What is selected or pinned was changed: the parts that show it must be drawn again. The table of pairs keeps a
    selection of its own, which is of another pair unless the change was made there."""
    for name in (CHANGES,) if from_table else (CHANGES, OF_TABLE):
        st.session_state[name] = st.session_state.get(name, 0) + 1


def changes() -> int:
    return st.session_state.get(CHANGES, 0)


def select_point(chart: str, names: tuple[str, ...]) -> None:
    """Take the pair from the selected point of a chart whose custom data begins with two tasks; for a callback."""
    for point in st.session_state[chart].selection.points[:1]:
        tasks = point.get("customdata")
        if tasks:
            select_pair(names[int(tasks[0])], names[int(tasks[1])])
