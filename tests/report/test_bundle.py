import io
import zipfile

import pandas as pd
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.report import bundle
from gradtag_core.report.browser import NoBrowser
from gradtag_core.report.bundle import bundle_bytes, write_bundle
from gradtag_core.report.findings import find
from gradtag_core.report.images import Image
from gradtag_core.report.pictures import all_pictures


@pytest.fixture(autouse=True)
def drawn(monkeypatch):
    """Pictures and reports in a moment; `test_images` and `test_html` have the real ones."""
    monkeypatch.setattr(
        bundle, "draw_images", lambda figures: {key: Image(b"<svg/>", b"png") for key in figures}
    )


def files(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_run_is_in_it_as_it_is(make_record):
    record = make_record()
    content, problem = bundle_bytes(find(record))
    found = files(content)
    assert problem is None
    own = {path.name: path.read_bytes() for path in record.folder.iterdir()}
    assert {name.removeprefix("run/"): text for name, text in found.items() if name.startswith("run/")} == own


def test_tables_read_back_as_the_numbers(make_record):
    record = make_record()
    found = files(bundle_bytes(find(record))[0])
    table = pd.read_csv(io.BytesIO(found["tables/affinity-estimated.csv"]), index_col="task")
    assert table.to_numpy() == pytest.approx(record.affinity().values)
    assert list(table.columns) == list(record.summary.task_names)
    assert len(pd.read_csv(io.BytesIO(found["tables/pairs.csv"]))) == 30


def test_formulas_in_names_do_not_run(make_record):
    names = ("=1+1", "+2", "@x", "-3", "a,b", "plain")
    found = files(bundle_bytes(find(make_record(names=names)))[0])
    for name, text in found.items():
        if name.endswith(".csv"):
            frame = pd.read_csv(io.BytesIO(text), dtype=str)
            texts = [str(value) for column in frame for value in (column, *frame[column])]
            assert not [value for value in texts if value in names[:4]], name


def test_the_readme_lists_everything(make_record):
    found = files(bundle_bytes(find(make_record()))[0])
    readme = found["README.txt"].decode()
    for name in found:
        if name.startswith("tables/"):
            assert name.removeprefix("tables/") in readme
    for picture in all_pictures(find(make_record())):
        assert (
            picture.title in readme
            and f"figures/{picture.key}.svg" in found
            and f"figures/{picture.key}.png" in found
        )
    assert "python -m gradtag_core run" in readme


def test_the_same_run_gives_the_same_bytes(make_record):
    record = make_record()
    assert bundle_bytes(find(record)) == bundle_bytes(find(record))


def test_without_a_browser_it_says_why_there_are_no_pictures(make_record, monkeypatch, tmp_path):
    def refuse(figures):
        raise NoBrowser("None was found.")

    monkeypatch.setattr(bundle, "draw_images", refuse)
    path = tmp_path / "run.zip"
    assert write_bundle(make_record(), path) == "None was found."
    found = files(path.read_bytes())
    assert not [name for name in found if name.startswith("figures/")]
    assert "Pictures could not be made: None was found." in found["README.txt"].decode()
    assert "report.html" in found


def test_braces_in_a_name_are_kept(make_record):
    record = make_record(summary={"name": "{0} {title}"})
    assert files(bundle_bytes(find(record))[0])["README.txt"].decode().startswith("{0} {title}\n===")


def test_a_bundle_ends_in_zip(make_record, tmp_path):
    with pytest.raises(InvalidInput, match=r"\.zip"):
        write_bundle(make_record(), tmp_path / "run.tar")
