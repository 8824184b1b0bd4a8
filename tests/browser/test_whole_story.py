"""The whole story in one sitting: from a click on the first page to a report in hand, on a real run."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

MAP = ".heatmaplayer image"
SECONDS = 1000
Settle = Callable[[Page], None]


def go(page: Page, settle: Settle, name: str, title: str) -> None:
    """Follow the navigation, as a user does, and wait until the page is whole."""
    settle(page)
    page.get_by_test_id("stTopNavLink").and_(page.get_by_role("link", name=name, exact=True)).click()
    expect(page.get_by_role("heading", name=title, exact=True, level=1)).to_be_visible()
    settle(page)


def test_from_the_first_click_to_a_report_in_hand(page: Page, settle: Settle) -> None:
    page.goto("/")
    page.get_by_role("button", name="Run the quick preset").click()
    expect(page).to_have_url(re.compile("run=yeast-"))
    run = page.url.partition("run=")[2]
    expect(page.get_by_role("heading", name=re.compile("^yeast, "))).to_be_visible(timeout=180 * SECONDS)

    go(page, settle, "Estimate", "Estimate affinities")
    expect(page.get_by_role("button", name="Launch")).to_be_enabled()

    go(page, settle, "Affinity", "Affinities")
    expect(page).to_have_url(re.compile(f"run={run}"))
    expect(page.locator(MAP).first).to_be_attached()

    go(page, settle, "Groups", "Groups")
    expect(page.locator(MAP).first).to_be_attached()
    groups = page.get_by_test_id("stTable").first.locator("tbody tr")
    expect(groups).to_have_count(3)

    go(page, settle, "Pareto", "Error against computation")
    expect(page.locator(".st-key-recommendation")).to_contain_text("train with")

    go(page, settle, "Story", "Story")
    expect(page).to_have_url(re.compile(f"run={run}"))
    expect(page.get_by_role("heading", name="Learn these together")).to_be_visible()
    expect(page.locator(".st-key-story .js-plotly-plot .main-svg").first).to_be_visible()
    page.get_by_role("button", name="Report (HTML)").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile(f"^.*Download {run}.html")).click()
    assert download.value.suggested_filename == f"{run}.html"
    report = Path(download.value.path()).read_text(encoding="utf-8")
    assert run in report
    assert "Class14" in report
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=[\"']?https?:", report)  # it needs no network
