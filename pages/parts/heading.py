"""How every page begins."""

from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

HERE = Path(__file__).parent

_copy_link = component(
    "gradtag_copy_link",
    html=(HERE / "copy_link.html").read_text(encoding="utf-8"),
    css=(HERE / "copy_link.css").read_text(encoding="utf-8"),
    js=(HERE / "copy_link.js").read_text(encoding="utf-8"),
)


def heading(title: str) -> None:
    """The title of a page, and a button that copies its address: the address holds the run and the view."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(title)
        _copy_link(key="copy_link", width=96, height=40)  # in pixels: nothing moves when it has loaded
