"""Every page, light and dark, on a phone, a laptop and a wall: nothing breaks, overflows, or keeps anyone out."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, expect

WIDTHS = (390, 2560, 1280)
PAGES = {
    "/": "Which tasks should be learned together?",
    "/data?suite=debian": "Data",
    "/data?view=Add+your+own&kind=Instructions": "Data",
    "/estimate": "Estimate affinities",
    "/sweep": "Sweep",
    "/affinity?run=sample-debian": "Affinities",
    "/groups?run=sample-debian": "Groups",
    "/pareto?study=sample-study-debian": "Error against computation",
    "/story?run=sample-debian": "Story",
    "/compare?runs=sample-debian,sample-debian-text": "Compare runs",
    "/runs": "Runs",
    "/how": "How it works",
}
# A figure is judged by the words around it: its drawing has thousands of elements, and no rule of axe is about them.
INSIDE_FIGURES = ".js-plotly-plot .main-svg"
# Streamlit's uploader is a focusable section with role="presentation": axe calls that a minor conflict.
STREAMLITS_RULES = {"presentation-role-conflict"}
# Names and titles of axes that reach beyond their figure, where they are cut.
CUT_NAMES = """[...document.querySelectorAll('.js-plotly-plot')].flatMap(plot => {
  const figure = plot.getBoundingClientRect();
  return [...plot.querySelectorAll('.xtick text, .ytick text, .xtitle, .ytitle')].filter(text => {
    const own = text.getBoundingClientRect();
    const ends = [figure.left - own.left, own.right - figure.right, figure.top - own.top, own.bottom - figure.bottom];
    return own.width && Math.max(...ends) > 1;
  });
})"""
# Titles of axes that lie on labels of their ticks.
LYING_ON_LABELS = """[...document.querySelectorAll('.js-plotly-plot')].flatMap(plot => {
  const boxes = which => [...plot.querySelectorAll(which)].map(text => text.getBoundingClientRect());
  const below = Math.max(...boxes('.xtick text').map(box => box.bottom));
  const beside = Math.min(...boxes('.ytick text').map(box => box.left));
  return [
    ...boxes('.xtitle').filter(box => box.width && box.top < below - 1),
    ...boxes('.ytitle').filter(box => box.width && box.right > beside + 1),
  ];
})"""
# How much of the window moved how far by itself since the page was opened: the "cumulative layout shift" of web vitals.
MOVES = """window.moved = 0;
new PerformanceObserver(list => {
  for (const each of list.getEntries()) if (!each.hadRecentInput) window.moved += each.value;
}).observe({type: 'layout-shift', buffered: true});"""
MOST_MOVED = 0.1  # what web vitals call good
OPTIONS = {"resultTypes": ["violations"]}


class Walker:
    """One window of one theme, and what its browser complained about."""

    def __init__(self, page: Page):
        page.add_init_script(MOVES)
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location['url']})")


@pytest.fixture(scope="module", params=["light", "dark"])
def walker(request: pytest.FixtureRequest, new_window: Callable[..., Page]) -> Iterator[Walker]:
    page = new_window(theme=request.param)
    yield Walker(page)
    page.close()


def barriers(page: Page) -> list[dict[str, Any]]:
    """All violations that axe finds, of any weight, each with the elements that it is about."""
    found = Axe().run(page, {"exclude": [INSIDE_FIGURES]}, OPTIONS).response["violations"]
    return [
        {
            "rule": f"{each['id']} ({each['impact']})",
            "elements": [(node["html"][:200], node["failureSummary"]) for node in each["nodes"]],
        }
        for each in found
        if each["id"] not in STREAMLITS_RULES
    ]


@pytest.mark.parametrize("address", PAGES)
def test_a_page_is_whole_in_every_width_and_open_to_everyone(
    walker: Walker, read_through: Callable[[Page], None], settle: Callable[[Page], None], address: str
) -> None:
    page = walker.page
    walker.complaints.clear()
    page.goto(address)
    expect(page.get_by_role("heading", name=PAGES[address], exact=True, level=1)).to_be_visible()
    settle(page)
    moved = page.evaluate("window.moved")
    read_through(page)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(f"document.querySelector('[data-testid=stMain]').scrollWidth <= {width}")
        page.wait_for_function(f"{CUT_NAMES}.length === 0")
        page.wait_for_function(f"{LYING_ON_LABELS}.length === 0")
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert moved < MOST_MOVED
    assert not barriers(page)
    assert not walker.complaints
