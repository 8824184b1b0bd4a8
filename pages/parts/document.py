"""The HTML document behind every page: Streamlit's own, with the title, the style and the address of the app at once.

A style that comes as an element of the page is applied when half of the page stands, and what stands then moves.
"""

import html
from pathlib import Path

import streamlit
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from streamlit import config

from pages.parts.tables import room_for_tables

QUESTION = "Which tasks should be learned together?"
HERE = Path(__file__).parent
STYLES = (HERE / "style.css", HERE / "story.css")
SERVED = Path(streamlit.__file__).parent / "static" / "index.html"
NO_COPY = {"Cache-Control": "no-cache"}  # as Streamlit serves it
# Where the server is: the folder of this document. Untold, Streamlit asks for it below the page's address first,
# and the browser reports two resources as missing.
SERVER_ADDRESS = """<script>
window.__streamlit = {BACKEND_BASE_URL: new URL(".", location.href).href, ...window.__streamlit};
</script>
"""


class _PageName(Convertor[str]):
    """One part of a path that is no file: Streamlit shows a page for any of them."""

    regex = "[^/.]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


def document_routes() -> list[Route]:
    """The routes that serve the document in the place of Streamlit's."""
    register_url_convertor("page_name", _PageName())
    text = document()

    def serve(request: Request) -> HTMLResponse:  # each a new one: compression changes it
        return HTMLResponse(text, headers=NO_COPY)

    base = str(config.get_option("server.baseUrlPath")).strip("/")
    folder = f"/{base}/" if base else "/"
    return [Route(folder + "{name:page_name}", serve)]


def document() -> str:
    """Streamlit's document with our head. Raises `RuntimeError` if it has no head to put it in."""
    text = SERVED.read_text(encoding="utf-8")
    if text.count("</head>") != 1 or "<title>Streamlit</title>" not in text:
        raise RuntimeError(f"{SERVED} is no document of the Streamlit that requirements.txt names.")
    style = "\n".join(path.read_text(encoding="utf-8") for path in STYLES)
    head = f"{SERVER_ADDRESS}<style>\n{_background()}{style}{room_for_tables()}</style>\n"
    title = f"<title>{html.escape(QUESTION)}</title>"
    return text.replace("<title>Streamlit</title>", title).replace("</head>", f"{head}</head>")


def _background() -> str:
    """That of the dark theme, for the blink in which nothing else is there."""
    dark = config.get_option("theme.dark.backgroundColor")
    return f"@media screen and (prefers-color-scheme: dark) {{ body {{ background: {dark}; }} }}\n"
