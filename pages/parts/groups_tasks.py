"""Every task in its group."""

import numpy as np
import pandas as pd
import streamlit as st

from gradtag_core.grouping.consensus import item_consensus
from gradtag_core.grouping.density import move_gains
from gradtag_core.grouping.edit import task_scores
from gradtag_core.grouping.result import Grouping
from pages.parts.groups_stability import Bootstrapped, stabilities
from pages.parts.solver import Matrix


def show_tasks(matrix: Matrix, grouping: Grouping, source: Bootstrapped | None) -> None:
    """A line per task: its score, how firmly it holds, and the second-best group."""
    labels = grouping.labels
    table = pd.DataFrame(
        {
            "Task": matrix.task_names,
            "Group": labels + 1,
            "Predicted score": task_scores(matrix.values, labels),
        }
    )
    stability = stabilities().ready((source.key, grouping.n_groups)) if source else None
    if stability is not None:
        table["Stability"] = 100 * item_consensus(stability.consensus, labels)
    if grouping.n_groups > 1:
        changes = move_gains(matrix.values, labels)
        changes[np.arange(len(labels)), labels] = -np.inf
        best = changes.max(axis=1)
        table["Next group"] = np.where(np.isfinite(best), (changes.argmax(axis=1) + 1).astype(str), "–")
        table["Cost of moving there"] = np.where(np.isfinite(best), -best, np.nan)
    number = st.column_config.NumberColumn
    st.dataframe(
        table, hide_index=True, width="stretch", placeholder="–", alt="Every task with its group and its scores.",
        column_config={
            "Predicted score": number(format="%.4f", help="Mean estimated affinity over the task's group, itself "
            "included; over all tasks these add up to the density."),
            "Stability": st.column_config.ProgressColumn(
                min_value=0, max_value=100, format="%.0f %%",
                help="How often the task meets the others of its group again when subsets and initialisations are "
                "drawn anew. None for a task alone."),
            "Next group": st.column_config.TextColumn(help="Where a move costs the least density."),
            "Cost of moving there": number(format="%.4f", help="Density lost; below zero the move would gain."),
        },
    )  # fmt: skip
