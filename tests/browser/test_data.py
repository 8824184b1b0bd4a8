"""The Data page in a browser: files go in, bad ones are refused with their place, and a suite comes out."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from pages.parts import data_templates as templates

Settle = Callable[[Page], None]
TABLE = templates.table_csv()
MATRIX = "task,a,b,c\na,1,9,0\nb,9,1,0\nc,0,0,1\n"
BYTES_2_GB = 2 * 2**30


def zipped(text: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("table.csv", text)
    return content.getvalue()


def uploader(page: Page, label: str) -> Locator:
    return page.get_by_test_id("stFileUploader").filter(has=page.get_by_text(label, exact=True))


def upload(page: Page, label: str, name: str, content: str | bytes) -> None:
    raw = content.encode() if isinstance(content, str) else content
    file: FilePayload = {"name": name, "mimeType": "text/plain", "buffer": raw}
    uploader(page, label).locator("input[type=file]").set_input_files(files=[file])


def open_form(page: Page, kind: str) -> None:
    page.goto(f"/data?view=Add+your+own&kind={kind.replace(' ', '+')}")
    expect(page.get_by_role("radio", name=kind, exact=True)).to_be_checked()


def save(page: Page, settle: Settle, name: str) -> None:
    field = page.get_by_role("textbox", name="Name")
    field.fill(name)
    field.press("Enter")
    settle(page)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text(f"{name} is saved")).to_be_visible()
    expect(page).to_have_url(re.compile(f"suite={name}"))


def test_a_table_is_refused_corrected_saved_estimated_and_removed(page: Page, settle: Settle) -> None:
    open_form(page, "Table")
    alert = page.get_by_role("alert")
    for content, sentence in (
        (zipped(TABLE), "t.csv must be CSV text in UTF-8, or parquet; found a zip archive"),
        (TABLE + "a,b\n", "t.csv, line 50: a row must have as many cells as the first, 7; found 2."),
        ("x,y,z\n" + "1,0,\n2,1,\n" * 9, "Column z of t.csv must hold a value; all its cells are empty."),
    ):
        upload(page, "Table", "t.csv", content)
        expect(alert).to_contain_text(sentence)
    labels = page.get_by_role("combobox", name="Label columns")
    labels.click()
    page.get_by_role("option", name="z", exact=True).click()
    labels.press("Escape")
    expect(alert).to_contain_text("Label column z of t.csv must have at least 3 rows of each class")
    upload(page, "Table", "fruits.csv", TABLE)
    expect(page.get_by_text("3 tasks over 48 rows of 5 numbers.")).to_be_visible()
    save(page, settle, "fruits")
    page.get_by_role("link", name="Estimate affinities").click()
    expect(page.get_by_role("combobox", name="Data set")).to_have_value("fruits")
    expect(page.get_by_role("button", name="Launch")).to_be_enabled()
    expect(page.get_by_text("--suite fruits")).to_be_visible()
    page.get_by_role("link", name="Data", exact=True).click()
    expect(page.get_by_role("combobox", name="Data set")).to_have_value("fruits (fruits)")
    settle(page)
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("combobox", name="Data set")).to_have_value("Yeast genes (yeast)")


def test_a_template_that_is_downloaded_is_accepted(page: Page) -> None:
    open_form(page, "Table")
    with page.expect_download() as download:
        page.get_by_role("button", name="Template (parquet)").click()
    upload(page, "Table", "t.parquet", Path(download.value.path()).read_bytes())
    expect(page.get_by_text("3 tasks over 48 rows of 5 numbers.")).to_be_visible()


@pytest.mark.slow
def test_a_graph_is_refused_corrected_and_saved(page: Page, settle: Settle) -> None:
    open_form(page, "Graph")
    understood = page.get_by_text("3 tasks over 35 nodes of 4 × 128 numbers, 66 edges.")
    upload(page, "Graph", "edges.txt", templates.edges_txt() + "1\t0\n")
    expect(uploader(page, "Graph")).to_contain_text("edges.txt")
    settle(page)
    upload(page, "Communities", "communities.txt", templates.communities_txt())
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("edges.txt, line 82: the graph must be undirected")
    upload(page, "Graph", "edges.txt", templates.edges_txt())
    expect(understood).to_be_visible()
    settle(page)
    upload(page, "Communities", "communities.txt", templates.communities_txt() + "1 2 99\n")
    expect(alert).to_contain_text("communities.txt, line 5: a community must name nodes of the graph")
    upload(page, "Communities", "communities.txt", templates.communities_txt())
    expect(understood).to_be_visible()
    save(page, settle, "ring")


@pytest.mark.slow
def test_texts_and_instructions_are_refused_corrected_and_saved(page: Page, settle: Settle) -> None:
    open_form(page, "Text")
    alert = page.get_by_role("alert")
    upload(page, "Table of texts", "t.csv", templates.text_csv() + " ,1,1,1\n")
    expect(alert).to_contain_text("t.csv, line 50, column text: a text must not be empty.")
    upload(page, "Table of texts", "t.csv", templates.text_csv())
    expect(page.get_by_text("3 tasks over 48 texts.")).to_be_visible()
    save(page, settle, "reviews")
    open_form(page, "Instructions")
    upload(page, "Pairs of texts", "pairs.csv", templates.pairs_csv())
    expect(uploader(page, "Pairs of texts")).to_contain_text("pairs.csv")
    settle(page)
    upload(page, "Templates", "prompts.yaml", templates.PROMPTS.replace("{{text2}}", "{{txt2}}", 2))
    expect(alert).to_contain_text("found txt2. Did you mean text2?")
    upload(page, "Templates", "prompts.yaml", templates.PROMPTS)
    expect(page.get_by_text("3 tasks over 144 texts.")).to_be_visible()
    save(page, settle, "prompts")


@pytest.mark.slow
def test_an_affinity_matrix_opens_in_groups(page: Page) -> None:
    open_form(page, "Affinity matrix")
    upload(page, "Affinity matrix (CSV)", "m.csv", MATRIX.replace("b,9", "b,much"))
    expect(page.get_by_role("alert")).to_contain_text("Line 3, column 2: expected a number; found much.")
    upload(page, "Affinity matrix (CSV)", "m.csv", MATRIX)
    expect(page.locator(".st-key-own_affinities .heatmaplayer image")).to_be_attached()
    page.get_by_role("link", name="Group these 3 tasks").click()
    expect(page.get_by_test_id("stTable").locator("tbody tr")).to_contain_text(["a b", "c"])


def test_a_file_of_2_gb_is_refused_before_it_is_sent(page: Page, tmp_path: Path) -> None:
    open_form(page, "Table")
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(BYTES_2_GB)  # takes no space on the disk
    uploader(page, "Table").locator("input[type=file]").set_input_files(path)
    expect(uploader(page, "Table")).to_contain_text("File must be 256.0MB or smaller.")
    path.unlink()
