import io
import zipfile

import pytest
from streamlit.testing.v1 import AppTest

from gradtag_core.report.browser import NoBrowser
from gradtag_core.runs.record import RunRecord


def texts(page):
    return " ".join(found.value for found in (*page.markdown, *page.header, *page.subheader))


def button(page, label):
    return next(found for found in page.button if found.label == label)


@pytest.fixture
def no_browser(monkeypatch):
    """A machine without a browser."""

    def refuse():
        raise NoBrowser("None was found. Install one.")

    for module in ("pdf", "images"):
        monkeypatch.setattr(f"gradtag_core.report.{module}.find_browser", refuse)


def test_without_a_run_the_page_says_what_to_do(open_page):
    assert "There is no finished run yet" in open_page("story").info[0].value


@pytest.mark.usefixtures("asked")
def test_the_story_has_no_knobs_and_three_figures(open_page, make_run):
    make_run(truth=True)
    page = open_page("story")
    assert [found.label for found in page.selectbox] == ["Run"]
    assert not page.slider and not page.number_input and not page.segmented_control
    assert len(page.get("plotly_chart")) == 3
    told = texts(page)
    assert "Which of these 6 tasks should be learned together?" in told
    assert "Train 2 models, one for each group below, in place of 6 separate ones." in told
    assert "alpha, bravo and charlie" in told and "Against real training of 15 subsets" in told
    assert [found.label for found in page.button][-3:] == ["Report (HTML)", "Report (PDF)", "Bundle (ZIP)"]


@pytest.mark.usefixtures("asked")
def test_without_truth_and_groups_it_says_so(open_page, make_run):
    make_run(groups=False)
    told = texts(open_page("story"))
    assert "nothing here tells how good the estimate is" in told and "By the estimate" in told


@pytest.mark.usefixtures("asked")
def test_names_are_shown_as_they_are(open_page, make_run, store):
    row = make_run()
    folder = store.run_folder(row.id)
    for path in folder.glob("*.json"):
        path.write_text(path.read_text().replace('"alpha"', '"<b>*a*</b> $x$"'))
    from pandas import read_parquet

    for path in folder.glob("*.parquet"):
        table = read_parquet(path)
        table["task"] = table["task"].replace("alpha", "<b>*a*</b> $x$")
        table.to_parquet(path)
    assert r"\<b\>\*a\*\</b\> \$x\$" in texts(open_page("story"))


@pytest.mark.usefixtures("asked", "no_browser")
def test_files_are_made_when_asked_for(open_page, make_run, store):
    row = make_run()
    page = open_page("story")
    downloads = len(page.get("download_button"))
    button(page, "Report (HTML)").click().run()
    assert not page.exception and not page.error
    assert len(page.get("download_button")) == downloads + 1
    assert f"Download {row.id}.html" in page.get("download_button")[-1].proto.label
    button(page, "Bundle (ZIP)").click().run()
    assert f"Download {row.id}.zip" in page.get("download_button")[-1].proto.label
    assert "no pictures. None was found. Install one." in page.warning[-1].value
    button(page, "Report (PDF)").click().run()
    assert "None was found. Install one." in page.error[0].value
    assert button(page, "Report (HTML)")
    assert len(page.get("download_button")) == downloads


def bundle_of(record):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in record.folder.iterdir():
            archive.write(path, f"run/{path.name}")
    return content.getvalue()


def uploader():
    from pages.parts.bundle_upload import offer_bundle_upload

    offer_bundle_upload()


@pytest.fixture
def upload(store, monkeypatch):
    """A page that is the uploader alone; it knows of no other pages that it could link to."""
    monkeypatch.setattr("streamlit.page_link", lambda page, **_: None)
    return AppTest.from_function(uploader, default_timeout=100).run()


def test_a_bundle_becomes_the_current_run(upload, make_run, store):
    row = make_run()
    content = bundle_of(RunRecord(store.run_folder(row.id)))
    store.delete(row.id)
    upload.file_uploader[0].upload("run.zip", content, "application/zip").run()
    assert not upload.exception and not upload.error
    (opened,) = store.list()
    assert opened.id == row.id and opened.state == "done"
    assert upload.session_state["current_run"] == row.id
    assert "Opened" in upload.success[0].value
    upload.run()
    assert len(store.list()) == 1 and upload.success


def test_a_file_that_is_no_bundle_is_a_sentence(upload, store):
    upload.file_uploader[0].upload("run.zip", b"no zip file", "application/zip").run()
    assert "damaged or is none" in upload.error[0].value and not upload.exception
    assert store.list() == []
