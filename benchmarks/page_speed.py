"""How long a user of large runs waits: every page of 100 tasks, changes on them, maps of 500 tasks, and reports."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from playwright.sync_api import BrowserContext, Page

from benchmarks.browser import served_app
from benchmarks.large_runs import LargeRuns
from gradtag_core.report.html import write_report
from gradtag_core.report.pdf import write_pdf
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.start import open_store

Record = dict[str, str | float | None]
VISITS, CHANGES = 3, 3
FIRST_CONTENT, INTERACTION, HUGE_MAP = 1.5, 0.5, 3.0  # seconds that are asked for
REPORT, REPORT_MB, PDF = 5.0, 8.0, 20.0
PATIENCE = 60_000  # milliseconds
MAP, PLOT = ".js-plotly-plot .heatmaplayer image", ".js-plotly-plot .main-svg"
TITLE = "document.querySelector('h1')?.textContent"
TABLE_LINES = "document.querySelectorAll('[class*=st-key-table-of-][class*=-groups] tbody tr').length"
FRAMES = (  # of the groups on the map
    "document.querySelector('.st-key-grouped_affinities .js-plotly-plot')?._fullLayout?.shapes"
    ".filter(shape => shape.type === 'rect').length"
)
BLANK = "import streamlit as st\nst.write('word')\n"
RESTS = "[data-testid=stApp][data-test-script-state=notRunning]"
# The end of the first frame in which something is seen, from the start of the document.
FIRST_SEEN = """(() => {
  const ended = new MessageChannel();
  ended.port1.onmessage = () => { window.firstSeen = performance.now() / 1000; };
  const look = () => {
    if (document.querySelector(SELECTOR)?.checkVisibility()) ended.port2.postMessage(null);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""
QUIET = 700  # milliseconds without a change, after which nothing more is expected
# From the browser's own event to the first frame in which something holds.
STOPWATCH = """shown => {
  const holds = new Function('return ' + shown);
  let started = null;
  window.waited = null;
  const look = () => {
    if (holds()) window.waited = (performance.now() - started) / 1000;
    else requestAnimationFrame(look);
  };
  const start = () => { if (started === null) { started = performance.now(); look(); } };
  for (const kind of ['keydown', 'pointerdown', 'click']) addEventListener(kind, start, {once: true, capture: true});
}"""
# From the browser's own event to the last change that one sees before the page rests. What lies inside a canvas is the
# table's copy of itself for screen readers, which follows 0.3 s later.
UNTIL_REST = """quiet => {
  const app = document.querySelector('[data-testid=stApp]'), main = document.querySelector('[data-testid=stMain]');
  let started = null, last = null;
  window.waited = null;
  const inCanvas = change => change.target.nodeName === 'CANVAS' && change.type === 'childList';
  const seen = new MutationObserver(changes => { if (!changes.every(inCanvas)) last = performance.now(); });
  seen.observe(main, {subtree: true, childList: true, characterData: true, attributes: true});
  const look = () => {
    const rests = app.dataset.testScriptState === 'notRunning' && !main.querySelector('[data-testid=stSkeleton]');
    if (!rests) last = performance.now();
    if (performance.now() - last < quiet) { setTimeout(look, 20); return; }
    seen.disconnect();
    window.waited = (last - started) / 1000;
  };
  const start = () => { if (started === null) { started = last = performance.now(); look(); } };
  for (const kind of ['keydown', 'pointerdown', 'click']) addEventListener(kind, start, {once: true, capture: true});
}"""


@dataclass(frozen=True)
class Visit:
    """A page, its address, and where its first content appears: the title and the picker are none."""

    page: str
    address: str
    first: str


def visits(runs: LargeRuns) -> tuple[Visit, ...]:
    main = "[data-testid=stMain]"
    return (
        Visit("Start", f"/?run={runs.run}", f"{main} button[kind=primary]"),
        Visit("Data", "/data?suite=debian", f"{main} [data-testid=stCaptionContainer]"),
        Visit("Estimate", "/estimate", f"{main} [data-testid=stSelectbox]"),
        Visit("Sweep", "/sweep", f"{main} [data-testid=stSelectbox]"),
        Visit("Affinity", f"/affinity?run={runs.run}", f"{main} .st-key-order [data-testid=stSelectbox]"),
        Visit("Groups", f"/groups?run={runs.run}", f"{main} [data-testid=stMetric]"),
        Visit("Pareto", f"/pareto?study={runs.study}", ".st-key-recommendation"),
        Visit("Story", f"/story?run={runs.run}", ".st-key-story_headline"),
        Visit(
            "Compare",
            f"/compare?runs={runs.run},{runs.other}",
            f"{main} [data-testid=stDataFrame]",
        ),
        Visit("Runs", "/runs", f"{main} [data-testid=stDataFrame]"),
        Visit("How it works", "/how", f"{main} [data-testid=stImage]"),
    )


def blank_page(context: BrowserContext) -> Iterator[Record]:
    """What a page of Streamlit takes by itself, in a new window, with nothing but a word on it."""
    with served_app(script=BLANK) as url:
        visit = Visit("Streamlit alone", "/", "[data-testid=stMarkdown]")
        seconds = median([_visited(context, url, visit) for _ in range(1 + VISITS)][1:])
    yield wait("a page of Streamlit with one word, by its address", seconds)


def pages(context: BrowserContext, url: str, runs: LargeRuns) -> Iterator[Record]:
    """First content of every page, come to from another page and opened by its address in a new window; each was
    visited before."""
    for visit in visits(runs):
        yield wait(f"{visit.page}: first content", _come_to(context, url, visit), FIRST_CONTENT)
        seconds = median([_visited(context, url, visit) for _ in range(VISITS)])
        yield wait(f"{visit.page}: first content by its address in a new window", seconds, FIRST_CONTENT)


def _come_to(context: BrowserContext, url: str, visit: Visit) -> float:
    """The median from the click on the page's link, on another page, to its first content."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(url + visit.address)
    page.wait_for_selector(visit.first, state="attached")
    _rest(page)
    title = json.dumps(page.locator("h1").first.text_content())
    away = "Data" if visit.page == "How it works" else "How it works"
    shown = f"{TITLE} === {title} && document.querySelector({json.dumps(visit.first)})?.checkVisibility()"
    waits = []
    for _ in range(VISITS):
        page.get_by_role("link", name=away, exact=True).first.click()
        page.wait_for_function(f"{TITLE} !== {title}")
        _rest(page)
        page.evaluate(STOPWATCH, shown)
        page.get_by_role("link", name=visit.page, exact=True).first.click()
        waits.append(page.wait_for_function("window.waited").json_value())
    page.close()
    return median(waits)


def maps(context: BrowserContext, url: str, runs: LargeRuns) -> Iterator[Record]:
    """The maps of 100 and of 500 tasks, which come after the first content of their page."""
    for n_tasks, run, asked in ((100, runs.run, None), (500, runs.huge, HUGE_MAP)):
        visit, what = Visit("Affinity", f"/affinity?run={run}", MAP), f"Affinity: the map of {n_tasks} tasks"
        yield wait(what, _come_to(context, url, visit), asked)
        seconds = median([_visited(context, url, visit) for _ in range(VISITS)])
        yield wait(f"{what} by its address in a new window", seconds, asked)


def _visited(context: BrowserContext, url: str, visit: Visit) -> float:
    page = context.new_page()
    page.add_init_script(FIRST_SEEN.replace("SELECTOR", json.dumps(visit.first)))
    page.goto(url + visit.address, wait_until="commit")
    seconds = page.wait_for_function("window.firstSeen", timeout=PATIENCE).json_value()
    page.close()
    return seconds


def interactions(context: BrowserContext, url: str, runs: LargeRuns) -> Iterator[Record]:
    """Changes on the pages of the large run, from the event to the last change that it makes in the page; of the
    number of groups until table and map have it, since the stability comes later by itself."""
    places = {visit.page: url + visit.address for visit in visits(runs)}
    for place, name, prepare, act, shown in CHANGED:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(places[place])
        _rest(page)
        waits = []
        for turn in range(CHANGES):
            prepare(page, turn)
            if shown is None:
                page.evaluate(UNTIL_REST, QUIET)
            else:
                page.evaluate(STOPWATCH, shown.replace("BEFORE", str(page.evaluate(TABLE_LINES))))
            act(page, turn)
            waits.append(page.wait_for_function("window.waited", timeout=PATIENCE).json_value())
            if shown is not None:
                _rest(page)
        page.close()
        yield wait(f"{place}: {name}", median(waits), INTERACTION)


def _rest(page: Page) -> None:
    page.wait_for_selector(RESTS)
    page.wait_for_timeout(2500)  # what comes by itself, such as the stability of the groups
    page.wait_for_selector(RESTS)


Turn = Callable[[Page, int], object]


def _nothing(page: Page, turn: int) -> None: ...


def _radio(*names: str) -> Turn:
    return lambda page, turn: page.get_by_role("radio", name=names[turn % len(names)], exact=True).click()


def _open(label: str) -> Turn:
    return lambda page, turn: page.get_by_role("combobox", name=label).first.click()


def _option(*names: str) -> Turn:
    return lambda page, turn: page.get_by_role("option", name=names[turn % len(names)]).first.click()


def _see(part: str) -> Turn:
    """Scroll to a part of the page, and wait until it is drawn."""

    def see(page: Page, turn: int) -> None:
        page.locator(f".st-key-{part}").scroll_into_view_if_needed()
        if turn == 0:
            _rest(page)

    return see


def _slide(key: str) -> Turn:
    return lambda page, turn: page.get_by_role("slider").first.press(key)


def _cell(page: Page, turn: int) -> None:
    plane = page.locator(".st-key-affinity_map .nsewdrag").first
    box = plane.bounding_box()
    assert box
    plane.click(position={"x": box["width"] * (0.3 + 0.1 * turn), "y": box["height"] * 0.7}, force=True)


def _search(page: Page, turn: int) -> None:
    page.get_by_role("textbox", name="Search").press("Enter")


def _type(page: Page, turn: int) -> None:
    page.get_by_role("textbox", name="Search").fill(("debian", "100", "seed")[turn % 3])


MORE_GROUPS = f"{TABLE_LINES} > BEFORE && {FRAMES} === {TABLE_LINES}"

# page, what is changed, what makes ready for it, the act that is timed, what ends it (None: rest)
CHANGED: tuple[tuple[str, str, Turn, Turn, str | None], ...] = (
    ("Start", "another data set", _open("Data set"), _option("Handwritten", "Planted", "Yeast"), None),
    ("Data", "another data set", _open("Data set"), _option("planted", "yeast", "planted"), None),
    ("Estimate", "another preset", _nothing, _radio("Quick", "Paper", "Accurate"), None),
    ("Affinity", "another view of the map", _nothing, _radio("Uncertainty", "Truth", "Difference"), None),
    ("Affinity", "a click on a cell", _nothing, _cell, None),
    ("Affinity", "another order", _open("Order"), _option("similarity", "name", "difficulty"), None),
    ("Groups", "the next k", _nothing, _slide("ArrowRight"), MORE_GROUPS),
    ("Groups", "another order", _nothing, _radio("by similarity", "by group", "by similarity"), None),
    ("Pareto", "another budget", _nothing, _slide("ArrowLeft"), None),
    ("Compare", "another map beside the difference", _see("difference"), _radio("B", "A", "B"), None),
    ("Runs", "a search", _type, _search, None),
)


def reports(home: Path, runs: LargeRuns) -> Iterator[Record]:
    """Time and size of the report of the large run, as HTML and as PDF."""
    record = RunRecord(open_store(home).run_folder(runs.run))
    with tempfile.TemporaryDirectory() as folder:
        html, pdf = Path(folder) / "report.html", Path(folder) / "report.pdf"
        started = time.perf_counter()
        write_report(record, html)
        yield wait("Report: HTML", time.perf_counter() - started, REPORT)
        yield {"wait": "Report: HTML, in MB", "seconds": html.stat().st_size / 1e6, "asked for": REPORT_MB}
        started = time.perf_counter()
        write_pdf(html, pdf)
        yield wait("Report: PDF", time.perf_counter() - started, PDF)
        yield {"wait": "Report: PDF, in MB", "seconds": pdf.stat().st_size / 1e6, "asked for": None}


def wait(what: str, seconds: float, asked: float | None = None) -> Record:
    return {"wait": what, "seconds": seconds, "asked for": asked}
