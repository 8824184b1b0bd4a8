"""Finding, running and ending a browser: with scripts in its place, so that none is needed."""

import time
from pathlib import Path

import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.report import browser
from gradtag_core.report.browser import BrowserFailed, NoBrowser, find_browser, run_browser


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    """A script in place of the browser."""

    def made(text):
        path = tmp_path / "pretended"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        monkeypatch.setenv("GRADTAG_BROWSER", str(path))
        return path

    return made


def test_the_variable_comes_first_and_must_be_right(pretend, monkeypatch):
    path = pretend("true")
    assert find_browser() == str(path)
    monkeypatch.setenv("GRADTAG_BROWSER", "/no/such/browser")
    with pytest.raises(InvalidInput, match="`GRADTAG_BROWSER`"):
        find_browser()


def test_without_a_browser_it_is_said_what_to_install(monkeypatch):
    monkeypatch.delenv("GRADTAG_BROWSER", raising=False)
    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    with pytest.raises(NoBrowser, match=r"Install Chromium.*`GRADTAG_BROWSER`.*HTML report needs none"):
        find_browser()


def test_it_gets_a_profile_of_its_own_that_is_gone_afterwards(pretend, tmp_path):
    pretend('for word in "$@"; do echo "$word"; done')
    words = run_browser(tmp_path / "a page.html", "--dump-dom").decode().split("\n")
    assert words[-2].startswith("file:///") and words[-2].endswith("/a%20page.html")
    (profile,) = [word.partition("=")[2] for word in words if word.startswith("--user-data-dir=")]
    assert not Path(profile).exists()


@pytest.mark.parametrize("root", [True, False])
def test_the_sandbox_is_left_only_as_root(pretend, tmp_path, monkeypatch, root):
    pretend('for word in "$@"; do echo "$word"; done')
    monkeypatch.setattr(browser, "_is_root", lambda: root)
    assert ("--no-sandbox" in run_browser(tmp_path / "x.html").decode().split()) is root


def test_a_failure_has_its_last_words(pretend, tmp_path):
    pretend("echo first >&2; echo the disk is full >&2; exit 3")
    with pytest.raises(BrowserFailed, match="code 3: the disk is full"):
        run_browser(tmp_path / "x.html")


def test_what_does_not_end_is_ended_with_its_children(pretend, tmp_path):
    pretend(f"sleep 60 & echo $! > {tmp_path / 'child'}; wait")
    started = time.monotonic()
    with pytest.raises(BrowserFailed, match="did not finish"):
        run_browser(tmp_path / "x.html", timeout=1.0)
    assert time.monotonic() - started < 20
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not is_alive(child):
            return
        time.sleep(0.05)
    raise AssertionError("the child of the browser is still there")


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_a_browser_that_cannot_be_started(pretend, tmp_path):
    path = pretend("true")
    path.write_bytes(b"\x7fELF nonsense")
    with pytest.raises(BrowserFailed, match=r"could not be started|ended with code"):
        run_browser(tmp_path / "x.html")
