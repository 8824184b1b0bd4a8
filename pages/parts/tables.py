"""Tables of a few rows that are read as a whole, with room kept for them while they load: nothing below them moves."""

import pandas as pd
import streamlit as st

MOST_ROWS = 40  # for which room is kept
ROW, FRAME = 35.75, 2  # pixels of a row that fits its line, head included
GRID_ROW, GRID_FRAME = 35, 3  # of a data frame
PREFIX = "table-of-"


def plain_table(frame: pd.DataFrame, key: str) -> None:
    """A table that is not scrolled or sorted; `key` names it."""
    with st.container(key=f"{PREFIX}{len(frame)}-{key}"):
        st.table(frame, border="horizontal")


def table_height(frame: pd.DataFrame) -> int:
    """Pixels in which a data frame shows all of its rows, without an element that measures them."""
    return GRID_ROW * (len(frame) + 1) + GRID_FRAME


def room_for_tables() -> str:
    """The style that keeps the room."""
    return "".join(
        f'[class*="st-key-{PREFIX}{rows}-"] [data-testid="stSkeleton"] {{ height: {ROW * (rows + 1):g}px; }}\n'
        for rows in range(1, MOST_ROWS + 1)
    )
