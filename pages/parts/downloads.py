"""Matrices as CSV files that the app, the library and a spreadsheet can read."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

TEMPLATE = "task,apples,pears,plums\napples,0.80,0.82,0.79\npears,0.71,0.70,0.69\nplums,0.64,0.66,0.67\n"


def matrix_button(label: str, values: np.ndarray, task_names: Sequence[str], name: str) -> None:
    """A button that downloads (n, n) values with the task names; unknown cells stay empty."""
    frame = pd.DataFrame(values, index=list(task_names), columns=list(task_names))
    st.download_button(
        f"{label} (CSV)", lambda: frame.to_csv(index_label="task"), f"{name}.csv", "text/csv",
        icon=":material/download:", on_click="ignore", key=f"download_{label}",
    )  # fmt: skip
