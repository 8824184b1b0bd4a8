"""The report is one file that fetches nothing, and in which no name does anything."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.report.findings import find, stability_of
from gradtag_core.report.html import report_html, write_report
from gradtag_core.report.pictures import all_pictures

EVIL = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "<!--",
    "&amp;",
    "{{x}}",
    "plain",
)


class Reader(HTMLParser):
    """What a browser would see: tags with their attributes, and the content of scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.open = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data):
        if self.open == "script" and self.scripts:
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)

    def handle_endtag(self, tag):
        self.open = None


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    from tests.report.made_runs import made_record

    return made_record(
        tmp_path_factory.mktemp("html") / "run", names=EVIL, summary={"name": EVIL[0], "suite": EVIL[1]}
    )


@pytest.fixture(scope="module")
def read(record):
    return Reader(report_html(find(record)))


def test_names_do_nothing(read):
    assert not [tag for tag, _ in read.tags if tag in ("img", "iframe", "object", "embed", "base", "link")]
    assert not [attrs for _, attrs in read.tags if any(name.startswith("on") for name in attrs)]
    figures = [text for attrs, text in read.scripts if attrs.get("type") == "application/json"]
    assert all("<" not in text for text in figures)
    assert len(read.scripts) == len(figures) + 2  # plotly and ours


def test_the_figures_are_all_there_and_have_words(record, read):
    pictures = all_pictures(find(record))
    data = {attrs["data-place"]: json.loads(text) for attrs, text in read.scripts if "data-place" in attrs}
    assert set(data) == {picture.key for picture in pictures}
    words = {attrs["id"]: attrs["aria-label"] for tag, attrs in read.tags if attrs.get("class") == "plot"}
    assert words == {picture.key: picture.alt for picture in pictures}


def test_only_our_scripts_may_run_and_nothing_may_be_fetched(read):
    (policy,) = [attrs["content"] for tag, attrs in read.tags if "http-equiv" in attrs]
    assert (
        "default-src 'none'" in policy
        and "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    )
    for attrs, text in read.scripts:
        if "type" not in attrs:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy
    addresses = [value for _, attrs in read.tags for name, value in attrs.items() if name in ("src", "href")]
    assert addresses == []


def test_everything_is_in_it(make_record):
    record = make_record(config={"proj_dim": 77}, summary={"warnings": ("A file was computed again.",)})
    text = report_html(find(record, stability=stability_of(record)))
    for heading in ("Learn these together", "How sure is this?", "How it was found", "Groups, task by task", "Pairs",
                    "Accuracy", "Configuration", "Where the numbers come from", "How to repeat it"):  # fmt: skip
        assert heading in text
    for part in ("--proj-dim 77", "python 3.11, torch 2.13", "0" * 32, "drawn anew", "gradtag_core.make_config",
                 "A file was computed again.", "base models 0; real training 10, 11", "s in all stages"):  # fmt: skip
        assert part in text
    changed = text.split("What differs from the defaults")[1].split("<details")[0]
    assert "proj_dim" in changed and "learning_rate" not in changed


def test_little_is_left_without_truth_and_groups(make_record):
    text = report_html(find(make_record(truth=0, gain=None)))
    assert "<h2>Accuracy</h2>" not in text and "affinity-true" not in text.split("<script>")[0]


def test_the_same_run_gives_the_same_text(record):
    assert report_html(find(record)) == report_html(find(record))


def test_a_hundred_tasks_stay_small(make_record):
    record = make_record(n=100, n_groups=20, m=3000, truth=600)
    assert len(report_html(find(record)).encode()) < 8e6


def test_a_large_matrix_is_left_to_the_bundle(make_record):
    text = report_html(find(make_record(n=160, n_groups=10, truth=0, m=2000)))
    assert "All estimated affinities" not in text and "is in the bundle" in text


def test_files_are_written_whole_or_not_at_all(record, tmp_path):
    path = tmp_path / "deep" / "report.html"
    write_report(record, path)
    assert path.read_text().startswith("<!doctype html>") and re.search("</html>\n$", path.read_text())
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]
    with pytest.raises(InvalidInput, match="end in"):
        write_report(record, tmp_path / "report.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="could not be written"):
        write_report(record, tmp_path / "file" / "report.html")
