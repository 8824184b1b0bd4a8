"""How far an estimate can be trusted: the table, the charts, and how to get them."""

import pandas as pd
import streamlit as st

from gradtag_core.evaluation.comparison import Comparison, Line
from gradtag_core.figures.accuracy import LINE_TITLES, reference_lines, spearman_bars
from gradtag_core.runs.command import command_line, is_call_in_code
from gradtag_core.runs.record import RunRecord
from pages.parts import knobs
from pages.parts.charts import draw
from pages.parts.state import theme

TRUTH_SUBSETS = 100
LINE = "Line"  # the column that names them


def show_agreement(comparison: Comparison, metric_title: str) -> None:
    """The estimate against real training, beside the lines that tell what the figures are worth."""
    estimate = comparison.estimate.agreement
    share = comparison.estimate.row_spearman_fraction
    ceiling = (
        ""
        if comparison.ceiling is None or share is None
        else f" That is **{share:.0%}** of {comparison.ceiling:.2f}, the ceiling that the noise of training sets."
    )
    st.markdown(
        f"Against {comparison.n_truth_subsets:,} really trained subsets on {len(comparison.truth_seeds)} seeds, the "
        f"estimate ranks the co-tasks of a task with a Spearman correlation of **{estimate.row_spearman:.2f} ± "
        f"{estimate.row_spearman_standard_error:.2f}** ({metric_title}, mean over tasks).{ceiling}"
    )
    lines = {"estimate": comparison.estimate, **comparison.lines}
    table = pd.DataFrame(
        [{LINE: title, **_cells(lines[name])} for name, title in LINE_TITLES.items() if name in lines]
    )
    number = st.column_config.NumberColumn
    formats = {name: number(format="%.3f") for name in table.columns if name != LINE}
    formats |= {name: number(format="%.1f %%") for name in ("Share of the ceiling", "FLOPs")}
    formats["Distance²"] = number(format="%.5f")
    st.dataframe(table, hide_index=True, width="stretch", column_config=formats)
    st.caption(
        "FLOPs: relative to training every subset for real. Judge by row Spearman. Column Spearman and the distances "
        "mostly measure how hard each task is: the constant predictor, which knows nothing about transfer, nearly "
        "meets them."
    )
    _show_charts(comparison, table)


def _show_charts(comparison: Comparison, lines: pd.DataFrame) -> None:
    names = comparison.estimated.task_names
    left, right = st.columns(2, gap="medium")
    with left:
        draw(
            reference_lines(comparison, theme=theme()), key="reference_lines",
            alt="Row Spearman of the estimate and of the reference lines.",
            caption="Further right is better; lines are one standard error over tasks.",
            table=lambda: lines,
        )  # fmt: skip
    with right:
        draw(
            spearman_bars(comparison.by_task, names, ceiling=comparison.ceiling, theme=theme()), key="spearman_bars",
            alt="Row Spearman of each task.", caption="How well each task's co-tasks are ranked; 0 is a random order.",
            table=lambda: pd.DataFrame({"task": names, "row_spearman": comparison.by_task}),
        )  # fmt: skip


def _cells(line: Line) -> dict[str, float | None]:
    return {
        "Row Spearman": line.agreement.row_spearman,
        "± s.e.": line.agreement.row_spearman_standard_error,
        "Share of the ceiling": None
        if line.row_spearman_fraction is None
        else 100 * line.row_spearman_fraction,
        "FLOPs": 100 * line.flops_ratio,
        "Column Spearman": line.agreement.column_spearman,
        "Distance": line.agreement.distance,
        "Distance²": line.agreement.distance_squared,
    }


def show_how_to_get_truth(record: RunRecord) -> None:
    """What real training would show, and how to get it."""
    st.header("True")
    st.markdown(
        "This run trained no subsets for real, so nothing here tells how good the estimate is. Real training of some "
        "of its subsets on two seeds shows the true affinities, the difference and the noise ceiling; the finished "
        "estimate is not computed again."
    )
    n_subsets = len(record.estimated.subsets) if record.estimated else TRUTH_SUBSETS
    config = record.config.model_copy(update={"truth": min(TRUTH_SUBSETS, n_subsets)})
    if is_call_in_code(record.summary.command):
        st.markdown(
            "It began in code, with a suite or a model that is not stored: call `gradtag_core.run` again there, with "
            f"`truth={config.truth}` in the configuration."
        )
        return
    st.code(command_line(config), language="bash", wrap_lines=True)
    if st.button("Estimate with real training", icon=":material/play_circle:"):
        knobs.fill(config.model_dump())
        st.switch_page("pages/estimate.py", query_params={})  # None refuses bound parameters
