"""How long a user waits: first page, quick preset from click to heatmap, another k on the Groups page.

`python -m benchmarks.app_speed [--json]`; needs a chromium.
"""

import argparse
import re
import time
from statistics import median

from playwright.sync_api import Page, expect

from benchmarks.browser import chromium, served_app
from benchmarks.report import publish

HEATMAP = ".js-plotly-plot .heatmaplayer image"
WARM_UP = 12.0  # seconds in which the server imports the solver behind the first page
CHANGES_OF_K = 5


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
    rows = page.get_by_test_id("stTable").locator("tbody tr")
    expect(rows).to_have_count(8, timeout=30_000)
    waits = []
    for k in range(9, 9 + CHANGES_OF_K):
        started = time.perf_counter()
        page.get_by_role("slider").press("ArrowRight")
        expect(rows).to_have_count(k, timeout=30_000)
        waits.append(time.perf_counter() - started)
    return median(waits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with served_app() as url, chromium() as browser:
        page = browser.new_page()
        records = [{"wait": "first page of a server that has just started", "seconds": first_page(page, url)}]
        time.sleep(WARM_UP)
        records.append(
            {"wait": "quick preset on yeast, from click to heatmap", "seconds": quick_preset(page)}
        )
        records.append({"wait": "another k at 30 tasks (median of 5)", "seconds": change_of_k(page, url)})
    publish(records, arguments.json)


if __name__ == "__main__":
    main()
