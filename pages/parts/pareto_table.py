"""Every method of a study as a line, files of them, and the methods that are missing."""

import json
import math
from typing import Any

import pandas as pd
import streamlit as st

from gradtag_core.csv_text import csv_text
from gradtag_core.evaluation.pareto import ERROR_TITLES
from gradtag_core.evaluation.pareto_axis import PricedMethod
from gradtag_core.figures.pareto import names_style, pareto_figure
from gradtag_core.methods.protocol import find_method
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.study_record import StudyRecord
from pages.parts.pareto_picker import View
from pages.parts.pareto_view import method_rows, numbers_of_groups
from pages.parts.quantities import PREFIXES, plain

# Plotly's own picture would hold the names of all widths.
PLAIN = {"displaylogo": False, "modeBarButtonsToRemove": ["toImage"]}
ROW, MOST_LINES = 35, 25  # pixels of a line of a table; lines without scrolling


def show_table(row: RunRow, record: StudyRecord, view: View) -> None:
    """The records and their downloads."""
    st.header("Methods")
    methods = view.priced(record)
    naive = record.summary.naive_flops
    power = max(0, math.floor(math.log10(min(method.record.flops for method in methods)) / 3))
    flops = f"{PREFIXES[power]}FLOP"
    table = pd.DataFrame(
        {
            "Method": [method.record.title for method in methods],
            "Error": [method.record.error for method in methods],
            "± s.e.": [method.record.error_se for method in methods],
            flops: [round(method.record.flops / 1000**power) for method in methods],
            "× naive": [method.record.flops / naive if naive else None for method in methods],
            "Seconds": [method.record.seconds for method in methods],
            "Peak MB": [method.record.peak_bytes / 1e6 for method in methods],
            "Seeds": [method.record.n_seeds for method in methods],
            "On front": [method.on_front for method in methods],
            "Search": ["estimated" if method.record.estimated else "measured" for method in methods],
        }
    )
    number = st.column_config.NumberColumn
    with st.container(key="methods_table"):
        st.dataframe(
            table, hide_index=True, width="stretch", height=ROW * (1 + min(len(table), MOST_LINES)) + 3,
            placeholder="–", alt="Error and cost of every method.",
            column_config={
                "Method": st.column_config.TextColumn(pinned=True, width=205),
                "Error": number(format="%.4f", help=f"{ERROR_TITLES[view.metric]}, mean over tasks and seeds."),
                "± s.e.": number(format="%.4f", help="Standard error over training seeds."),
                flops: number(format="localized", help="Of everything that one seed runs."),
                "× naive": number(format="%.1f", help="In trainings of one model for all tasks."),
                "Seconds": number(format="%.2f", help="On the machine that ran the study, mean over seeds."),
                "Peak MB": number(format="%.0f", help="The largest resident set of the process."),
                "On front": st.column_config.CheckboxColumn(help="On the chosen axis."),
                "Search": st.column_config.TextColumn(
                    help="Estimated: the search was too dear, so that a random sample was trained; its cost is charged "
                    "in full."),
            },
        )  # fmt: skip
    _downloads(row, record, view, methods)


def _downloads(row: RunRow, record: StudyRecord, view: View, methods: list[PricedMethod]) -> None:
    name = f"{row.id}-{view.metric}"

    def page() -> str:
        figure = pareto_figure(
            methods, axis=view.axis, error_title=ERROR_TITLES[view.metric], naive_flops=record.summary.naive_flops,
            n_groups=numbers_of_groups(record), every_width=True, title=plain_title(row),
        )  # fmt: skip
        text = figure.to_html(include_plotlyjs=True, config=PLAIN)
        return text.replace("</head>", f"<style>{names_style('.js-plotly-plot', '@media')}</style></head>", 1)

    with st.container(horizontal=True):
        st.download_button(
            "Methods (CSV)", lambda: csv_text(pd.DataFrame(method_rows(record, methods)), index=False), f"{name}.csv",
            "text/csv", icon=":material/download:", on_click="ignore", key="methods_csv",
        )  # fmt: skip
        st.download_button(
            "Methods (JSON)", lambda: json.dumps(_with_groups(record, methods), indent=2, allow_nan=False),
            f"{name}.json", "application/json", icon=":material/download:", on_click="ignore", key="methods_json",
            help="With the groups of each method.",
        )  # fmt: skip
        st.download_button(
            "Plot (HTML)", page, f"{name}.html", "text/html", icon=":material/download:", on_click="ignore",
            key="plot_html", help="One file that works offline.",
        )  # fmt: skip


def plain_title(row: RunRow) -> str:
    return row.name.replace("<", "&lt;")


def _with_groups(record: StudyRecord, methods: list[PricedMethod]) -> list[dict[str, Any]]:
    return [{**line, "groups": record.groups(line["method"])} for line in method_rows(record, methods)]


def show_left_out(record: StudyRecord) -> None:
    """The methods that do not apply, failed, or are still to come, with the reasons."""
    summary = record.summary
    if summary.failed:
        st.warning(f"{len(summary.failed)} of the methods failed; the reasons are below.")
    waiting = [name for name in summary.planned if name not in record.results and name not in summary.failed]
    missing = {**summary.failed, **summary.left_out}
    if not missing and not waiting:
        return
    with st.expander(f"Methods without results ({len(missing) + len(waiting)})", key="left_out"):
        lines = [f"- **{plain(find_method(name).title)}**: {reason}" for name, reason in missing.items()]
        lines += [f"- **{plain(find_method(name).title)}**: not run yet." for name in waiting]
        st.markdown("\n".join(lines))
