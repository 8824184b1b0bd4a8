"""A real browser on the real app. Without a chromium these tests are skipped, with one line that says so."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from gradtag_core.runs.process import cancel
from gradtag_core.runs.row import OPEN
from gradtag_core.runs.store import RunStore

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 60  # seconds: a busy machine is no failure
expect.set_options(timeout=1000 * PATIENCE)
TROUBLE = re.compile(r"Traceback|Exception|[Dd]eprecat")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process drives the browser: its tests share a server."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")
            item.add_marker(pytest.mark.timeout(5 * PATIENCE))
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
        try:
            launched = playwright.chromium.launch(executable_path=found, args=FLAGS)
        except PlaywrightError:
            pytest.skip("no chromium on this machine: install it, or run `playwright install chromium`")
        yield launched
        launched.close()


@dataclass(frozen=True)
class AppServer:
    """The app as `make app` serves it, over a store of its own."""

    url: str
    home: Path
    log: Path


@pytest.fixture(scope="session")
def app_server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[AppServer]:
    """Serves the app while the tests run; its log must end without a traceback or a deprecation."""
    folder = tmp_path_factory.mktemp("app")
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    server = AppServer(f"http://localhost:{port}", folder / "home", folder / "server.log")
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--server.port", str(port), "--server.address", "localhost"],
            cwd=ROOT, stdout=log, stderr=subprocess.STDOUT,
            env={**os.environ, "GRADTAG_HOME": str(server.home)},
        )  # fmt: skip
    try:
        _wait_until_healthy(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)
        _end_runs(RunStore(server.home))
    text = server.log.read_text()
    assert not TROUBLE.search(text), text


def _end_runs(store: RunStore) -> None:
    """Runs outlive the app; those of a test that failed must not."""
    for row in store.list():
        if row.state in OPEN:
            cancel(store, row.id, grace=0.0)


def _wait_until_healthy(server: AppServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{server.url}/_stcore/health", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"The app did not start:\n{server.log.read_text()}")


@pytest.fixture(scope="session")
def new_window(browser: Browser, app_server: AppServer) -> Iterator[Callable[..., Page]]:
    """Opens a browser window on the app; windows share what the browser keeps of the app's files, and no session."""
    contexts: dict[str, BrowserContext] = {}

    def opened(width: int = 1280, height: int = 900, theme: Literal["light", "dark"] = "light") -> Page:
        if theme not in contexts:
            contexts[theme] = browser.new_context(base_url=app_server.url, color_scheme=theme)
            contexts[theme].set_default_timeout(1000 * PATIENCE)
        page = contexts[theme].new_page()
        page.set_viewport_size({"width": width, "height": height})
        return page

    yield opened
    for context in contexts.values():
        context.close()


@pytest.fixture
def open_window(new_window: Callable[..., Page]) -> Iterator[Callable[..., Page]]:
    """Opens fresh browser windows on the app; the page itself is opened by the test."""
    pages = []

    def opened(**options: Any) -> Page:
        pages.append(new_window(**options))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


@pytest.fixture
def page(open_window: Callable[..., Page]) -> Page:
    return open_window()


@pytest.fixture
def settle() -> Callable[[Page], None]:
    """Waits until the script has run, and nothing of an earlier run of it or still loading is on the page.

    A click on a button carries the arguments of the last run: what was typed before it must have arrived.
    """

    def settled(page: Page) -> None:
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        expect(page.locator("[data-stale=true], [data-testid=stSkeleton]")).to_have_count(0)

    return settled


@pytest.fixture
def read_through(settle: Callable[[Page], None]) -> Callable[[Page], None]:
    """Brings every part of a page into view, and waits until all are drawn."""

    def read(page: Page) -> None:
        window = page.viewport_size
        assert window
        settle(page)
        page.set_viewport_size({"width": window["width"], "height": 10_000})
        expect(page.locator("[data-waiting]")).to_have_count(0)
        settle(page)
        page.set_viewport_size(window)

    return read
