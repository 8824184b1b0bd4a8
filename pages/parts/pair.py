"""Two tasks in detail: what each does for the other."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.config import METRIC_TITLES
from gradtag_core.figures.relative import relative_to_task_mean

FIRST, SECOND = "pair_first", "pair_second"


def select_pair(chart: str, task_names: Sequence[str]) -> None:
    """Take the pair from the selected point of a map; a click beside the cells changes nothing."""
    points = st.session_state[chart].selection.points
    if points:
        evaluated, co_task = (int(index) for index in points[0]["customdata"][:2])
        st.session_state[FIRST], st.session_state[SECOND] = task_names[evaluated], task_names[co_task]


def show_pair(estimated: AffinityMatrix, true: AffinityMatrix | None) -> None:
    """Both directions of a pair, picked by clicking a map or by name."""
    names = estimated.task_names
    for key, position in ((FIRST, 0), (SECOND, 1)):
        if st.session_state.get(key) not in names:
            st.session_state[key] = names[position]
    st.subheader("A pair of tasks")
    with st.grid(2, min_column_width=220):
        first = st.selectbox("Task", names, key=FIRST, help="Or click a cell of a map.")
        second = st.selectbox("Other task", names, key=SECOND)
    if first == second:
        st.caption("Choose two different tasks.")
        return
    i, j = names.index(first), names.index(second)
    relative = relative_to_task_mean(estimated.values)
    st.markdown(_sentence(relative[i, j], relative[j, i], METRIC_TITLES[estimated.metric]))
    rows = [_direction(estimated, true, relative, *cell) for cell in ((i, j), (j, i))]
    number = st.column_config.NumberColumn
    columns = {
        name: number(format="%+.4f" if "mean" in name else "%.4f") for name in rows[0] if name not in TEXTS
    }
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", column_config=columns)


TEXTS = ("Evaluated task", "Co-task", "Subsets", "Real subsets")


def _direction(
    estimated: AffinityMatrix, true: AffinityMatrix | None, relative: np.ndarray, i: int, j: int
) -> dict[str, str | float]:
    line: dict[str, str | float] = {
        "Evaluated task": estimated.task_names[i],
        "Co-task": estimated.task_names[j],
        "Affinity": estimated.values[i, j],
        "Against the task's mean": relative[i, j],
        "Standard error": estimated.standard_errors[i, j],
        "Subsets": int(estimated.counts[i, j]),
    }
    if true is not None:
        line |= {
            "True affinity": true.values[i, j],
            "True, against the task's mean": relative_to_task_mean(true.values)[i, j],
            "True, standard error": true.standard_errors[i, j],
            "Real subsets": int(true.counts[i, j]),
        }
    return line


def _sentence(first: float, second: float, metric: str) -> str:
    if first > 0 and second > 0:
        return f"By the estimate, both reach more {metric} together than with their average co-task."
    if first < 0 and second < 0:
        return f"By the estimate, both reach less {metric} together than with their average co-task."
    return "By the estimate, one of them gains from the other and the other one does not."
