"""The Affinity page in a browser: what is selected in one figure is selected in all."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

SCATTER = ".st-key-estimate_against_truth .js-plotly-plot"
# The pair of a point that no other one covers, and where it lies in the window.
LONELY = """chart => {
  const { left, top } = chart.getBoundingClientRect(), { xaxis, yaxis } = chart._fullLayout;
  const points = chart._fullData.flatMap((trace) => (trace.customdata || []).map((pair, index) => ({
    pair: pair.slice(2, 4),
    x: left + xaxis._offset + xaxis.d2p(trace.x[index]), y: top + yaxis._offset + yaxis.d2p(trace.y[index]),
  }))).filter((one) => Number.isFinite(one.x + one.y));
  const apart = (one, two) => two === one ? Infinity : Math.hypot(one.x - two.x, one.y - two.y);
  const room = (one) => Math.min(...points.map((two) => apart(one, two)));
  return points.reduce((best, one) => room(one) > room(best) ? one : best);
}"""


@pytest.mark.slow
def test_a_click_on_a_point_selects_its_pair(
    open_window: Callable[..., Page], settle: Callable[[Page], None]
) -> None:
    page = open_window(height=5000)  # many parts come into view at once, and all of them are drawn
    page.goto("/affinity?run=sample-debian")
    expect(page.locator(f"{SCATTER} .scatterlayer .point").first).to_be_attached()
    expect(page.locator("[data-waiting]")).to_have_count(0)
    settle(page)
    page.wait_for_timeout(1000)  # until nothing above it moves
    point = page.locator(SCATTER).evaluate(LONELY)
    task, co_task = point["pair"]
    page.mouse.click(point["x"], point["y"])
    for label, name in (("Evaluated task", task), ("Co-task", co_task)):
        expect(page.get_by_role("combobox", name=label, exact=False).first).to_have_value(name)
    settle(page)
    words = page.locator(".st-key-pair")
    expect(words).to_contain_text(task)
    expect(words).to_contain_text(co_task)


# Streamlit marks what is drawn again.
MARKS = """map => {
  window.marks = 0;
  new MutationObserver(changes => { window.marks += changes.length; }).observe(map, {attributes: true});
}"""


def test_a_click_on_a_cell_draws_no_map_again(
    open_window: Callable[..., Page], settle: Callable[[Page], None]
) -> None:
    page = open_window()
    page.goto("/affinity?run=sample-debian")
    plane, first = (
        page.locator(".st-key-affinity_map .nsewdrag").first,
        page.locator(".st-key-pair strong").first,
    )
    expect(plane).to_be_attached()
    settle(page)
    page.locator(".st-key-affinity_map").evaluate(MARKS)
    task = first.inner_text()
    box = plane.bounding_box()
    assert box
    plane.click(position={"x": box["width"] * 0.3, "y": box["height"] * 0.7}, force=True)
    expect(first).not_to_have_text(task)
    page.wait_for_timeout(1500)  # longer than a part takes to follow
    settle(page)
    assert page.evaluate("window.marks") == 0
