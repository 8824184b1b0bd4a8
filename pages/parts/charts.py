"""One way to draw a figure: our theme, full width, a picture to download, and words for who cannot see it."""

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import streamlit as st


def draw(
    figure: go.Figure, *, key: str, alt: str, caption: str = "", on_click: Callable[[str], None] | None = None
) -> None:
    """Draw a figure; `on_click` is called with `key` when a point of it is selected."""
    config: dict[str, Any] = {
        "displaylogo": False,
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "pan2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
        "toImageButtonOptions": {"format": "svg", "filename": key},
    }
    common: dict[str, Any] = {"width": "stretch", "theme": None, "key": key, "config": config, "alt": alt}
    if on_click is None:
        st.plotly_chart(figure, **common)
    else:
        st.plotly_chart(figure, on_select=lambda: on_click(key), selection_mode="points", **common)
    if caption:
        st.caption(caption)
