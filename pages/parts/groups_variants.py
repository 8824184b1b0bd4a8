"""Groupings that the user has made and named. They live in the browser session."""

import streamlit as st

from gradtag_core.grouping.result import Grouping
from pages.parts.quantities import plain, task_chips
from pages.parts.solver import Matrix

OWN = "the solver's groups"
KEPT_WHERE = "Variants are kept while this window is open, on every page; download what should last longer."


def variants_of(matrix: Matrix) -> dict[str, Grouping]:
    """The variants of one matrix by name; add to it and take from it."""
    return st.session_state.setdefault("variants", {}).setdefault(matrix.key, {})


def free_name(matrix: Matrix) -> str:
    """A name that no variant has yet."""
    taken, number = variants_of(matrix), 1
    while f"variant {number}" in taken:
        number += 1
    return f"variant {number}"


def marked_chips(names: list[str], marked: set[str]) -> str:
    """Task names as Markdown, those marked in orange."""
    return " ".join(
        f":orange-badge[{plain(name)}]" if name in marked else task_chips([name]) for name in names
    )
