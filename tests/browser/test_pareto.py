"""The Pareto page in a browser: the slider answers, a study is started, cancelled and resumed, narrow windows."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

PLOT, WORDS = ".st-key-pareto .scatterlayer", ".st-key-recommendation"
SECONDS = 1000
Settle = Callable[[Page], None]


def test_the_budget_slider_changes_the_recommendation(page: Page, settle: Settle) -> None:
    page.goto("/pareto?study=sample-study-yeast")
    expect(page.locator(PLOT)).to_be_attached()
    expect(page.locator(WORDS)).to_contain_text("train with")
    settle(page)
    page.get_by_role("slider").press("Home")
    expect(page.locator(WORDS)).to_contain_text("train with Naive multitask")
    expect(page).to_have_url(re.compile("budget="))
    cheapest = page.locator(WORDS).inner_text()
    settle(page)
    page.get_by_role("slider").press("End")
    expect(page.locator(WORDS)).not_to_have_text(cheapest)
    expect(page.locator(WORDS)).not_to_contain_text("train with Naive multitask")


def test_the_plot_and_the_methods_can_be_downloaded(page: Page, settle: Settle) -> None:
    page.goto("/pareto?study=sample-study-yeast")
    expect(page.locator(PLOT)).to_be_attached()
    settle(page)
    for name, ending in (("Plot (HTML)", ".html"), ("Methods (CSV)", ".csv"), ("Methods (JSON)", ".json")):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        assert download.value.suggested_filename.startswith("sample-study-yeast")
        assert download.value.suggested_filename.endswith(ending)
        assert not download.value.failure()


@pytest.mark.slow
def test_a_study_is_started_cancelled_resumed_and_seen(
    open_window: Callable[..., Page], settle: Settle
) -> None:
    page = open_window(height=2800)  # a list that opens closes when its page is scrolled
    page.goto("/pareto?study=sample-study-yeast")
    expect(page.locator(PLOT)).to_be_attached()
    settle(page)
    page.get_by_text("New study", exact=True).click()
    form = page.locator(".st-key-new_study")
    expect(form.locator("code")).to_be_visible()
    settle(page)
    methods = form.get_by_role("combobox", name="Methods")
    methods.fill("PCGrad")
    page.get_by_role("option", name="PCGrad", exact=True).click()
    expect(form.locator("code").filter(has_text="--methods pcgrad")).to_be_visible()
    settle(page)
    page.locator(".st-key-start_study button").click()
    expect(page).to_have_url(re.compile("study=yeast-"))
    expect(page.get_by_test_id("stProgress")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("cancelled", exact=True)).to_be_visible()
    settle(page)
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.get_by_test_id("stProgress")).to_have_count(0, timeout=180 * SECONDS)
    settle(page)
    expect(page.locator(PLOT)).to_be_attached()
    expect(page.locator(WORDS)).to_contain_text("train with")
    expect(page.locator(".st-key-left_out")).to_have_count(0)
    expect(form.get_by_role("spinbutton", name="Seeds")).to_have_value("1")  # the form keeps what was chosen


OVERLAPS = """() => {
  const texts = [...document.querySelectorAll('.st-key-pareto .textpoint text, .st-key-pareto .annotation text')];
  const shown = texts.filter((each) => each.getClientRects().length && !each.textContent.includes('budget'));
  const boxes = shown.map((each) => [each.textContent, each.getBoundingClientRect()]);
  const found = [];
  boxes.forEach(([name, one], index) => boxes.slice(index + 1).forEach(([other, two]) => {
    const wide = Math.min(one.right, two.right) - Math.max(one.left, two.left);
    const high = Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top);
    if (wide > 1 && high > 2) found.push([name, other, wide, high]);
  }));
  return { names: boxes.map(([name]) => name), found };
}"""


@pytest.mark.slow
@pytest.mark.parametrize("study", ["debian", "yeast", "amazon"])
def test_no_name_lies_over_another_at_any_width(
    open_window: Callable[..., Page], settle: Settle, study: str
) -> None:
    page = open_window(width=390, height=2000)
    page.goto(f"/pareto?study=sample-study-{study}")
    expect(page.locator(PLOT)).to_be_attached()
    settle(page)
    counts = []
    for width in (390, 480, 600, 768, 1024, 1280, 1440, 1920, 2560):
        page.set_viewport_size({"width": width, "height": 2000})
        page.wait_for_timeout(SECONDS)  # until the figure has the new width
        placed = page.evaluate(OVERLAPS)
        assert not placed["found"], (width, placed["found"])
        assert len(placed["names"]) == len(set(placed["names"]))
        assert "Grad-TAG, M = 1" in placed["names"]
        counts.append(len(placed["names"]))
    assert counts[0] >= 3 and counts[-1] > counts[0]


def test_a_picture_of_the_plot_and_its_full_screen_hold_the_names_that_are_seen(
    page: Page, settle: Settle
) -> None:
    page.goto("/pareto?study=sample-study-debian")
    expect(page.locator(PLOT)).to_be_attached()
    settle(page)
    seen = page.evaluate(OVERLAPS)["names"]
    with page.expect_download() as download:
        page.locator(".st-key-pareto_below_figure").get_by_role("button", name="SVG", exact=True).click()
    picture = Path(download.value.path()).read_text(encoding="utf-8")
    written = re.findall(r"<text[^>]*names-\d[^>]*>(.*?)</text>", picture, re.DOTALL)
    assert sorted(re.sub("<[^>]*>", "", each) for each in written) == sorted(seen)
    assert page.evaluate(OVERLAPS)["names"] == seen
    legend = re.findall(r'<text class="legendtext"[^>]*>', picture)
    assert legend and not any("Source Sans" in each for each in legend)  # the file has no font of the page
    page.locator(".st-key-pareto").hover()
    page.locator(".st-key-pareto").get_by_role("button", name="Fullscreen").click()
    page.wait_for_function(f"document.querySelector('{PLOT}').closest('svg').clientWidth > 1200")
    placed = page.evaluate(OVERLAPS)
    assert placed["names"] and not placed["found"]


@pytest.mark.slow
def test_the_page_fits_a_phone(open_window: Callable[..., Page], settle: Settle) -> None:
    page = open_window(width=390, height=800)
    page.goto("/pareto?study=sample-study-yeast")
    expect(page.locator(PLOT)).to_be_attached()
    settle(page)
    page.wait_for_function("document.querySelector('[data-testid=stMain]').scrollWidth <= 390")
    # The names of the front are there; of the others only those that have room.
    page.wait_for_function(
        """() => {
            const names = [...document.querySelectorAll('.st-key-pareto .textpoint text')];
            const shown = names.filter(each => each.getClientRects().length).length;
            return shown > 0 && shown < names.length;
        }"""
    )
