"""Matrices as CSV files that the app, the library and a spreadsheet can read."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from gradtag_core.csv_text import csv_text

TEMPLATE = "task,apples,pears,plums\napples,0.80,0.82,0.79\npears,0.71,0.70,0.69\nplums,0.64,0.66,0.67\n"


def matrix_table(values: np.ndarray, task_names: Sequence[str]) -> pd.DataFrame:
    """(n, n) values, row = evaluated task, with the task names on both sides."""
    return pd.DataFrame(values, index=pd.Index(list(task_names), name="task"), columns=list(task_names))


def matrix_button(label: str, values: np.ndarray, task_names: Sequence[str], name: str) -> None:
    """A button that downloads (n, n) values with the task names; unknown cells stay empty."""
    frame = matrix_table(values, task_names)
    st.download_button(
        f"{label} (CSV)", lambda: csv_text(frame), f"{name}.csv", "text/csv",
        icon=":material/download:", on_click="ignore", key=f"download_{label}",
    )  # fmt: skip
