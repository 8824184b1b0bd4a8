"""Which tasks change their group from the reference to another run."""

import pandas as pd
import streamlit as st

from gradtag_core.evaluation.group_changes import GroupChanges
from gradtag_core.evaluation.run_comparison import RunDifference
from gradtag_core.figures.group_flow import group_flow
from pages.parts.charts import draw
from pages.parts.compare_runs import Shown
from pages.parts.state import theme


def show_group_changes(found: RunDifference, reference: Shown, other: Shown) -> None:
    """Who went where, as a figure and as a table."""
    st.header("Groups")
    changes = found.groups
    if changes is None:
        st.caption("One of the two runs has no groups.")
        return
    n_moved = int(changes.moved.sum())
    st.markdown(
        f"**{n_moved} of {len(changes.task_names)}** tasks are in another group than in A; the adjusted Rand index is "
        f"**{changes.adjusted_rand:.2f}** (1: the same groups, 0: chance). Groups are paired so that the fewest tasks "
        "move."
    )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        draw(
            group_flow(changes, reference.title, other.title, theme=theme()), key="group_flow",
            alt=f"Flow of {len(changes.task_names)} tasks from the groups of A to those of {other.letter}; {n_moved} "
            "leave the partner of their group.",
            caption="Grey: tasks that stay with their group; orange: tasks that moved. Point at a band to see whom it "
            "holds.",
            table=lambda: group_table(changes, other.letter, moved_only=False),
        )  # fmt: skip
    with right:
        if n_moved:
            st.dataframe(
                group_table(changes, other.letter), hide_index=True, width="stretch", alt="The tasks that moved.",
            )  # fmt: skip
        else:
            st.caption("No task moved.")


def group_table(changes: GroupChanges, letter: str, moved_only: bool = True) -> pd.DataFrame:
    """The group of each task in both runs."""
    table = pd.DataFrame(
        {
            "Task": changes.task_names,
            "Group in A": changes.reference + 1,
            f"Group in {letter}": [changes.destination(group) for group in changes.other.tolist()],
            "Moved": changes.moved,
        }
    )
    return table.loc[table["Moved"], list(table.columns[:-1])] if moved_only else table
