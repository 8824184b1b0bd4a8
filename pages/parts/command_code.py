"""The command line that does the same as a page."""

import streamlit as st

from pages.parts.when_seen import when_seen

HEIGHT = 140  # pixels, about what it takes


def show_command(key: str, command: str, words: str = "The same on the command line:") -> None:
    """Draw a command with a button that copies it, after the rest of the page: a browser takes half a second to load
    what colours it."""

    def show() -> None:
        st.caption(words)
        st.code(command, language="bash", wrap_lines=True)

    when_seen(key, show, height=HEIGHT)
