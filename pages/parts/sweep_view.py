"""The result surface of a sweep, and what it says in words."""

import streamlit as st

from gradtag_core.figures.sweep_surface import Cells, Knob, sweep_line, sweep_surface
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.sweep_measures import MEASURES, Measure, Surface
from gradtag_core.runs.sweep_record import SweepRecord
from pages.parts import knobs
from pages.parts.charts import draw
from pages.parts.quantities import flops_text, plain
from pages.parts.state import theme
from pages.parts.sweep_picker import CELL
from pages.parts.sweep_words import cell_values, cell_words, result_text

NOISE = (
    "★ best cell, framed. ≈ not told apart from it: less than two standard errors of the difference, task by task. "
    "± is the standard error over tasks; the dotted cell is the base."
)


def show_answer(record: SweepRecord, measure: Measure) -> None:
    """Which cell is the best, how many are as good, and the cheapest of them."""
    found, facts = record.surface(measure), MEASURES[measure]
    if found.best is not None and len(record.results) > 1:
        with st.container(key="sweep_answer"):
            st.markdown(_best(record, found, measure))
    if measure in ("row_spearman", "share_of_ceiling") and record.n_truths > 1:
        st.caption(
            f"The cells are judged by {record.n_truths} different sets of real trainings, because what is varied "
            "changes those too: differences between them are noisier than the ± says."
        )
    if "row_spearman" not in record.measures:
        st.caption(
            "No cell is judged by real training: start a sweep with really trained subsets to see which is right. "
            "They are trained once and shared by the cells."
        )
    elif facts.better and "seed" not in record.config.vary:
        st.caption(
            "The best of many looks better than it is: a sweep over the seed tells how far it scatters."
        )


def _best(record: SweepRecord, found: Surface, measure: Measure) -> str:
    values, results = cell_values(record), record.results
    best = found.best or 0
    words = (
        f"Best {MEASURES[measure].title}: **{plain(cell_words(values[best]))}**, "
        f"{result_text(results[best], measure)}."
    )
    if not found.alike:
        return f"{words} No other cell is as good, beyond two standard errors of the difference."
    several = len(found.alike) > 1
    many = f"{len(found.alike)} of the other {len(results) - 1} cells"
    words += f" {many} {'are' if several else 'is'} not told apart from it"
    cheapest = min((best, *found.alike), key=lambda index: results[index].flops)
    if cheapest == best or measure in ("flops", "seconds"):
        return f"{words}, and none of {'them' if several else 'the two'} is cheaper."
    return (
        f"{words}. The cheapest of them is **{plain(cell_words(values[cheapest]))}**: "
        f"{result_text(results[cheapest], measure)} for {flops_text(results[cheapest].flops)} in place of "
        f"{flops_text(results[best].flops)}."
    )


def show_surface(row: RunRow, record: SweepRecord, measure: Measure) -> None:
    """A map for two knobs, a line for one; a click picks the cell."""
    found, facts = record.surface(measure), MEASURES[measure]
    title = facts.title[0].upper() + facts.title[1:]
    texts = [
        "failed" if index in record.summary.failed else result_text(record.results.get(index), measure)
        for index in range(record.config.n_cells)
    ]
    cells = Cells(
        title, found.values, found.errors, texts, found.best, found.alike, record.summary.base, facts.signed
    )
    axes = [
        Knob(knobs.label(name), tuple(knobs.value_words(name, value) for value in values))
        for name, values in record.config.vary.items()
    ]
    known = [text for text in texts if text not in ("–", "failed")]
    best = f" The best: {cell_words(cell_values(record)[found.best])}." if found.best is not None else ""
    alt = f"{title} of {len(known)} cells of the sweep {row.name}.{best}"
    key = f"surface_{row.id}_{measure}"
    if len(axes) == 1:
        draw(
            sweep_line(axes[0], cells, theme=theme()), key=key, alt=alt, caption=NOISE, table=record.table,
            on_click=_picked_point,
        )  # fmt: skip
        return
    n_columns = len(axes[1].values)

    def picked(row_position: int, column_position: int) -> None:
        st.session_state[CELL] = str(row_position * n_columns + column_position)

    draw(
        sweep_surface(axes[0], axes[1], cells, theme=theme()), key=key, alt=alt, caption=NOISE, table=record.table,
        on_cell=picked,
    )  # fmt: skip


def _picked_point(key: str) -> None:
    points = st.session_state[key]["selection"]["points"]
    if points:
        st.session_state[CELL] = str(points[0]["point_index"])
