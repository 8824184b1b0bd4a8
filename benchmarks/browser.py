"""The app in a real browser, over a store of its own: for the scripts that time it or take its picture."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@contextmanager
def served_app(home: Path | None = None, script: str = "", **settings: str) -> Iterator[str]:
    """Serve the app on a free port over the store in `home`, else an empty one, beside the sample runs; yields its
    address. `script`: another app, as text. `settings`: of its environment."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as empty:
        app = ROOT / "app.py"
        if script:
            app = Path(empty) / "app.py"
            app.write_text(script)
        command = [sys.executable, "-m", "streamlit", "run", str(app), "--server.port", str(port)]
        environment = {**os.environ, "GRADTAG_HOME": str(home or empty), **settings}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        url = f"http://localhost:{port}"
        try:
            _wait_until_healthy(url)
            yield url
        finally:
            process.terminate()
            process.wait()


def _wait_until_healthy(url: str) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("The app did not start within half a minute.")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The chromium on this machine, or Playwright's own."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()
