"""Groupings as files."""

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from gradtag_core.csv_text import csv_text
from gradtag_core.grouping.result import Grouping


def grouping_buttons(grouping: Grouping, name: str, stability: np.ndarray | None = None) -> None:
    """Downloads of a grouping as CSV and JSON; `stability`: (n,) of the tasks, where it is known."""
    file = re.sub(r"\W+", "-", name).strip("-").lower() or "groups"
    with st.container(horizontal=True):
        st.download_button(
            "Groups (CSV)", lambda: groups_csv(grouping, stability), f"{file}.csv", "text/csv", key=f"csv_{name}",
            icon=":material/download:", on_click="ignore", help="One line per task with its group.",
        )  # fmt: skip
        st.download_button(
            "Groups (JSON)", lambda: groups_json(grouping, stability), f"{file}.json", "application/json",
            key=f"json_{name}", icon=":material/download:", on_click="ignore",
            help="Groups, bound, gap and status.",
        )  # fmt: skip


def groups_csv(grouping: Grouping, stability: np.ndarray | None) -> str:
    columns: dict[str, Any] = {"task": grouping.task_names, "group": grouping.labels + 1}
    if stability is not None:
        columns["stability"] = stability
    return csv_text(pd.DataFrame(columns), index=False)


def groups_json(grouping: Grouping, stability: np.ndarray | None) -> str:
    values = grouping.to_json()
    if stability is not None:
        values["task_stability"] = [None if np.isnan(share) else float(share) for share in stability]
    return json.dumps(values, indent=2, allow_nan=False)
