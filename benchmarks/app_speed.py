"""How long a user waits: first page, quick preset from click to heatmap, another k, λ or budget and what-if changes;
then every page of a run of 100 tasks, a map of 500, and the report, beside what is asked for.

`python -m benchmarks.app_speed [--home DIR] [--only small|large] [--json]`; needs a chromium. `DIR` keeps the large
runs, which take about three minutes to make, for the next call.
"""

import argparse
import io
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
from playwright.sync_api import FilePayload, Page, expect

from benchmarks.browser import chromium, served_app
from benchmarks.large_runs import large_runs
from benchmarks.page_speed import (
    INTERACTION,
    STOPWATCH,
    TABLE_LINES,
    Record,
    blank_page,
    interactions,
    maps,
    pages,
    reports,
    wait,
)
from benchmarks.report import publish
from gradtag_core.grouping.matrix_file import write_affinity_csv

HEATMAP = ".js-plotly-plot .heatmaplayer image"
WARM_UP = 12.0  # seconds in which the server imports the solver behind the first page
CHANGES = 5
THINKING = (
    1.5  # seconds between two changes of a user who looks at what came, in which the server works ahead
)
TASKS, GROUPS = 100, 12
CAPTIONS = "[...document.querySelectorAll('[data-testid=stCaptionContainer]')].map(each => each.textContent)"
ANSWER = "document.querySelector('.st-key-recommendation').textContent"
STEPS_DONE = f"({CAPTIONS}.find(text => text.startsWith('Done:')) ?? '').split(/:|→/).length - 1 === COUNT"
THRESHOLD_WORDS = (
    "[...document.querySelectorAll('p')].map(each => each.textContent)"
    ".find(text => text.includes('by a threshold of')) ?? ''"
)


def first_page(page: Page, url: str) -> float:
    started = time.perf_counter()
    page.goto(url)
    expect(page.get_by_role("button", name="Run the quick preset")).to_be_visible(timeout=30_000)
    return time.perf_counter() - started


def quick_preset(page: Page) -> float:
    started = time.perf_counter()
    page.get_by_role("button", name="Run the quick preset").click()
    expect(page.get_by_test_id("stProgress")).to_be_visible(timeout=30_000)
    expect(page.get_by_test_id("stProgress")).to_have_count(0, timeout=120_000)
    expect(page.get_by_role("heading", name=re.compile("yeast, "))).to_be_visible(timeout=30_000)
    expect(page.locator(HEATMAP).first).to_be_attached(timeout=30_000)
    return time.perf_counter() - started


def change_of_k(page: Page, url: str) -> float:
    """The median over several values of k that have not been asked for before, on the stored run of 30 tasks."""
    page.goto(f"{url}/groups?run=sample-debian&k=8")
    expect(page.get_by_test_id("stTable").locator("tbody tr")).to_have_count(8, timeout=30_000)
    expect(page.locator(HEATMAP).first).to_be_attached(timeout=30_000)
    page.wait_for_timeout(1000 * THINKING)
    return _next_k(page, 8)


def change_of_budget(page: Page, url: str) -> float:
    """The median over several budgets of the stored study, from key press to the words that answer."""
    page.goto(f"{url}/pareto?study=sample-study-yeast")
    expect(page.locator(".st-key-pareto .scatterlayer")).to_be_attached(timeout=30_000)
    page.wait_for_timeout(1000 * THINKING)
    waits = []
    for _ in range(CHANGES):
        shown = f"({ANSWER}) !== {json.dumps(page.evaluate(ANSWER))}"
        waits.append(_wait_in_page(page, lambda: page.get_by_role("slider").press("ArrowLeft"), shown))
    return median(waits)


def uploaded_matrix(page: Page, url: str) -> Iterator[Record]:
    """Waits on a matrix of 100 tasks in 10 noisy groups of one's own."""
    _upload(page, f"{url}/groups?source=a+CSV+file&k={GROUPS}")
    waits = {"the next k": _next_k(page, GROUPS)}
    page.locator(".st-key-groups_panels").scroll_into_view_if_needed()  # it is drawn when it is seen
    expect(page.get_by_role("button", name="Apply", exact=True)).to_be_visible(timeout=30_000)
    page.wait_for_timeout(1000 * THINKING)
    waits |= {
        "a what-if move": _clicks(page, "Apply", range(1, CHANGES + 1)),
        "the undo of one": _clicks(page, "Undo", range(CHANGES - 1, -1, -1)),
        "a k never asked for": _far_k(page),
    }
    _upload(page, f"{url}/groups?source=a+CSV+file&k={GROUPS}&rounding=threshold%2C+as+in+the+paper")
    waits["the next λ"] = _next_threshold(page)
    for what, seconds in waits.items():
        yield wait(f"{what} at {TASKS} tasks (median of {CHANGES})", seconds, INTERACTION)


def _upload(page: Page, address: str) -> None:
    page.goto(address)
    file: FilePayload = {"name": "noisy.csv", "mimeType": "text/csv", "buffer": _noisy_groups()}
    page.locator("input[type=file]").set_input_files(files=[file])
    expect(page.get_by_test_id("stTable")).to_be_visible(timeout=30_000)
    expect(page.locator(HEATMAP).first).to_be_attached(timeout=30_000)
    page.wait_for_timeout(1000 * THINKING)


def _noisy_groups() -> bytes:
    groups, noise = np.arange(TASKS) % 10, np.random.default_rng(0).normal(size=(TASKS, TASKS))
    text = io.StringIO()
    write_affinity_csv(text, (groups[:, None] == groups) + noise)
    return text.getvalue().encode()


def _wait_in_page(page: Page, act: Callable[[], None], shown: str) -> float:
    """Seconds from the browser's own event of `act` to the first frame in which `shown` (JavaScript) holds."""
    page.evaluate(STOPWATCH, shown)
    act()
    seconds = page.wait_for_function("window.waited", timeout=30_000).json_value()
    page.wait_for_timeout(1000 * THINKING)
    return seconds


def _next_k(page: Page, first: int) -> float:
    step = lambda: page.get_by_role("slider").press("ArrowRight")  # noqa: E731
    numbers = range(first + 1, first + 1 + CHANGES)
    return median([_wait_in_page(page, step, f"{TABLE_LINES} === {k}") for k in numbers])


def _far_k(page: Page) -> float:
    """Click on the slider's bar, far from the values that the server may have solved ahead."""
    waits = []
    for share in (0.25, 0.3, 0.35, 0.4, 0.45):
        page.get_by_role("slider").scroll_into_view_if_needed()
        bar = page.get_by_test_id("stSlider").bounding_box()
        assert bar
        thumb = page.get_by_role("slider").bounding_box()
        assert thumb
        x, y = bar["x"] + share * bar["width"], thumb["y"] + thumb["height"] / 2
        before = page.evaluate(TABLE_LINES)
        click = lambda x=x, y=y: page.mouse.click(x, y)  # noqa: E731
        waits.append(_wait_in_page(page, click, f"{TABLE_LINES} !== {before}"))
    return median(waits)


def _clicks(page: Page, button: str, steps: range) -> float:
    """Click until the history shows each number of `steps`."""
    click = page.get_by_role("button", name=button, exact=True).click
    return median([_wait_in_page(page, click, STEPS_DONE.replace("COUNT", str(count))) for count in steps])


def _next_threshold(page: Page) -> float:
    slider = page.get_by_role("slider").nth(1)
    waits = []
    for _ in range(CHANGES):
        words = page.evaluate(THRESHOLD_WORDS)
        shown = f"({THRESHOLD_WORDS}) !== {json.dumps(words)}"
        waits.append(_wait_in_page(page, lambda: slider.press("ArrowRight"), shown))
    return median(waits)


def small_runs() -> Iterator[Record]:
    """Waits on a fresh server with the runs that ship with the project."""
    with served_app() as url, chromium() as browser:
        page = browser.new_page()
        yield wait("first page of a server that has just started", first_page(page, url))
        time.sleep(WARM_UP)
        yield wait("quick preset on yeast, from click to heatmap", quick_preset(page))
        yield wait(f"the next k at 30 tasks (median of {CHANGES})", change_of_k(page, url), INTERACTION)
        yield wait(
            f"the next budget of a study (median of {CHANGES})", change_of_budget(page, url), INTERACTION
        )
        yield from uploaded_matrix(page, url)


def large_pages(home: Path) -> Iterator[Record]:
    """Waits on pages of many tasks, all of which were visited before."""
    runs = large_runs(home)
    with served_app(home) as url, chromium() as browser:
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        yield from blank_page(context)
        yield from pages(context, url, runs)
        yield from interactions(context, url, runs)
        yield from maps(context, url, runs)
    yield from reports(home, runs)


def told(records: Iterator[Record]) -> Iterator[Record]:
    """The same records, each written to standard error as soon as it is there: all of them take minutes."""
    for record in records:
        print(record, file=sys.stderr)
        yield record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="a store for the large runs; a temporary one without it")
    parser.add_argument("--only", choices=("small", "large"), help="one half of the measurements")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    records = [] if arguments.only == "large" else list(told(small_runs()))
    if arguments.only != "small":
        with tempfile.TemporaryDirectory() as folder:
            records += told(large_pages(arguments.home or Path(folder)))
    publish(records, arguments.json)


if __name__ == "__main__":
    main()
