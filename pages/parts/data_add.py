"""Data of the user's own: one form per kind of data."""

from collections.abc import Callable, Mapping

import streamlit as st

from pages.parts.data_draft import Choices, Draft, check_and_save, pick_choices
from pages.parts.data_graph import draw_graph
from pages.parts.data_instructions import draw_instructions
from pages.parts.data_matrix import draw_matrix
from pages.parts.data_table import draw_table, draw_text
from pages.parts.errors import shown_errors

FORMS: Mapping[str, Callable[[], Draft | None]] = {
    "Table": draw_table, "Text": draw_text, "Graph": draw_graph, "Instructions": draw_instructions,
}  # fmt: skip
MATRIX = "Affinity matrix"


def draw_form() -> None:
    """The form of the chosen kind; beside it what was understood, and the way to save it."""
    kind = st.segmented_control(
        "Kind of data", (*FORMS, MATRIX), default="Table", required=True, key="kind", bind="query-params"
    )
    if kind == MATRIX:
        with shown_errors():
            draw_matrix()
        return
    left, right = st.columns([2, 3], gap="large")
    asked: tuple[Draft, Choices] | None = None
    with left, shown_errors():
        draft = FORMS[kind or "Table"]()
        asked = None if draft is None else (draft, pick_choices(draft))
    with right:
        if asked is not None:
            check_and_save(*asked)
