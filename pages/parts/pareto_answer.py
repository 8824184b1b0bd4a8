"""What a budget buys, in words: the method, what it gains, a cheaper one that is as good, and its groups."""

import json
from typing import Any

import pandas as pd
import streamlit as st

from gradtag_core.csv_text import csv_text
from gradtag_core.evaluation.pareto import ERROR_TITLES, MethodRecord, paired_difference
from gradtag_core.evaluation.pareto_axis import Axis, PricedMethod, cheapest_alike
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.study_record import StudyRecord
from pages.parts.pareto_picker import View
from pages.parts.quantities import flops_text, plain, seconds_text, task_chips

NAIVE = "naive_mtl"
MOST_LISTED = 40  # groups; all of them are in the files


def cost_text(cost: float, axis: Axis) -> str:
    if axis == "flops":
        return flops_text(cost)
    return seconds_text(cost) if axis == "seconds" and cost >= 0.95 else f"{cost:.3g} {UNITS[axis]}"


UNITS: dict[Axis, str] = {"flops": "FLOP", "seconds": "s", "gpu_hours": "GPU-hours"}


def show_words(
    row: RunRow,
    record: StudyRecord,
    view: View,
    methods: list[PricedMethod],
    best: PricedMethod,
    budget: float,
) -> None:
    """The recommendation, and below it the groups to train."""
    with st.container(key="recommendation"):
        st.markdown(f"{_within(record, view, budget)}: train with **{plain(best.record.title)}**.")
        st.markdown(_found(record, view, best))
        alike = cheapest_alike(methods, best)
        if alike.record.method != best.record.method:
            st.markdown(
                f"The cheapest method within one standard error of it is **{plain(alike.record.title)}**: error "
                f"{error_text(alike.record)} for {cost_text(alike.cost, view.axis)} in place of "
                f"{cost_text(best.cost, view.axis)}."
            )
    _show_groups(row, record, best)


def error_text(record: MethodRecord) -> str:
    return f"{record.error:.4f}" + ("" if record.error_se is None else f" ± {record.error_se:.4f}")


def _within(record: StudyRecord, view: View, budget: float) -> str:
    trainings = ""
    if view.axis == "flops" and record.summary.naive_flops > 0:
        trainings = f" ({budget / record.summary.naive_flops:,.3g} naive trainings)"
    return f"Within **{cost_text(budget, view.axis)}**{trainings}"


def _found(record: StudyRecord, view: View, best: PricedMethod) -> str:
    """The error, and the difference to naive multitask training, seed by seed."""
    found = f"Error {error_text(best.record)} ({ERROR_TITLES[view.metric]})"
    if best.record.method == NAIVE or NAIVE not in record.results:
        return f"{found}, for {cost_text(best.cost, view.axis)}."
    results = {name: list(own.values()) for name, own in record.results.items()}
    gain, error = paired_difference(results, best.record.method, NAIVE, view.metric)
    size = f"{abs(gain):.4f}" + ("" if error is None else f" ± {error:.4f}")
    pairs = min(len(results[best.record.method]), len(results[NAIVE]))
    how = "paired over seeds" if pairs > 1 else "one seed"
    words = f"{found}, {size} {'lower' if gain > 0 else 'higher'} than naive multitask ({how})."
    if error is None or abs(gain) < 2 * error:
        words += " That may be noise: " + (
            "one seed cannot tell." if error is None else "it is less than two standard errors."
        )
    return words


def _show_groups(row: RunRow, record: StudyRecord, best: PricedMethod) -> None:
    """The groups of the first seed, and files of them."""
    method = best.record.method
    groups = record.groups(method)
    if groups is None:
        st.caption("It trains no groups: one model, or one classifier per task, serves all tasks.")
        return
    if len(groups) == 1:
        st.caption("It trains one model on all tasks.")
        return
    if all(len(group) == 1 for group in groups):
        st.caption("It trains one model for each task.")
        return
    seed, _ = next(iter(record.results[method].items()))
    st.markdown(f"**Its groups** (seed {seed})")
    lines = [f"{number}. {task_chips(names)}" for number, names in enumerate(groups[:MOST_LISTED], start=1)]
    st.markdown("\n".join(lines))
    if len(groups) > MOST_LISTED:
        st.caption(f"{len(groups) - MOST_LISTED} more are in the files.")
    if _overlap(groups):
        st.caption("Groups overlap: the files say which one serves a task.")
    rows = group_rows(record, method)
    with st.container(horizontal=True):
        st.download_button(
            "Groups (CSV)", lambda: csv_text(pd.DataFrame(rows), index=False), f"{row.id}-{method}-groups.csv",
            "text/csv", icon=":material/download:", on_click="ignore", key="groups_csv",
            help="One line per task of a group.",
        )  # fmt: skip
        st.download_button(
            "Groups (JSON)", lambda: json.dumps({"method": method, "seed": seed, "groups": groups}, indent=2),
            f"{row.id}-{method}-groups.json", "application/json", icon=":material/download:", on_click="ignore",
            key="groups_json",
        )  # fmt: skip


def _overlap(groups: list[list[str]]) -> bool:
    return sum(map(len, groups)) > len({task for group in groups for task in group})


def group_rows(record: StudyRecord, method: str) -> list[dict[str, Any]]:
    """A line per group and task of a method's first seed: `serves` tells whether the task is scored by that group."""
    result = next(iter(record.results[method].values()))
    served = result.served_by
    return [
        {
            "task": record.summary.task_names[task],
            "group": number + 1,
            "serves": served is None or int(served[task]) == number,
        }
        for number, group in enumerate(result.groups or ())
        for task in group
    ]
