"""The groups of an affinity matrix, for a run or for an uploaded file: sliders that answer at once."""

import json
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd
import streamlit as st

from gradtag_core.config import Rounding
from gradtag_core.figures.heatmap import affinity_heatmap
from gradtag_core.figures.order import task_order
from gradtag_core.grouping.density import group_densities
from gradtag_core.grouping.result import Grouping, Status
from pages.parts.charts import draw
from pages.parts.errors import shown_errors
from pages.parts.knobs import CHOICE_TITLES, help_text
from pages.parts.quantities import task_chips
from pages.parts.solver import grouping_of
from pages.parts.state import theme

THRESHOLDS = 46
MOST_DRAWN = 500
STATUS_WORDS: dict[Status, str] = {
    "optimal": "Proven optimal: no other grouping into as many groups is denser.",
    "solved": "The relaxation is solved; whether these groups are the best is not proven.",
    "solved_inaccurate": "The solver stopped early; the bound still holds.",
    "failed": "The solver gave no solution; the groups come from a simpler relaxation. The bound still holds.",
    "heuristic": "Found by a search without the relaxation, whose bound would be tighter.",
    "count_missed": "The threshold forms another number of groups than asked; the spectral rounding never does.",
}


@dataclass(frozen=True)
class Affinities:
    """What is grouped: `subject` names the run or file, `source` the content of `values` (n, n) for the cache."""

    subject: str
    source: str
    values: np.ndarray
    task_names: tuple[str, ...]
    default_k: int


@st.fragment
def show_groups(affinities: Affinities) -> None:
    """Sliders, the map in group order, the groups and how good they are; only this part answers to a slider."""
    with shown_errors():
        grouping = _choose(affinities)
        left, right = st.columns([3, 2], gap="medium")
        with right:  # first, since it reaches the browser before the map is made
            _show_quality(grouping)
            _show_table(affinities, grouping)
        with left:
            _show_map(affinities, grouping)


def _show_map(affinities: Affinities, grouping: Grouping) -> None:
    if len(affinities.task_names) > MOST_DRAWN:
        st.info(f"A map of more than {MOST_DRAWN} tasks is not drawn.")
        return
    order = task_order("group", affinities.values, affinities.task_names, grouping.labels)
    figure = affinity_heatmap(
        affinities.values,
        affinities.task_names,
        order=order,
        group_labels=grouping.labels,
        theme=theme(),
    )
    draw(
        figure, key="grouped_affinities",
        alt=f"Affinity of {len(affinities.task_names)} tasks in {grouping.n_groups} groups.",
        caption="Row = evaluated task, column = co-task; frames are groups. Orange: the co-task raises the "
        "score above the task's own mean.",
    )  # fmt: skip


def _choose(affinities: Affinities) -> Grouping:
    with st.grid(3, min_column_width=220):
        k = _pick_k(affinities)
        rounding: Rounding = st.selectbox(
            "Rounding", get_args(Rounding), key="rounding", bind="query-params", help=help_text("rounding"),
            format_func=lambda name: CHOICE_TITLES["rounding"][name],
        ) or "spectral"  # fmt: skip
        threshold = _pick_threshold(affinities) if rounding == "threshold" else None
    return grouping_of(affinities.source, affinities.values, affinities.task_names, k, rounding, threshold)


def _pick_k(affinities: Affinities) -> int:
    """The number of groups: kept for each subject, and in the address."""
    n_tasks = len(affinities.task_names)
    if n_tasks == 1:
        return 1
    asked = st.query_params.get("k", "")
    first = int(asked) if asked.isdecimal() and 1 <= int(asked) <= n_tasks else affinities.default_k
    key = f"k_{affinities.subject}"
    k = st.slider(
        "Groups (k)", 1, n_tasks, first, key=key, persist_state="session", help=help_text("n_groups")
    )
    if asked != str(k):
        st.query_params["k"] = str(k)
    return k


def forget_k() -> None:
    """The number of groups in the address is that of the run or file before."""
    st.query_params.pop("k", None)


def _pick_threshold(affinities: Affinities) -> float | None:
    n_tasks = len(affinities.task_names)
    values = np.linspace(1 / n_tasks, min(1.0, 10 / n_tasks), THRESHOLDS)
    searched = "searched"
    chosen = st.select_slider(
        "Rounding threshold (λ)", [searched, *(f"{value:.4f}" for value in values)],
        key=f"threshold_{affinities.subject}", help=help_text("rounding_threshold"),
    )  # fmt: skip
    return None if chosen == searched else min(1.0, float(chosen))


def _show_quality(grouping: Grouping) -> None:
    figures = (
        ("Density", grouping.density, "Per group, the sum of the affinities inside it over its size; summed over "
         "groups (paper, section 4)."),
        ("Upper bound", grouping.upper_bound, "No grouping into as many groups has a larger density: proven by "
         "duality."),
        ("Random grouping", grouping.random_density, "The mean density of a random grouping into as many groups."),
    )  # fmt: skip
    with st.container(horizontal=True, gap="medium"):
        for label, value, meaning in figures:
            st.metric(label, f"{value:#.5g}", width="content", help=meaning)
    st.markdown(f"{quality_words(grouping)} {STATUS_WORDS[grouping.status]}")


def quality_words(grouping: Grouping) -> str:
    """The gap in a sentence."""
    groups = f"{grouping.n_groups} group" + "s" * (grouping.n_groups > 1)
    if grouping.threshold is not None:
        groups += f" by a threshold of {grouping.threshold:.3g}"
    if grouping.n_groups in (1, len(grouping.labels)):
        return f"{groups}: there is only one such grouping."
    return (
        f"{groups}, with at least **{100 * (1 - grouping.gap):.1f} %** of the largest lead "
        "over a random grouping that any grouping into as many groups can have."
    )


def _show_table(affinities: Affinities, grouping: Grouping) -> None:
    densities = group_densities(affinities.values, grouping.labels)
    table = pd.DataFrame(
        {
            "Group": [str(number) for number in range(1, grouping.n_groups + 1)],
            "Tasks": [task_chips(names) for names in grouping.groups],
            "Size": [str(len(names)) for names in grouping.groups],
            "Density": [f"{density:.3f}" for density in densities],
        }
    )
    st.table(table.set_index("Group"), border="horizontal")
    assigned = pd.DataFrame({"task": grouping.task_names, "group": grouping.labels + 1})
    with st.container(horizontal=True):
        st.download_button(
            "Groups (CSV)", assigned.to_csv(index=False), "groups.csv", "text/csv", icon=":material/download:",
            on_click="ignore", help="One line per task with its group.",
        )  # fmt: skip
        st.download_button(
            "Groups (JSON)", json.dumps(grouping.to_json(), indent=2), "groups.json", "application/json",
            icon=":material/download:", on_click="ignore", help="Groups, bound, gap and status.",
        )  # fmt: skip
