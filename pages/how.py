"""How it works: the method, what the figures mean, its limits, the symbols, and the references."""

import streamlit as st

from pages.parts.heading import heading
from pages.parts.how_limits import show_limits
from pages.parts.how_meanings import show_meanings
from pages.parts.how_references import show_references
from pages.parts.how_steps import show_steps
from pages.parts.navigation import show


def main() -> None:
    """Draw the page."""
    heading("How it works")
    st.markdown(
        "Tasks that one model learns together can help or hurt each other. Trying every combination takes too many "
        "trainings: 30 tasks have over a billion. This app predicts from a few trainings how each combination would "
        "turn out, reads from that who helps whom, and groups the tasks. [Its limits](#limits) stand below, with what "
        "was measured."
    )
    show_steps()
    show_meanings()
    show_limits()
    show_references()


show(main)
