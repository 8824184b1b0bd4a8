"""A chromium without a window: the only thing here that can make a PDF, or pictures of figures."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from gradtag_core.errors import GradTagError, InvalidInput

VARIABLE = "GRADTAG_BROWSER"
NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge",
    "brave-browser",
)  # fmt: skip
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
FLAGS = (
    "--headless", "--disable-gpu", "--no-first-run", "--no-default-browser-check", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--force-color-profile=srgb",
)  # fmt: skip
TIMEOUT = 120.0  # seconds


class NoBrowser(GradTagError):
    """There is no browser to print with."""


class BrowserFailed(GradTagError):
    """The browser could not do what it was asked for."""


def find_browser() -> str:
    """The path of a Chromium, Chrome or Edge: that of GRADTAG_BROWSER, else the first that is installed.

    Raises `NoBrowser` where there is none, and `InvalidInput` where the variable names none.
    """
    asked = os.environ.get(VARIABLE)
    if asked:
        found = shutil.which(asked)
        if found is None:
            raise InvalidInput(
                f"`{VARIABLE}` must be the path of a Chromium, Chrome or Edge; found `{asked}`."
            )
        return found
    found = next(filter(None, map(shutil.which, (*NAMES, *PLACES))), None)
    if found is None:
        raise NoBrowser(
            "PDFs and pictures are made by a browser, and none was found. Install Chromium, Google Chrome or Microsoft "
            f"Edge (`apt install chromium`, say), or set `{VARIABLE}` to the path of one. The HTML report needs none."
        )
    return found


def run_browser(page: Path, *arguments: str, timeout: float = TIMEOUT) -> bytes:
    """Open a local page in a headless browser with these arguments, and return what it writes.

    The browser has a profile of its own, which is deleted; it ends after `timeout` seconds with everything it started.
    """
    command = [find_browser(), *FLAGS, *(("--no-sandbox",) if _is_root() else ()), *arguments]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command += [f"--user-data-dir={profile}", page.resolve().as_uri()]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise BrowserFailed(f"`{command[0]}` could not be started: {error}.") from error
        try:
            written, told = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise BrowserFailed(
                f"`{command[0]}` did not finish within {timeout:.0f} seconds. Try again when the machine is less busy."
            ) from error
        finally:
            _end(process)
    if process.returncode:
        last = told.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise BrowserFailed(f"`{command[0]}` ended with code {process.returncode}: {last[0]}.")
    return written


def _is_root() -> bool:
    """Chromium's sandbox refuses to start as root."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the process and of its children, and close its pipes."""
    with suppress(
        ProcessLookupError, PermissionError
    ):  # they have ended; macOS denies signals to such a group
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
