"""Parts of a page that are drawn once they come into view, and again when what they show has changed."""

import os
from collections.abc import Callable
from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

from pages.parts.errors import shown_errors
from pages.parts.state import session_token

AT_ONCE = "GRADTAG_DRAW_AT_ONCE"  # set to 1, every part is drawn with the page

_watch = component(
    "gradtag_when_seen",
    js=(Path(__file__).parent / "when_seen.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


@st.fragment
def when_seen(
    key: str, draw: Callable[[], None], *, height: int = 0, version: Callable[[], int] | None = None
) -> None:  # fmt: skip
    """Draw a part of the page when the reader comes near it; until then it takes `height` pixels (0: it is drawn with
    the page).

    A browser draws figures one after another: what is out of sight should not keep what is in sight waiting. A part is
    a fragment. A change in one that concerns others raises what `version` gives, as all of them read it when they are
    drawn: the others then follow, those without a height at once, the rest when they are in view. Without `version` a
    part follows none.
    """
    with st.container(key=key, gap=None):
        if _is_wanted(key, height, version() if version else None) or os.environ.get(AT_ONCE) == "1":
            with st.container(), shown_errors():
                draw()


def _is_wanted(key: str, height: int, version: int | None) -> bool:
    name = f"{key}_watch"
    seen = st.session_state.get(name, {}).get("seen")
    drawn = seen is not None or not height
    _watch(
        key=name, height=1 if drawn else height, on_seen_change=lambda: None,
        data={"part": f"st-key-{key}", "topic": session_token(), "version": version, "drawn": drawn,
              "always": not height, "height": height},
    )  # fmt: skip
    return drawn
