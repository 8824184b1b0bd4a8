"""Figures as SVG and PNG files, all of them in one start of a browser."""

from __future__ import annotations

import base64
import binascii
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import unquote_to_bytes

import plotly.graph_objects as go

from gradtag_core.report.browser import BrowserFailed, find_browser, run_browser

WIDTH, HEIGHT = 1000, 450  # pixels; most figures name their height
PNG_SCALE = 2
VIRTUAL_MILLISECONDS = 600_000  # of the page's clock, which stands still while it works
ANSWER = re.compile(r'<pre id="answer">(.*?)</pre>', re.DOTALL)
SCRIPT = """
const figures = JSON.parse(document.getElementById("figures").textContent);
(async () => {
  const answer = [];
  for (const { figure, width, height, scale } of figures) {
    figure.layout.paper_bgcolor = "#ffffff";
    const size = { width, height };
    const svg = await Plotly.toImage(figure, { format: "svg", ...size });
    answer.push([svg, await Plotly.toImage(figure, { format: "png", scale, ...size })]);
  }
  const place = document.createElement("pre");
  place.id = "answer";
  place.textContent = JSON.stringify(answer);
  document.body.replaceChildren(place);
})();
"""


@dataclass(frozen=True)
class Image:
    """One figure as files."""

    svg: bytes
    png: bytes


def draw_images(figures: Mapping[str, go.Figure]) -> dict[str, Image]:
    """Every figure as SVG and as PNG, on white. Raises `NoBrowser` where there is no browser, else `BrowserFailed`."""
    find_browser()  # before the work
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "figures.html"
        page.write_text(_page(list(figures.values())), encoding="utf-8")
        written = run_browser(page, "--dump-dom", f"--virtual-time-budget={VIRTUAL_MILLISECONDS}")
    found = ANSWER.search(written.decode(errors="replace"))
    if found is None:
        raise BrowserFailed("The browser drew no figures. Try again when the machine is less busy.")
    try:
        images = [Image(_content(svg), _content(png)) for svg, png in json.loads(unescape(found[1]))]
    except (ValueError, binascii.Error) as error:
        raise BrowserFailed(f"The browser drew figures that cannot be read: {error}.") from error
    return dict(zip(figures, images, strict=True))


def _page(figures: Sequence[go.Figure]) -> str:
    from plotly.offline import get_plotlyjs

    texts = [
        f'{{"figure":{figure.to_json()},"width":{WIDTH},"height":{height or HEIGHT},"scale":{PNG_SCALE}}}'
        for figure, height in ((each, each.layout["height"]) for each in figures)
    ]
    data = f"[{','.join(texts)}]".replace("<", "\\u003c")
    return (
        '<!doctype html><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:\"><body>"
        f'<script type="application/json" id="figures">{data}</script><script>{get_plotlyjs()}</script>'
        f"<script>{SCRIPT}</script></body>"
    )


def _content(address: str) -> bytes:
    """What a data address holds."""
    head, _, body = address.partition(",")
    return base64.b64decode(body, validate=True) if head.endswith(";base64") else unquote_to_bytes(body)
