"""What only a browser shows: painting, clicks, live progress, the address, and a real worker."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import FilePayload, FloatRect, Locator, Page, Position, expect

MATRIX = "task,a,b,c,d\na,1,9,0,0\nb,9,1,0,0\nc,0,0,1,9\nd,0,0,9,1\n"
MAP = ".heatmaplayer image"
SECONDS = 1000
Settle = Callable[[Page], None]


def number(page: Page, label: str, value: str) -> None:
    """Type into a number field as a user does."""
    field = page.get_by_role("spinbutton", name=label)
    field.fill(value)
    field.press("Enter")


def upload(page: Page, text: str) -> None:
    file: FilePayload = {"name": "matrix.csv", "mimeType": "text/csv", "buffer": text.encode()}
    page.locator("input[type=file]").set_input_files(files=[file])


def resting_box(element: Locator) -> FloatRect:
    """Where an element stands once it moves no more; the time limit of the test bounds the wait."""
    before = None
    while (box := element.bounding_box()) is None or box != before:
        before = box
        element.page.wait_for_timeout(300)
    return box


@pytest.mark.slow
def test_a_page_opened_by_its_address_on_a_fresh_server_is_whole(page: Page, settle: Settle) -> None:
    page.goto("/groups")
    expect(page.get_by_role("heading", name="Groups", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Estimate")).to_be_visible()
    settle(page)
    expect(page.get_by_role("link", name="app")).to_have_count(0)


def test_the_first_page_offers_the_quick_preset(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("button", name="Run the quick preset")).to_be_visible()


@pytest.mark.slow
def test_the_quick_preset_runs_before_the_users_eyes_and_survives_a_reload(
    page: Page, settle: Settle
) -> None:
    page.goto("/")
    page.get_by_role("button", name="Run the quick preset").click()
    expect(page.get_by_test_id("stProgress")).to_be_visible()
    expect(page).to_have_url(re.compile("run=yeast-"))
    address = page.url
    page.reload()
    expect(page.get_by_test_id("stProgress")).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile("^yeast, "))).to_be_visible(timeout=180 * SECONDS)
    settle(page)  # the map of a sample run was there before
    expect(page.get_by_test_id("stProgress")).to_have_count(0)
    expect(page.locator(f".st-key-newest_affinities {MAP}")).to_be_attached()
    expect(page).to_have_url(address)
    page.reload()
    expect(page.get_by_role("heading", name=re.compile("^yeast, "))).to_be_visible()
    expect(page.locator(f".st-key-newest_affinities {MAP}")).to_be_attached()
    expect(page).to_have_url(address)
    page.get_by_role("link", name="Look closer at the affinities").click()
    expect(page.get_by_role("heading", name="Affinities", exact=True)).to_be_visible()
    settle(page)
    expect(page).to_have_url(re.compile(r"/affinity\?" + re.escape(address.partition("?")[2]) + "$"))


def test_all_presets_are_in_reach_on_a_phone(open_window: Callable[..., Page], settle: Settle) -> None:
    page = open_window(width=390)
    page.goto("/estimate")
    settle(page)
    presets = page.get_by_role("radiogroup", name="Preset").get_by_role("radio")
    expect(presets).to_have_count(5)
    for preset in presets.all():
        box = preset.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390 - 16


@pytest.mark.slow
def test_a_running_estimate_can_be_cancelled_and_deleted(page: Page, settle: Settle) -> None:
    page.goto("/estimate")
    number(page, "Initialisations (M)", "1000")
    expect(page.get_by_text("--n-inits")).to_be_visible()
    settle(page)
    page.get_by_role("button", name="Launch").click()
    expect(page.get_by_text("running", exact=True)).to_be_visible()
    number(page, "Projected dimension (d)", "50")
    expect(page.get_by_text("--proj-dim")).to_be_visible()
    expect(page.get_by_test_id("stProgress")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("cancelled", exact=True)).to_be_visible()
    page.get_by_role("link", name="Runs").click()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    settle(page)
    table = page.locator("[class*=st-key-runs-]").get_by_test_id("stDataFrame")
    expect(table.get_by_test_id("glide-cell-4-0")).to_have_text("cancelled")  # drawn, the newest run on top
    resting_box(table)
    newest: Position = {"x": 16, "y": 52}  # the box before the first line
    table.click(position=newest, force=True)
    page.locator(".st-key-delete_run").get_by_role("button").click()
    page.locator(".st-key-confirm_delete").get_by_role("button").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("Select one to open or change it")).to_be_visible()
    settle(page)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_bad_knob_is_one_sentence_and_stops_the_launch(page: Page) -> None:
    page.goto("/estimate")
    number(page, "Subset size (α)", "40")
    expect(page.get_by_role("alert")).to_have_text(
        re.compile("subset_size must be at most the number of tasks, 14; found 40.")
    )
    expect(page.get_by_role("button", name="Launch")).to_be_disabled()


def click_cell(page: Page, row: int, column: int, n_tasks: int) -> None:
    """Click a cell of the affinity map, by its place on the axes, near its corner."""
    plane = page.locator(".st-key-affinity_map .nsewdrag").first
    box = resting_box(plane)
    plane.click(
        position={"x": box["width"] * (column + 0.9) / n_tasks, "y": box["height"] * (row + 0.9) / n_tasks},
        force=True,
    )


def test_a_cell_of_the_map_can_be_clicked_anywhere_and_its_link_shows_the_pair(
    page: Page, settle: Settle
) -> None:
    page.goto("/affinity?run=sample-yeast&order=as+in+the+data+set")
    expect(page.locator(".st-key-affinity_map").locator(MAP)).to_be_attached()
    settle(page)
    click_cell(page, 3, 1, 14)
    task, co_task = (page.get_by_role("combobox", name=name) for name in ("Evaluated task", "Co-task"))
    expect(task).to_have_value("Class4")
    expect(co_task).to_have_value("Class2")
    expect(page.get_by_text("Class4 with Class2").first).to_be_visible()
    expect(page).to_have_url(re.compile("evaluated=Class4.*co_task=Class2"))
    page.goto(page.url)
    expect(task).to_have_value("Class4")
    expect(co_task).to_have_value("Class2")


@pytest.mark.slow
def test_a_row_of_the_table_and_a_bar_select_the_pair_too(
    page: Page, settle: Settle, read_through: Settle
) -> None:
    page.goto("/affinity?run=sample-yeast&evaluated=Class1&co_task=Class2&find=Class1")
    expect(page.locator(".st-key-affinity_map").locator(MAP)).to_be_attached()
    read_through(page)
    table = page.locator("[class*=st-key-pairs_]").get_by_test_id("stDataFrame")
    first = [table.get_by_test_id(f"glide-cell-{column}-0") for column in (1, 2)]
    expect(first[0]).not_to_be_empty()
    names = [cell.inner_text() for cell in first]
    table.scroll_into_view_if_needed()
    resting_box(table)
    table.click(position={"x": 16, "y": 52}, force=True)  # the box before the first line
    expect(page.get_by_role("combobox", name="Evaluated task")).to_have_value(names[0])
    expect(page.get_by_role("combobox", name="Co-task")).to_have_value(names[1])
    page.locator(".st-key-pair_evidence").scroll_into_view_if_needed()
    expect(page.locator(".st-key-pair_evidence")).to_contain_text(f"{names[0]} with {names[1]}")
    settle(page)
    bars = page.locator(".st-key-rank_backward .bars .point path")
    bars.last.scroll_into_view_if_needed()
    box = resting_box(bars.last)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_role("combobox", name="Evaluated task")).to_have_value(names[1])


def test_the_number_of_groups_follows_the_slider(page: Page) -> None:
    page.goto("/groups?run=sample-debian&k=5")
    rows = page.get_by_test_id("stTable").locator("tbody tr")
    expect(rows).to_have_count(5)
    page.get_by_role("slider").press("ArrowRight")
    expect(rows).to_have_count(6)
    page.get_by_role("slider").press("ArrowRight")
    expect(rows).to_have_count(7)
    expect(page).to_have_url(re.compile("k=7"))


@pytest.mark.slow
def test_an_uploaded_matrix_is_grouped_and_a_bad_one_refused(page: Page, settle: Settle) -> None:
    page.goto("/groups")
    page.get_by_role("radio", name="a CSV file").click()
    upload(page, MATRIX.replace("b,9", "b,much"))
    expect(page.get_by_role("alert")).to_contain_text("Line 3, column 2: expected a number; found much.")
    upload(page, MATRIX)
    expect(page.get_by_test_id("stTable").locator("tbody tr")).to_contain_text(["a b", "c d"])
    settle(page)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_on_paper_the_story_stands_alone_and_other_pages_are_whole(page: Page, settle: Settle) -> None:
    page.emulate_media(media="print")
    controls = (
        page.locator("[data-testid=stMain] [data-testid=stSelectbox]"),
        page.locator(".st-key-copy_link"),
    )
    for address, printed in (("/story?run=sample-yeast", False), ("/groups?run=sample-yeast", True)):
        page.goto(address)
        settle(page)
        for control in controls:
            expect(control.first).to_be_visible(visible=printed)
