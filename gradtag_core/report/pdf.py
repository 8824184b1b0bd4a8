"""The report as a PDF, printed by a browser."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gradtag_core.report.browser import TIMEOUT, BrowserFailed, find_browser, run_browser
from gradtag_core.report.files import require_suffix, write_whole


def write_pdf(html: Path | str, path: Path, timeout: float = TIMEOUT) -> None:
    """Print a report, a file or its text, to a PDF whose figures are vectors.

    Raises `NoBrowser` where there is no browser, and `BrowserFailed` where it fails or takes longer than `timeout`
    seconds.
    """
    require_suffix(path, ".pdf")
    write_whole(path, pdf_bytes(html, timeout))


def pdf_bytes(html: Path | str, timeout: float = TIMEOUT) -> bytes:
    """The PDF of a report, a file or its text."""
    find_browser()  # before the work
    with tempfile.TemporaryDirectory() as folder:
        page, printed = Path(folder) / "report.html", Path(folder) / "report.pdf"
        if isinstance(html, Path):
            page = html
        else:
            page.write_text(html, encoding="utf-8")
        run_browser(page, f"--print-to-pdf={printed}", "--no-pdf-header-footer", timeout=timeout)
        if not printed.is_file() or not printed.stat().st_size:
            raise BrowserFailed("The browser printed nothing. Open the HTML report and print it from there.")
        return printed.read_bytes()
