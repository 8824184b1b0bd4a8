"""The sliders and switches that decide the groups."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from gradtag_core.config import Rounding
from gradtag_core.errors import InvalidInput
from pages.parts.groups_constraints import pick_constraints
from pages.parts.knobs import CHOICE_TITLES, help_text
from pages.parts.solver import RELAXED_UNASKED, Matrix, Problem
from pages.parts.state import tell_refused

if TYPE_CHECKING:
    from gradtag_core.grouping.cluster import Method

THRESHOLDS = 46
METHOD_TITLES: dict["Method", str] = {
    "auto": "automatic",
    "sdp": "relaxation (SDP)",
    "local": "local search",
    "spectral": "spectral clustering",
    "lloyd": "Lloyd's k-means",
    "milp": "exact program",
}
METHOD_HELP = (
    f"Automatic: the relaxation up to {RELAXED_UNASKED} tasks and the local search above; under constraints the exact "
    "program where its candidate groups fit, else a search that keeps to them. Spectral clustering and Lloyd's k-means "
    "are the paper's comparisons (section 4)."
)


def pick_problem(subject: str, default_k: int, matrix: Matrix) -> Problem:
    """Draw the controls; raises `InvalidInput` for constraints that cannot be read."""
    with st.grid(4, min_column_width=200):
        k = _pick_k(subject, default_k, matrix.n_tasks)
        method: Method = st.selectbox(
            "Method", list(METHOD_TITLES), key="method", bind="query-params", help=METHOD_HELP,
            format_func=lambda name: METHOD_TITLES[name],
        ) or "auto"  # fmt: skip
        rounding: Rounding = "spectral"
        if method in ("auto", "sdp"):
            titles = CHOICE_TITLES["rounding"]
            rounding = st.selectbox(
                "Rounding", list(titles), key="rounding", bind="query-params", help=help_text("rounding"),
                format_func=lambda name: titles[name],
            ) or "spectral"  # fmt: skip
        threshold = _pick_threshold(subject, matrix.n_tasks) if rounding == "threshold" else None
    constraints = pick_constraints(subject, matrix.task_names)
    if constraints and (method not in ("auto", "milp") or rounding == "threshold"):
        what = "The threshold rounding" if rounding == "threshold" else f"“{METHOD_TITLES[method]}”"
        raise InvalidInput(f"{what} knows no constraints: choose another, or reset the constraints.")
    return Problem(k, method, rounding, threshold, constraints)


def _pick_k(subject: str, default_k: int, n_tasks: int) -> int:
    """The number of groups: kept for each subject, and in the address."""
    if n_tasks == 1:
        return 1
    asked = st.query_params.get("k", "")
    possible = asked.isdecimal() and 1 <= int(asked) <= n_tasks
    if asked and not possible:
        tell_refused("k", asked, f"{n_tasks} tasks make 1 to {n_tasks} groups")
    first = int(asked) if possible else default_k
    k = st.slider(
        "Groups (k)",
        1,
        n_tasks,
        first,
        key=f"k_{subject}",
        persist_state="session",
        help=help_text("n_groups"),
    )
    if asked != str(k):
        st.query_params["k"] = str(k)
    return k


def forget_k() -> None:
    """The number of groups in the address is that of the run or file before."""
    st.query_params.pop("k", None)


def _pick_threshold(subject: str, n_tasks: int) -> float | None:
    values = np.linspace(1 / n_tasks, min(1.0, 10 / n_tasks), THRESHOLDS)
    searched = "searched"
    chosen = st.select_slider(
        "Rounding threshold (λ)", [searched, *(f"{value:.4f}" for value in values)],
        key=f"threshold_{subject}", help=help_text("rounding_threshold"),
    )  # fmt: skip
    return None if chosen == searched else min(1.0, float(chosen))
