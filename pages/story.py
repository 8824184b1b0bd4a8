"""Story: one run for people who have never heard of gradients, and its report, PDF and bundle."""

import streamlit as st

from pages.parts.heading import heading
from pages.parts.navigation import show
from pages.parts.run_picker import pick_run


def main() -> None:
    """Draw the page."""
    heading("Story")
    with st.container(width=480):
        row, record = pick_run()
    from pages.parts.story_files import offer_files  # the title must not wait for these
    from pages.parts.story_view import findings_of, show_story

    found = findings_of(row, record)
    show_story(row, found)
    offer_files(row, found)


show(main)
