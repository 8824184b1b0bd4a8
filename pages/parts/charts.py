"""One way to draw a figure: our theme, full width, words for who cannot see it, and the figure as files."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from gradtag_core.csv_text import csv_text
from pages.parts.cell_selection import Cell, cell_selection
from pages.parts.figure_tools import figure_tools

CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "pan2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
}


def draw(
    figure: go.Figure,
    *,
    key: str,
    alt: str,
    caption: str = "",
    table: Callable[[], pd.DataFrame] | None = None,
    on_click: Callable[[str], None] | None = None,
    on_cell: Callable[[int, int], None] | None = None,
    with_cells: bool = False,
) -> None:
    """Draw a figure and, below it, its caption and its downloads.

    `alt` says in words what is seen. `table` gives the numbers of the CSV file, only when it is asked for, with no page
    around it. Before the script runs again, `on_click` is called with `key` when a point is selected, and `on_cell`
    with the positions (row, column) on the axes of the heatmap whose cell is picked. `with_cells`: cells can be picked,
    and `cell_selection` elsewhere on the page hears of it.
    """
    common: dict[str, Any] = {"width": "stretch", "theme": None, "key": key, "config": CONFIG, "alt": alt}
    with st.container(gap=None):
        if on_click is None:
            st.plotly_chart(figure, **common)
        else:
            st.plotly_chart(figure, on_select=lambda: on_click(key), selection_mode="points", **common)
        with st.container(horizontal=True, gap=None, key=f"{key}_below_figure"):
            if caption:
                st.caption(caption)
            with st.container(horizontal=True, gap=None, width="content"):
                figure_tools(key, with_cells or on_cell is not None)
                if on_cell is not None:
                    cell_selection(key, _cells(figure), on_cell)
                if table is not None:
                    st.download_button(
                        "CSV", lambda: _text(table()), f"{key}.csv", "text/csv", type="tertiary",
                        on_click="ignore", key=f"{key}_csv",
                    )  # fmt: skip


def _text(frame: pd.DataFrame) -> str:
    """CSV with the names of the rows, if they have any."""
    return csv_text(frame, index=not isinstance(frame.index, pd.RangeIndex))


def _cells(figure: go.Figure) -> Cell | None:
    """Rows and columns of the first heatmap of a figure."""
    maps: list[Any] = [trace for trace in figure.data if isinstance(trace, go.Heatmap)]
    rows: Any = maps[0].z if maps and maps[0].z is not None else ()
    return (len(rows), len(rows[0])) if len(rows) else None
