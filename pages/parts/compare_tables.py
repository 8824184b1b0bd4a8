"""The parameters and the figures of the compared runs, a column each."""

import pandas as pd
import streamlit as st

from gradtag_core.config import RunConfig
from gradtag_core.evaluation.run_comparison import parameters, with_error
from gradtag_core.sweep_config import value_text
from pages.parts.compare_runs import Shown, difference_of
from pages.parts.quantities import flops_text, seconds_text
from pages.parts.tables import table_height

AGAINST = ("Row Spearman with A", "Adjusted Rand with A", "Tasks moved from A")


@st.fragment
def show_parameters(configs: list[RunConfig], titles: list[str]) -> None:
    """What the runs were asked for; only what differs unless all is wanted."""
    st.header("Parameters")
    everything = st.toggle("Show parameters that agree, too", key="all_parameters")
    listed = parameters(configs, everything=everything)
    if not listed:
        st.caption("All parameters agree.")
        return
    table = pd.DataFrame(
        [["≠" if found.differs else "", found.title, *map(value_text, found.values)] for found in listed],
        columns=["≠", "Parameter", *titles],
    )
    st.dataframe(
        table if everything else table.drop(columns="≠"), hide_index=True, width="stretch",
        height="auto" if everything else table_height(table),
        alt="The parameters of each run." if everything else "The parameters that differ between the runs.",
        column_config={"≠": st.column_config.TextColumn(width="small", help="Marked where the runs differ.")},
    )  # fmt: skip
    if not everything:
        st.caption(f"{len(listed)} differ; the others agree.")


def show_figures(runs: list[Shown]) -> None:
    """What each run found and cost."""
    st.header("Results")
    columns = {each.title: _texts(runs[0], each) for each in runs}
    names = list(next(iter(columns.values())))
    table = pd.DataFrame(
        {"Result": names, **{title: list(texts.values()) for title, texts in columns.items()}}
    )
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        height=table_height(table),
        alt="What each run found and cost.",
    )
    st.caption(
        "Row Spearman: against the run's own real training, ± one standard error over tasks; of the ceiling: as a "
        "share of the best that the noise of training allows. FLOPs: of the estimate. Computing time: of all stages, "
        "what an earlier run had done of them included. Gap: the share of the possible lead over a random grouping "
        "that may be missing. Gain: test scores of one model per group less those of one model for all. With A: how "
        "alike the affinities rank co-tasks, and how alike the groups are (1: the same)."
    )


def _texts(reference: Shown, each: Shown) -> dict[str, str]:
    figures = each.run.figures
    texts = figures.texts()
    if figures.flops is not None:
        texts["FLOPs"] = flops_text(figures.flops)
    if figures.seconds is not None:
        texts["Computing time"] = seconds_text(figures.seconds)
    if each is reference:
        return texts | dict.fromkeys(AGAINST, "")
    found = difference_of(reference, each)
    affinity, groups = found.affinity, found.groups
    return texts | {
        AGAINST[0]: with_error(affinity.row_spearman, affinity.row_spearman_standard_error, "{:.3f}"),
        AGAINST[1]: f"{groups.adjusted_rand:.2f}" if groups else "–",
        AGAINST[2]: f"{int(groups.moved.sum())} of {len(groups.task_names)}" if groups else "–",
    }
