"""The pictures of the README, taken from what is stored: `python -m benchmarks.screenshots [--only NAME]`; needs a
chromium.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, expect

from benchmarks.browser import ROOT, chromium, served_app

FOLDER = ROOT / "docs"
PATIENCE = 120_000  # milliseconds: the first drawing of a run computes
STILL = 3000  # milliseconds for fonts, the last figures, and what comes by itself
WIDE, PHONE = (1280, 1180), (390, 1180)
RESTS = "[data-testid=stApp][data-test-script-state=notRunning]"


@dataclass(frozen=True)
class Picture:
    """One page as a user sees it; `shown` is what must be there before the picture is taken."""

    name: str
    address: str
    shown: str
    theme: Literal["light", "dark"] = "light"
    size: tuple[int, int] = WIDE


MAP = ".js-plotly-plot .heatmaplayer image"
POINTS = ".js-plotly-plot .scatterlayer .point"
RUN, STUDY = "run=sample-debian", "study=sample-study-debian"
PICTURES = (
    Picture("start", f"/?{RUN}", MAP),
    Picture("data", "/data?suite=debian", "[data-testid=stDataFrame]", "dark"),
    Picture("estimate", "/estimate?suite=debian", "[data-testid=stCode]"),
    Picture("affinity", f"/affinity?{RUN}", MAP),
    Picture("groups", f"/groups?{RUN}", MAP, "dark"),
    Picture("pareto", f"/pareto?{STUDY}", POINTS),
    Picture("story", f"/story?{RUN}", MAP),
    Picture("story-dark", f"/story?{RUN}", MAP, "dark"),
    Picture("story-phone", f"/story?{RUN}", MAP, size=PHONE),
    Picture("compare", "/compare?runs=sample-debian,sample-debian-text", MAP, "dark"),
    Picture("sweep", "/sweep", "[data-testid=stMain] [data-testid=stSelectbox]", "dark"),
    Picture("runs", "/runs", "[data-testid=stDataFrame]"),
    Picture("how", "/how", "[data-testid=stImage] img"),
    Picture("affinity-phone", f"/affinity?{RUN}", MAP, "dark", PHONE),
)


def take(browser: Browser, url: str, picture: Picture, folder: Path) -> None:
    """The window of one page, once nothing in it moves any more."""
    width, height = picture.size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=picture.theme, base_url=url
    )
    page = context.new_page()
    page.goto(picture.address)
    expect(page.locator(picture.shown).first).to_be_attached(timeout=PATIENCE)
    page.wait_for_selector(RESTS, timeout=PATIENCE)
    page.wait_for_timeout(STILL)
    page.wait_for_selector(RESTS, timeout=PATIENCE)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    page.screenshot(path=folder / f"{picture.name}.png")
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[picture.name for picture in PICTURES], help="one picture")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to put them; docs without it")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with served_app(GRADTAG_DRAW_AT_ONCE="1") as url, chromium() as browser:
        for picture in PICTURES:
            if arguments.only in (None, picture.name):
                take(browser, url, picture, arguments.folder)


if __name__ == "__main__":
    main()
