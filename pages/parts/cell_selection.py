"""Which cells of a map are selected: shown over the map, which is not drawn anew, and told when one is picked."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

HERE = Path(__file__).parent
CELL = "cell"  # the name of the trigger
SUFFIX = "_cells"  # of the key of a map's selection

Cell = tuple[int, int]

# Trusted code with the privileges of the page: constants alone, never a word of a user.
_selection = component(
    "gradtag_cell_selection",
    js="".join((HERE / name).read_text(encoding="utf-8") for name in ("chart_cells.js", "cell_selection.js")),
    isolate_styles=False,
)


def cell_selection(
    chart: str, shape: Cell | None, on_cell: Callable[[int, int], None], selected: Sequence[Cell] = ()
) -> None:
    """Call `on_cell` with the (row, column) that is picked on the map of the key `chart`, wherever on the page that is;
    only the fragment in which this stands then runs again.

    `shape`: rows and columns of the map; what a browser sends beside it is left out. `selected`: up to two cells to
    mark, the second in dots.
    """
    key = f"{chart}{SUFFIX}"

    def picked() -> None:
        cell = picked_cell(st.session_state[key], shape)
        if cell:
            on_cell(*cell)

    _selection(
        key=key, height=1, on_cell_change=picked,
        data={"chart": element_class(chart), "selected": [list(cell) for cell in selected]},
    )  # fmt: skip


def picked_cell(state: Any, shape: Cell | None) -> Cell | None:
    """The (row, column) that the browser sent, if there is such a cell."""
    cell = state.get(CELL)
    if shape is None or not isinstance(cell, list) or len(cell) != 2:
        return None
    if not all(type(position) is int for position in cell):
        return None
    row, column = cell
    return (row, column) if 0 <= row < shape[0] and 0 <= column < shape[1] else None


def element_class(key: str) -> str:
    """The class that Streamlit gives to the element of a key."""
    return "st-key-" + re.sub(r"[^a-zA-Z0-9_-]", "-", key)
