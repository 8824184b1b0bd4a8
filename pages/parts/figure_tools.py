"""The small component beside every figure: clicks on the cells of a map, and the picture as a file."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

HERE = Path(__file__).parent
CELL = "cell"  # the name of the trigger
SUFFIX = "_tools"  # of the key of a figure's tools

# Trusted code with the privileges of the page: constants alone, never a word of a user.
_tools = component(
    "gradtag_figure_tools",
    html=(HERE / "figure_tools.html").read_text(encoding="utf-8"),
    css=(HERE / "figure_tools.css").read_text(encoding="utf-8"),
    js=(HERE / "figure_tools.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # the row also holds Streamlit's caption and download button
)


def figure_tools(key: str, shape: tuple[int, int] | None, on_cell: Callable[[int, int], None] | None) -> None:
    """Buttons that save the chart of this `key` as PNG and SVG; `on_cell` is called with the cell of a heatmap.

    `shape`: rows and columns of the heatmap; what a browser sends beside it is left out.
    """

    def picked() -> None:
        cell = picked_cell(st.session_state[f"{key}{SUFFIX}"], shape)
        if cell and on_cell:
            on_cell(*cell)

    _tools(
        key=f"{key}{SUFFIX}", width="content", on_cell_change=picked,
        data={"chart": element_class(key), "name": key, "cells": on_cell is not None},
    )  # fmt: skip


def picked_cell(state: Any, shape: tuple[int, int] | None) -> tuple[int, int] | None:
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
