"""The Groups page in a browser: edits that follow at once, results that come by themselves, and narrow windows."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

MATRIX = "task,a,b,c,d,e,f\na,1,9,0,0,3,0\nb,9,1,0,0,3,0\nc,0,0,1,9,0,2\nd,0,0,9,1,0,2\ne,3,3,0,0,1,0\nf,0,0,2,2,0,1\n"
FIGURE = ".st-key-grouped_affinities"
Settle = Callable[[Page], None]


def figure(page: Page, label: str) -> Locator:
    """The value of the what-if figure of this name."""
    return (
        page.get_by_role("tabpanel")
        .get_by_test_id("stMetric")
        .filter(has_text=label)
        .get_by_test_id("stMetricValue")
    )


@pytest.fixture
def uploaded(page: Page, settle: Settle) -> Page:
    """The page on a matrix of its own with the groups `a b e` and `c d f`."""
    page.goto("/groups?source=a+CSV+file&k=2")
    file: FilePayload = {"name": "matrix.csv", "mimeType": "text/csv", "buffer": MATRIX.encode()}
    page.locator("input[type=file]").set_input_files(files=[file])
    expect(page.get_by_test_id("stTable").locator("tbody tr")).to_contain_text(["a b e", "c d f"])
    page.locator(".st-key-groups_panels").scroll_into_view_if_needed()
    expect(page.get_by_role("tab", name="What if")).to_be_visible()
    settle(page)
    return page


def test_a_move_is_shown_undone_kept_and_compared(uploaded: Page, settle: Settle) -> None:
    page = uploaded
    together, apart = "20.667", "14.667"  # 33 / 3 + 29 / 3, and 8 / 2 + 29 / 3 + 1 / 1
    expect(figure(page, "Density")).to_have_text(together)
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Done: a to a group of its own.")).to_be_visible()
    expect(figure(page, "Density")).to_have_text(apart)
    expect(figure(page, "Groups")).to_have_text("3")
    settle(page)
    page.get_by_role("button", name="Undo").click()
    expect(figure(page, "Density")).to_have_text(together)
    settle(page)
    page.get_by_role("button", name="Redo").click()
    expect(figure(page, "Density")).to_have_text(apart)
    page.get_by_role("textbox", name="Save as a variant").fill("a alone")
    page.get_by_role("textbox", name="Save as a variant").press("Enter")
    settle(page)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("tab", name="Other groupings").click()
    expect(page.get_by_text("A alone", exact=True)).to_be_visible()
    expect(page.get_by_text("Spectral clustering", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile("panel=Other"))


@pytest.mark.slow
def test_a_variant_can_be_downloaded(uploaded: Page, settle: Settle) -> None:
    page = uploaded
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Done:")).to_be_visible()
    settle(page)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("tab", name="Other groupings").click()
    expect(page.get_by_text("Variant 1", exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.locator(".st-key-csv_variant-1").get_by_role("button").click()
    assert download.value.suggested_filename == "variant-1.csv"
    lines = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    assert [line["task"] for line in lines] == list("abcdef")
    assert sum(line["group"] == lines[0]["group"] for line in lines) == 1


@pytest.mark.slow
def test_constraints_that_conflict_are_named_and_dropped(uploaded: Page, settle: Settle) -> None:
    page = uploaded
    page.get_by_text("Constraints", exact=True).click()
    largest = page.get_by_role("spinbutton", name="Largest group")
    largest.fill("2")
    largest.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text(
        "No grouping satisfies all of: max_size = 2, n_groups = 2, 6 tasks."
    )
    settle(page)
    page.locator(".st-key-forget_constraints").get_by_role("button").click()
    expect(page.get_by_test_id("stTable").locator("tbody tr")).to_contain_text(["a b e", "c d f"])
    expect(largest).to_have_value("")
    settle(page)
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.slow
def test_the_number_of_groups_is_suggested_while_one_waits(uploaded: Page) -> None:
    page = uploaded
    page.get_by_role("tab", name="How many groups").click()
    page.locator(".st-key-sweep").get_by_role("button").click()
    expect(page.get_by_text(re.compile("Suggested: k = "))).to_be_visible()


@pytest.mark.slow
def test_the_stability_of_a_run_comes_by_itself(page: Page, settle: Settle) -> None:
    page.goto("/groups?run=sample-yeast&k=3")
    expect(page.get_by_text("Agreement of all groups")).to_be_visible(timeout=120_000)
    settle(page)
    expect(page.get_by_test_id("stTable").locator("thead")).to_contain_text("Stability")


@pytest.mark.slow
def test_the_page_fits_a_phone(open_window: Callable[..., Page], settle: Settle) -> None:
    page = open_window(width=390, height=800)
    page.goto("/groups?run=sample-debian")
    expect(page.locator(f"{FIGURE} .heatmaplayer image")).to_be_attached()
    expect(page.locator(f"{FIGURE} .shapelayer path")).not_to_have_count(0)  # the branches of the tree
    page.locator(".st-key-groups_panels").scroll_into_view_if_needed()
    expect(page.get_by_role("tab", name="What if")).to_be_visible()
    settle(page)
    page.wait_for_function("document.querySelector('[data-testid=stMain]').scrollWidth <= 390")
    # The map fills its figure: nothing is left blank below the title of its axis.
    page.wait_for_function(
        """() => {
            const figure = document.querySelector('.st-key-grouped_affinities .js-plotly-plot');
            const below = figure.getBoundingClientRect().bottom;
            return below - figure.querySelector('.xtitle').getBoundingClientRect().bottom < 60;
        }"""
    )
