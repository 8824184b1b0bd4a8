"""A sweep in a real browser: a click on a cell of the surface picks it, and the address holds it."""

import re

import pytest
from playwright.sync_api import expect

from gradtag_core.config import make_config
from gradtag_core.runs.start import create_sweep, execute
from gradtag_core.runs.store import RunStore
from gradtag_core.sweep_config import make_sweep_config

SMALL = {
    "suite": "planted", "n_tasks": 5, "width": 8, "epochs": 1, "base_epochs": 1, "n_subsets": 10, "subset_size": 2,
    "n_groups": 2, "proxies_per_task": 0, "train_groups": False, "proj_dim": 8, "truth": 10, "threads": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def swept(app_server):
    store = RunStore(app_server.home)
    config = make_sweep_config(make_config(None, **SMALL), {"proj_dim": (4, 8), "n_inits": (1, 2)})
    row = execute(store, create_sweep(store, config).id)
    assert row.state == "done", row.error
    return row


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_click_on_a_cell_shows_it_and_its_knobs_can_be_used(swept, open_window, settle, theme):
    page = open_window(theme=theme)
    page.goto(f"/sweep?sweep={swept.id}")
    details = page.locator(".st-key-sweep_cell_details")
    expect(details).to_be_visible()
    settle(page)
    area = page.locator(".nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    for row, column, words in ((0, 1, "4, Initialisations (M) 2"), (1, 0, "8, Initialisations (M) 1")):
        page.mouse.click(
            box["x"] + (column + 0.5) / 2 * box["width"], box["y"] + (row + 0.5) / 2 * box["height"]
        )
        expect(details.get_by_text(f"Projected dimension (d) {words}", exact=False).first).to_be_visible()
    expect(page).to_have_url(re.compile("sweep_cell=2"))
    address = page.url
    settle(page)
    page.goto(address)
    expect(details.get_by_text("Projected dimension (d) 8, Initialisations (M) 1").first).to_be_visible()
    settle(page)
    page.get_by_role("button", name="Use these knobs on Estimate").click()
    expect(page.get_by_role("heading", name="Estimate affinities")).to_be_visible()
    expect(page.get_by_role("spinbutton", name="Projected dimension (d)")).to_have_value("8")
    expect(page.locator("[data-testid=stException]")).to_have_count(0)


@pytest.mark.slow
def test_a_narrow_window_shows_the_whole_page(swept, open_window, settle):
    page = open_window(width=390)
    page.goto(f"/sweep?sweep={swept.id}")
    expect(page.locator(".st-key-sweep_cell_details")).to_be_visible()
    settle(page)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
