"""What the tools of a figure do in a browser: cells of maps, pictures, tables; and the link of a page."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from gradtag_core.grouping.matrix_file import read_affinity_csv, write_affinity_csv

MAP = ".st-key-affinity_map"
GROUPED = ".st-key-grouped_affinities"
SVG = "{http://www.w3.org/2000/svg}"
BACKGROUNDS = {"light": (255, 255, 255), "dark": (17, 22, 26)}
LABELS = "chart => [...chart.data.find(trace => trace.type === 'heatmap').y]"
LISTENERS = "chart => chart._ev.listenerCount('plotly_click')"
Settle = Callable[[Page], None]
Theme = Literal["light", "dark"]


def open_map(page: Page, settle: Settle) -> None:
    page.goto("/affinity?run=sample-debian")
    expect(drawn(page, MAP)).to_be_attached()
    settle(page)


def drawn(page: Page, chart: str) -> Locator:
    return page.locator(f"{chart} .heatmaplayer image").first


def graph(page: Page, chart: str) -> Locator:
    return page.locator(f"{chart} .js-plotly-plot")


def click_cell(page: Page, row: int, column: int, size: int) -> None:
    area = page.locator(f"{MAP} .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box
    page.mouse.click(
        box["x"] + (column + 0.5) * box["width"] / size, box["y"] + (row + 0.5) * box["height"] / size
    )


def expect_pair(page: Page, task: str, co_task: str) -> None:
    for label, name in (("Evaluated task", task), ("Co-task", co_task)):
        expect(page.get_by_role("combobox", name=label, exact=False).first).to_have_value(name)


def saved(page: Page, chart: str, button: str) -> tuple[str, bytes]:
    """The name and the content of the file that a tool of a figure saves."""
    with page.expect_download() as download:
        page.locator(f"{chart}_below_figure").get_by_role("button", name=button, exact=True).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_a_click_on_a_cell_of_a_map_selects_its_pair_again_and_again(page: Page, settle: Settle) -> None:
    open_map(page, settle)
    names = graph(page, MAP).evaluate(LABELS)
    for row, column in ((3, 11), (20, 5), (20, 6)):
        click_cell(page, row, column, len(names))
        expect_pair(page, names[row], names[column])
        settle(page)
    assert graph(page, MAP).evaluate(LISTENERS) <= 1


@pytest.mark.slow
def test_cells_answer_after_another_page_was_open(page: Page, settle: Settle) -> None:
    open_map(page, settle)
    page.get_by_role("link", name="How it works").click()
    expect(page.get_by_role("heading", name="How it works", level=1)).to_be_visible()
    page.get_by_role("link", name="Affinity", exact=True).click()
    expect(drawn(page, MAP)).to_be_attached()
    settle(page)
    names = graph(page, MAP).evaluate(LABELS)
    click_cell(page, 7, 2, len(names))
    expect_pair(page, names[7], names[2])


def test_a_cell_can_be_picked_with_the_keyboard(page: Page, settle: Settle) -> None:
    open_map(page, settle)
    names = graph(page, MAP).evaluate(LABELS)
    cells = page.locator(f"{MAP}_tools").get_by_role("button", name="Pick a cell")
    cells.focus()
    for key in ("Down", "Down", "Right", "Up", "Left", "Left", "Right", "Right"):
        page.keyboard.press(f"Arrow{key}")
    expect(page.locator(f"{MAP}_tools").get_by_role("status")).to_contain_text(
        f"{names[1]} with {names[2]}: "
    )
    page.keyboard.press("Enter")
    expect_pair(page, names[1], names[2])
    expect(cells).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_figure_saves_itself_as_it_is_seen(
    open_window: Callable[..., Page], settle: Settle, theme: Theme
) -> None:
    page = open_window(theme=theme)
    open_map(page, settle)
    width, height = graph(page, MAP).evaluate("chart => [chart.clientWidth, chart.clientHeight]")
    name, content = saved(page, MAP, "PNG")
    assert name == "affinity_map.png"
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "PNG"
        assert picture.size == (2 * width, 2 * height)
        assert picture.convert("RGBA").getpixel((1, 1)) == (*BACKGROUNDS[theme], 255)
        assert len(picture.convert("RGB").getcolors(maxcolors=2**24) or []) > 50
    name, content = saved(page, MAP, "SVG")
    assert name == "affinity_map.svg"
    drawing = ElementTree.fromstring(content)
    assert (drawing.tag, drawing.get("width"), drawing.get("height")) == (
        f"{SVG}svg",
        str(width),
        str(height),
    )
    below = drawing.find(f"{SVG}rect")
    assert below is not None
    assert "rgb({}, {}, {})".format(*BACKGROUNDS[theme]) in (below.get("style") or "")
    assert graph(page, MAP).evaluate("chart => chart._fullLayout.paper_bgcolor") == "rgba(0,0,0,0)"


def test_the_numbers_of_a_figure_are_a_table(page: Page, settle: Settle) -> None:
    open_map(page, settle)
    name, content = saved(page, MAP, "CSV")
    assert name == "affinity_map.csv"
    table = pd.read_csv(io.BytesIO(content), index_col="task")
    names = graph(page, MAP).evaluate(LABELS)
    assert list(table.index) == list(table.columns) == names
    shown = graph(page, MAP).evaluate(
        "chart => chart.calcdata[0][0].z.map(row => [...row].map(cell => cell ?? null))"
    )
    off_diagonal = ~np.eye(len(names), dtype=bool)
    cells = np.array(shown, dtype=float)
    np.testing.assert_allclose(cells[off_diagonal], table.to_numpy()[off_diagonal], atol=1e-6)


def test_names_that_look_like_formulas_are_harmless_in_a_file_and_come_back(
    page: Page, settle: Settle
) -> None:
    names = ['=HYPERLINK("http://x";"y")', "+1", "@a,b", "'=kept", "<b>plain</b>"]
    values = np.random.default_rng(0).normal(size=(5, 5)).round(3)
    text = io.StringIO()
    write_affinity_csv(text, values, names)
    page.goto("/groups?source=a+CSV+file&k=2")
    page.locator("input[type=file]").set_input_files(
        files=[{"name": "own.csv", "mimeType": "text/csv", "buffer": text.getvalue().encode()}]
    )
    expect(drawn(page, GROUPED)).to_be_attached()
    settle(page)
    content = saved(page, GROUPED, "CSV")[1].decode()
    assert not re.search(r"(^|[,\n])\"?[=+@]", content)
    read, found = read_affinity_csv(io.StringIO(content))
    assert list(found) == names
    np.testing.assert_array_equal(read, values)


def test_the_link_of_a_page_is_copied_without_running_it_again(
    open_window: Callable[..., Page], settle: Settle
) -> None:
    page = open_window()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_map(page, settle)
    sent: list[str | bytes] = []
    page.on("websocket", lambda socket: socket.on("framesent", sent.append))
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    expect(page.get_by_role("button", name="Copy link")).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    assert sent == []


@pytest.mark.slow
def test_the_link_is_copied_where_the_browser_gives_no_clipboard(page: Page, settle: Settle) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.add_init_script("addEventListener('copy', () => (window.copied = document.activeElement.value))")
    open_map(page, settle)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("window.copied") == page.url


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_tools_stand_in_one_row_inside_the_window(
    open_window: Callable[..., Page], settle: Settle, width: int
) -> None:
    page = open_window(width=width)
    open_map(page, settle)
    row = page.locator(f"{MAP}_below_figure")
    boxes = [
        row.get_by_role("button", name=name, exact=True).bounding_box() for name in ("PNG", "SVG", "CSV")
    ]
    middles = [box["y"] + box["height"] / 2 for box in boxes if box]
    assert len(middles) == 3, json.dumps(boxes)
    assert max(middles) - min(middles) < 3
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
