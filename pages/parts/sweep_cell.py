"""One cell of a sweep: what it found, and ways on with its knobs."""

import streamlit as st

from gradtag_core.runs.command import command_line
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.sweep_measures import MEASURES, Measure
from gradtag_core.runs.sweep_record import SweepRecord
from pages.parts import knobs
from pages.parts.errors import shown_errors
from pages.parts.quantities import plain, task_chips
from pages.parts.state import choose_run, store
from pages.parts.sweep_picker import CELL, seed_from_address
from pages.parts.sweep_words import cell_values, cell_words, result_text

MOST_GROUPS = 12


def pick_cell(record: SweepRecord) -> int:
    """The cell that was clicked, or picked here; at first the best one."""
    values = cell_values(record)
    options = [str(index) for index in range(len(values))]
    first = next((record.surface(name).best for name in record.measures if MEASURES[name].better), None)
    seed_from_address(CELL, options, str(first or 0))
    chosen = st.selectbox(
        "Cell", options, format_func=lambda index: cell_words(values[int(index)]), key=CELL,
        help="A click on the figure picks a cell too.",
    )  # fmt: skip
    st.query_params[CELL] = chosen
    return int(chosen)


def show_cell(row: RunRow, record: SweepRecord, index: int) -> None:
    """The results of a cell, its groups, and what one can do with it."""
    (values, config), result = list(record.config.cells())[index], record.results.get(index)
    with st.container(border=True, key="sweep_cell_details"):
        base = " (the base cell)" if index == record.summary.base else ""
        st.markdown(f"**{plain(cell_words(values))}**{base}")
        if result is None:
            reason = record.summary.failed.get(index)
            st.error(reason) if reason else st.caption("Not run yet.")
        else:
            told: list[Measure] = [name for name in MEASURES if result.value(name)[0] is not None]
            with st.grid(min_column_width=170):
                for name in told:
                    title, text = MEASURES[name].title, result_text(result, name)
                    st.markdown(f":small[{title[0].upper()}{title[1:]}]  \n**{plain(text)}**")
            _show_groups(record, index)
        with st.container(horizontal=True):
            if st.button("Use these knobs on Estimate", icon=":material/tune:", key="use_cell"):
                knobs.fill(config.model_dump())
                st.switch_page("pages/estimate.py", query_params={})
            if result is not None and st.button(
                "Keep as a run", icon=":material/save:", key="keep_cell",
                help="Copies its results into the list of runs, so that the other pages can show them.",
            ):  # fmt: skip
                _keep(record, index)
        st.caption("This cell by itself on the command line:")
        st.code(command_line(config), language="bash", wrap_lines=True)


def _show_groups(record: SweepRecord, index: int) -> None:
    grouping = record.cell(index).grouping
    if grouping is None:
        return
    with st.expander(f"Its {grouping.n_groups} groups"):
        lines = [f"{number}. {task_chips(names)}" for number, names in enumerate(grouping.groups, start=1)]
        st.markdown("\n".join(lines[:MOST_GROUPS]))
        if len(lines) > MOST_GROUPS:
            st.caption(f"{len(lines) - MOST_GROUPS} more: keep the cell as a run to see all.")


def _keep(record: SweepRecord, index: int) -> None:
    with shown_errors():
        kept = store().adopt(record.cell(index).folder)
        choose_run(kept.id)
        st.switch_page("pages/affinity.py", query_params={"run": kept.id})
