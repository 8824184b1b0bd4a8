"""The commands `report`, `bundle` and `open`."""

import json

import pytest
from typer.testing import CliRunner

from gradtag_core.cli import main as cli
from gradtag_core.config import make_config
from gradtag_core.report import bundle
from gradtag_core.report.browser import NoBrowser
from gradtag_core.runs.start import create_run
from gradtag_core.runs.store import RunStore


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder to write into, and no browser."""
    monkeypatch.chdir(tmp_path)

    def refuse(figures):
        raise NoBrowser("None was found.")

    monkeypatch.setattr(bundle, "draw_images", refuse)
    return tmp_path


def call(*words):
    """(exit code, standard output, sentence of the error or what stood on standard error)."""
    result = CliRunner().invoke(cli.app, list(words))
    ours = isinstance(result.exception, cli.GradTagError)
    return (2 if ours else result.exit_code), result.stdout, str(result.exception) if ours else result.stderr


def test_a_report_is_named_by_its_run_and_not_overwritten(elsewhere):
    code, out, error = call("report", "sample-yeast", "--no-stability")
    assert code == 0 and "Wrote sample-yeast.html" in out, error
    first = (elsewhere / "sample-yeast.html").read_bytes()
    code, _, error = call("report", "sample-yeast", "--no-stability", "--metric", "f1")
    assert code == 2 and "`sample-yeast.html` is there already" in error and "`--force`" in error
    assert (elsewhere / "sample-yeast.html").read_bytes() == first
    code, out, _ = call("report", "sample-yeast", "--no-stability", "--metric", "f1", "--force", "--json")
    assert code == 0 and json.loads(out)["file"] == "sample-yeast.html"
    assert (elsewhere / "sample-yeast.html").read_bytes() != first


def test_a_bundle_comes_back_as_the_same_run(elsewhere, own_home):
    code, out, error = call("bundle", "sample-yeast", "--output", "it.zip", "--no-stability")
    assert (
        code == 0
        and "Wrote it.zip" in out
        and "Warning: The bundle has no pictures. None was found." in error
    )
    code, out, _ = call("open", "it.zip", "--json")
    assert code == 0 and json.loads(out)["run"] == "sample-yeast"  # it is here already
    bare = RunStore(own_home)  # a store without the samples
    assert not [row for row in bare.list() if not row.sample]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("report", "sample-study-yeast"), "is a study"),
        (("report", "nope"), "There is no run `nope`"),
        (("report", "sample-yeast", "--output", "x.doc"), "must end in"),
        (("bundle", "sample-yeast", "--output", "x.html"), "must end in .zip"),
        (("open", "missing.zip"), "`FILE` must be a bundle, a zip file; `missing.zip` is not there."),
        (("open", "."), "`.` is a folder."),
        (("report", "sample-debian-text", "--metric", "nonsense"), "nonsense"),
    ],
)
def test_mistakes_are_sentences(words, message):
    code, _, error = call(*words)
    assert code == 2 and message in error


@pytest.mark.parametrize("command", ["report", "bundle"])
def test_a_run_without_an_estimate_is_refused_with_what_became_of_it(command, own_home):
    store = RunStore(own_home)
    row = create_run(store, make_config("quick", suite="planted"), "broken")
    store.finish(row.id, "failed", "It broke.")
    code, _, error = call(command, row.id)
    assert code == 2
    assert f"`RUN` must have an estimate; `{row.id}` is failed (It broke) and has none." in error


def test_a_pdf_without_a_browser_says_what_to_install(monkeypatch, elsewhere):
    monkeypatch.setenv("GRADTAG_BROWSER", "/no/such/browser")
    code, _, error = call("report", "sample-yeast", "--output", "x.pdf", "--no-stability")
    assert code == 2 and "`GRADTAG_BROWSER`" in error
    assert not (elsewhere / "x.pdf").exists()
