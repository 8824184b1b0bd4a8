"""The small component beside every figure: the picture as a file, and picking the cells of a map by mouse and keys."""

from pathlib import Path

from streamlit.components.v2 import component

from pages.parts.cell_selection import element_class

HERE = Path(__file__).parent
SUFFIX = "_tools"  # of the key of a figure's tools

# Trusted code with the privileges of the page: constants alone, never a word of a user.
_tools = component(
    "gradtag_figure_tools",
    html=(HERE / "figure_tools.html").read_text(encoding="utf-8"),
    css=(HERE / "figure_tools.css").read_text(encoding="utf-8"),
    js="".join((HERE / name).read_text(encoding="utf-8") for name in ("chart_cells.js", "figure_tools.js")),
    isolate_styles=False,  # the row also holds Streamlit's caption and download button
)


def figure_tools(key: str, with_cells: bool) -> None:
    """Buttons that save the chart of this `key` as PNG and SVG; `with_cells`, its cells can be picked, which
    `cell_selection` hears."""
    _tools(
        key=f"{key}{SUFFIX}",
        width="content",
        data={"chart": element_class(key), "name": key, "cells": with_cells},
    )
