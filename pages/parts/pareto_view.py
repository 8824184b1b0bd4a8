"""The plot, the budget slider, and what the budget buys, in words; only this part answers to the slider."""

from typing import Any

import pandas as pd
import streamlit as st

from gradtag_core.evaluation.pareto import ERROR_TITLES
from gradtag_core.evaluation.pareto_axis import PricedMethod, best_priced, budgets
from gradtag_core.figures.pareto import names_style, pareto_figure
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.study_record import StudyRecord
from pages.parts.charts import draw
from pages.parts.errors import shown_errors
from pages.parts.pareto_answer import cost_text, show_words
from pages.parts.pareto_picker import View
from pages.parts.pareto_records import study_of
from pages.parts.state import theme

PLOT = "pareto_plot"
STYLE = f""".st-key-{PLOT} [data-testid=stFullScreenFrame] {{ container-type: inline-size }}
{names_style(f".st-key-{PLOT}")}"""
CAPTION = (
    "The line is the front: no measured method has less error for as little. Other methods are pale. Bars are ± one "
    "standard error over training seeds, not over splits, and the front goes by test errors, so the best of many "
    "looks a little better than it is."
)


@st.fragment
def show_answer(row: RunRow, view: View) -> None:
    with shown_errors():
        record = study_of(row)
        if record is None:
            return
        methods = view.priced(record)
        left, right = st.columns([2, 1], gap="medium")
        with left:
            budget = _pick_budget(row, methods, view)
        best = best_priced(methods, budget)
        with right:  # first, since it reaches the browser before the plot is made
            show_words(row, record, view, methods, best, budget)
        with left:
            _show_plot(record, view, methods, best, budget)


def _pick_budget(row: RunRow, methods: list[PricedMethod], view: View) -> float:
    """At first the least that buys the smallest error, which changes while results come; what the user chooses instead
    is kept for each study and axis, and in the address."""
    measured = [method for method in methods if not method.record.estimated]
    choices = budgets(method.cost for method in (measured or methods))
    asked = st.query_params.get("budget", "")
    default = next(choice for choice in choices if choice >= best_priced(methods, choices[-1]).cost)
    first = next((choice for choice in choices if f"{choice:g}" == asked), default)
    key = f"budget_{row.id}_{view.axis}_{view.teraflops:g}_{default:g}"
    if st.session_state.get(key, first) not in choices:
        del st.session_state[key]
    budget = st.select_slider(
        "Budget for one seed", choices, first, key=key, format_func=lambda cost: cost_text(cost, view.axis),
        persist_state="session",
        help="All that a method may compute: its search and the training of what it found.",
    )  # fmt: skip
    if budget == default:
        st.query_params.pop("budget", None)
    elif asked != f"{budget:g}":
        st.query_params["budget"] = f"{budget:g}"
    return budget


def _show_plot(
    record: StudyRecord, view: View, methods: list[PricedMethod], best: PricedMethod, budget: float
) -> None:
    figure = pareto_figure(
        methods, axis=view.axis, error_title=ERROR_TITLES[view.metric], naive_flops=record.summary.naive_flops,
        n_groups=numbers_of_groups(record), budget=budget, recommended=best.record.method, every_width=True,
        theme=theme(),
    )  # fmt: skip
    front = ", ".join(method.record.title for method in methods if method.on_front)
    st.html(f"<style>{STYLE}</style>")
    with st.container(key=PLOT):
        draw(
            figure, key="pareto",
            alt=f"Error of {len(methods)} methods against what each computes. On the front, the cheapest first: "
            f"{front}. Within the budget: {best.record.title}.",
            caption=CAPTION, table=lambda: pd.DataFrame(method_rows(record, methods)),
        )  # fmt: skip


def method_rows(record: StudyRecord, methods: list[PricedMethod]) -> list[dict[str, Any]]:
    """The records in full precision; `on_front` is that of the chosen axis."""
    naive = record.summary.naive_flops
    return [
        {
            **method.record.to_json(),
            "on_front": method.on_front,
            "naive_trainings": method.record.flops / naive if naive else None,
        }
        for method in methods
    ]


def numbers_of_groups(record: StudyRecord) -> dict[str, int | None]:
    groups = {method: record.groups(method) for method in record.results}
    return {method: None if found is None else len(found) for method, found in groups.items()}
