"""Every cell of a sweep as a line, and the cells that failed."""

from typing import Any

import pandas as pd
import streamlit as st

from gradtag_core.csv_text import csv_text
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.sweep_measures import MEASURES, Measure
from gradtag_core.runs.sweep_record import SweepRecord
from pages.parts import knobs
from pages.parts.quantities import plain
from pages.parts.sweep_words import cell_values, cell_words

ROW, MOST_LINES = 35, 17  # pixels of a line of a table; lines without scrolling
PERCENT: tuple[Measure, ...] = ("share_of_ceiling", "gap")


def show_table(row: RunRow, record: SweepRecord) -> None:
    """All results of all cells, and the file of them."""
    with st.expander(f"All {record.config.n_cells} cells in numbers"):
        number, text = st.column_config.NumberColumn, st.column_config.TextColumn
        table, columns = record.table(), {}
        shown: dict[str, Any] = {
            knobs.label(name): [knobs.value_words(name, values[name]) for values in cell_values(record)]
            for name in record.config.knobs
        }
        for name in record.measures:
            title = MEASURES[name].title[0].upper() + MEASURES[name].title[1:]
            scale = 100 if name in PERCENT else 1e-9 if name == "flops" else 1
            title += " (%)" if name in PERCENT else " (GFLOP)" if name == "flops" else ""
            shown[title] = table[name].astype(float) * scale
            columns[title] = number(format=_format(name), help=MEASURES[name].help)
            error = f"{name}_standard_error"
            if error in table:
                shown[f"± {title.lower()}"] = table[error].astype(float) * scale
                columns[f"± {title.lower()}"] = number(
                    format=_format(name), help="Standard error over tasks."
                )
        pinned = {knobs.label(name): text(pinned=True) for name in record.config.knobs}
        st.dataframe(
            pd.DataFrame(shown), hide_index=True, width="stretch", placeholder="–",
            height=ROW * (1 + min(record.config.n_cells, MOST_LINES)) + 3,
            alt="Every cell of the sweep with its results.", column_config={**pinned, **columns},
        )  # fmt: skip
        st.download_button(
            "Cells (CSV)", lambda: csv_text(table, index=False), f"{row.id}.csv", "text/csv",
            icon=":material/download:", on_click="ignore", key="cells_csv", help="Every result in full precision.",
        )  # fmt: skip
    st.caption("The command that repeats this sweep:")
    st.code(record.summary.command, language="bash", wrap_lines=True)


def _format(measure: Measure) -> str:
    if measure in PERCENT or measure == "seconds":
        return "%.1f"
    return {"n_groups": "%d", "flops": "%.3g"}.get(measure, "%.4f")


def show_failed(record: SweepRecord) -> None:
    """The cells without results, and why."""
    failed, values = record.summary.failed, cell_values(record)
    if failed:
        lines = [
            f"- **{plain(cell_words(values[index]))}**: {plain(reason)}" for index, reason in failed.items()
        ]
        many = f"{len(failed)} cells" if len(failed) > 1 else "1 cell"
        st.warning(f"{many} failed; the others are not touched by that.\n\n" + "\n".join(lines))
