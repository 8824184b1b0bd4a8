"""A real browser prints the report; without one these tests are skipped."""

import re
import zlib

import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.report.browser import BrowserFailed, NoBrowser, find_browser
from gradtag_core.report.findings import find
from gradtag_core.report.html import report_html, write_report
from gradtag_core.report.pdf import write_pdf


@pytest.fixture
def chromium():
    try:
        return find_browser()
    except NoBrowser as error:
        pytest.skip(str(error))


def streams(content):
    """What a PDF draws, unpacked."""
    found = []
    for each in re.finditer(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
        try:
            found.append(zlib.decompress(each[1]))
        except zlib.error:
            continue
    return b"\n".join(found)


@pytest.mark.browser
@pytest.mark.usefixtures("chromium")
def test_figures_are_vectors_on_a4(make_record, tmp_path):
    record = make_record()
    write_report(record, tmp_path / "run.html")
    write_pdf(tmp_path / "run.html", tmp_path / "run.pdf")
    content = (tmp_path / "run.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/Subtype /Image" not in content  # Plotly itself would draw the cells of a map as a picture
    sizes = {tuple(round(float(side)) for side in found.split()[2:]) for found in
             re.findall(rb"/MediaBox \[([\d. ]+)\]", content)}  # fmt: skip
    assert sizes == {(595, 842)}
    assert (
        streams(content).count(b" re\n") + streams(content).count(b"\nh\n") >= 4 * 30
    )  # four maps of 30 cells


@pytest.mark.browser
@pytest.mark.usefixtures("chromium")
def test_what_a_report_says_is_harmless_when_printed(make_record, tmp_path):
    text = report_html(
        find(make_record(names=("</script><script>document.body.remove()</script>", *"abcde")))
    )
    write_pdf(text, tmp_path / "run.pdf")
    assert len((tmp_path / "run.pdf").read_bytes()) > 50_000


def test_without_a_browser_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADTAG_BROWSER", "/no/such/browser")
    with pytest.raises(InvalidInput, match="`GRADTAG_BROWSER`"):
        write_pdf("<p>x</p>", tmp_path / "x.pdf")
    with pytest.raises(InvalidInput, match=r"end in \.pdf"):
        write_pdf("<p>x</p>", tmp_path / "x.doc")
    assert not list(tmp_path.iterdir())


def test_a_browser_that_prints_nothing_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADTAG_BROWSER", "true")
    with pytest.raises(BrowserFailed, match="printed nothing"):
        write_pdf("<p>x</p>", tmp_path / "x.pdf")
