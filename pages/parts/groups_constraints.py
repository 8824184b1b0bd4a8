"""What the groups must satisfy: sizes, pairs of tasks, and costs."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from gradtag_core.grouping.constraints import Constraints

TOGETHER, APART = "share a group", "do not share a group"
LIMITS = ("min_size", "max_size", "group_cost", "max_group_cost", "budget")
COST = 1.0

Pair = tuple[str, str, str]  # a task, how, another task


def pick_constraints(subject: str, task_names: Sequence[str]) -> Constraints:
    """Draw the constraints, folded away; those in force are named beside a button that drops them."""
    if len(task_names) == 1:
        return Constraints()
    with st.expander("Constraints", icon=":material/rule:", key="constraints"):
        with st.grid(min_column_width=150, vertical_alignment="bottom"):
            smallest = _whole("Smallest group", "min_size", subject, len(task_names), "1")
            largest = _whole("Largest group", "max_size", subject, len(task_names), "any size")
        together, apart = _pick_pairs(subject, task_names)
        costs = _pick_costs(subject, task_names)
    constraints = Constraints(smallest or 1, largest, together, apart, **costs)
    if constraints:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Constraints: {in_words(constraints)}.", width="content")
            st.button(
                "Reset", icon=":material/close:", type="tertiary", on_click=_forget, args=(subject,),
                key="forget_constraints", help="Drop all constraints.",
            )  # fmt: skip
    return constraints


def in_words(constraints: Constraints) -> str:
    """The constraints in force, one after the other."""
    sizes = (("at least", constraints.min_size), ("at most", constraints.max_size))
    words = [
        f"{limit} {size} task{'s' * (size > 1)} in a group" for limit, size in sizes
        if size not in (None, 1 if limit == "at least" else None)
    ]  # fmt: skip
    words += [f"{first} with {second}" for first, second in constraints.must_link]
    words += [f"{first} without {second}" for first, second in constraints.cannot_link]
    if constraints.max_group_cost is not None:
        words.append(f"a group costs at most {constraints.max_group_cost:g}")
    if constraints.budget is not None:
        words.append(f"all groups cost at most {constraints.budget:g}")
    return "; ".join(words)


def _pick_pairs(subject: str, task_names: Sequence[str]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Pairs are added by name and dropped like any chosen option."""
    known = set(task_names)
    pairs: list[Pair] = st.session_state.setdefault(f"pairs_{subject}", [])
    pairs[:] = [pair for pair in pairs if pair[0] in known and pair[2] in known]
    with st.grid(min_column_width=150, vertical_alignment="bottom"):
        first = st.selectbox("Task", task_names, key=f"link_first_{subject}")
        how = st.selectbox("must", (TOGETHER, APART), key=f"link_how_{subject}")
        second = st.selectbox("with", task_names, index=1, key=f"link_second_{subject}")
        st.button(
            "Add this pair", icon=":material/add:", disabled=first == second, width="stretch",
            on_click=_add, args=(subject, (first, how, second)), key=f"link_add_{subject}",
        )  # fmt: skip
    kept: list[Pair] = []
    if pairs:
        kept = st.multiselect(
            "Pairs in force", list(pairs), key=f"links_{subject}",
            format_func=lambda pair: f"{pair[0]} {'with' if pair[1] == TOGETHER else 'without'} {pair[2]}",
        )  # fmt: skip
    together, apart = (tuple((a, b) for a, how, b in kept if how == wanted) for wanted in (TOGETHER, APART))
    return together, apart


def _add(subject: str, pair: Pair) -> None:
    pairs = st.session_state.setdefault(f"pairs_{subject}", [])
    if pair not in pairs:
        pairs.append(pair)
    kept = st.session_state.setdefault(f"links_{subject}", [])
    if pair not in kept:
        st.session_state[f"links_{subject}"] = [*kept, pair]


def _pick_costs(subject: str, task_names: Sequence[str]) -> dict[str, Any]:
    """The costs of tasks and groups and their limits, where any limit is set."""
    with st.grid(min_column_width=150, vertical_alignment="bottom"):
        most = _number("Most a group may cost", "max_group_cost", subject, "no limit")
        budget = _number("Budget of all groups", "budget", subject, "no limit")
        fixed = _number("Cost of a group itself", "group_cost", subject, "0")
    if most is None and budget is None:
        st.caption("With a limit on cost, each task's cost, such as its memory, can be set here.")
        return {}
    table = st.data_editor(
        pd.DataFrame({"Task": list(task_names), "Cost": COST}), hide_index=True, disabled=["Task"], height=240,
        key=f"costs_{subject}",
        column_config={"Cost": st.column_config.NumberColumn(min_value=0.0, required=True)},
    )  # fmt: skip
    costs = tuple(float(cost) for cost in table["Cost"])
    return {"task_costs": costs, "group_cost": fixed or 0.0, "max_group_cost": most, "budget": budget}


def _whole(label: str, name: str, subject: str, most: int, empty: str) -> int | None:
    return st.number_input(
        label, min_value=1, max_value=most, value=None, step=1, placeholder=empty, key=f"{name}_{subject}"
    )


def _number(label: str, name: str, subject: str, empty: str) -> float | None:
    return st.number_input(
        label, min_value=0.0, value=None, step=1.0, format="%g", placeholder=empty, key=f"{name}_{subject}"
    )


def _forget(subject: str) -> None:
    for name in LIMITS:
        st.session_state[f"{name}_{subject}"] = None
    st.session_state[f"pairs_{subject}"] = []
    st.session_state[f"links_{subject}"] = []
