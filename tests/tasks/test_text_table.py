"""Suites from tables of texts."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.table_file import read_table
from gradtag_core.tasks.tabular import tabular_suite
from gradtag_core.tasks.text_table import text_suite

TEXT = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9)
    .map(str.strip)
    .filter(bool)
)


def write(path: Path, rows: list[tuple], header: tuple[str, ...] = ("id", "text", "good", "late")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


ROWS = [(f"r{row}", f"text {row}", row % 2, ["yes", "no", ""][row % 3]) for row in range(12)]


@given(texts=st.lists(TEXT, min_size=6, max_size=12), seed=st.integers(0, 9))
def test_texts_and_labels_come_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], seed: int
) -> None:
    rows = [(row, text, row % 2, 1 - row % 2) for row, text in enumerate(texts)]
    path = write(tmp_path_factory.mktemp("text") / "t.csv", rows)
    suite = text_suite(path, "text", ["late", "good"], name="mine", seed=seed)
    assert (suite.name, suite.task_names, suite.modality) == ("mine", ("late", "good"), "text")
    assert suite.inputs.tolist() == texts
    np.testing.assert_array_equal(suite.labels[:, 1], np.arange(len(texts)) % 2)
    assert suite.choices is None
    assert (
        suite.fingerprint
        == text_suite(read_table(path), "text", ["late", "good"], name="mine", seed=seed).fingerprint
    )


def test_long_texts_with_quotes_commas_and_line_breaks_are_read(tmp_path: Path) -> None:
    long = 'He said: "one, two;\tthree"\r\nand then\n\n' + "more, " * 15_000 + "end"
    rows = [(row, f"{row} {long}", row % 2, "") for row in range(6)]
    suite = text_suite(write(tmp_path / "t.csv", rows), "text", ["good"])
    assert suite.inputs.tolist() == [row[1] for row in rows]


def test_a_text_view_has_the_tasks_and_splits_of_the_table(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", ROWS)
    texts, table = (
        text_suite(path, "text", ["good", "late"], seed=3),
        tabular_suite(path, ["good", "late"], ["id"], seed=3),
    )
    np.testing.assert_array_equal(texts.labels, table.labels)
    for task in range(2):
        for split in ("train", "validation", "test"):
            np.testing.assert_array_equal(texts.indices(split, task), table.indices(split, task))


def test_csv_and_parquet_are_one_suite(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", ROWS)
    pd.read_csv(path).to_parquet(tmp_path / "t.parquet")
    first, second = (text_suite(tmp_path / name, "text", ["good", "late"]) for name in ("t.csv", "t.parquet"))
    assert first.fingerprint == second.fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({5: ("r5", "", 1, "")}, "`t.csv`, line 7, column `text`: a text must not be empty"),
        ({5: ("r5", " \n ", 1, "")}, "line 8, column `text`: a text must not be empty"),
        ({5: ("r5", "a", 2, "")}, "line 7, column `good`: a label must be 0 or 1, .* found `2`"),
        ({5: ("r5", "a", 1)}, "line 7: a row must have as many cells as the first, 4; found 3"),
        ({5: ("r4", "a", 1, "")}, "line 7, column `id`: an id must stand once; found `r4`, which line 6 has too"),
        ({5: ("", "a", 1, "")}, "line 7, column `id`: an id must not be empty"),
        (dict.fromkeys(range(12), ("r", "a", 1, "yes")) | {n: (n, "a", 1, "yes") for n in range(12)},
         "Label column `good` .*; found 12 of 1, 0 of 0 and 0 empty"),
        ({n: (n, "a", "", "") for n in range(12)}, "Label column `good` .*; found 0 of 1, 0 of 0 and 12 empty"),
    ],
)  # fmt: skip
def test_a_broken_table_is_told_by_its_place(tmp_path: Path, change: dict[int, tuple], message: str) -> None:
    rows = [change.get(number, row) for number, row in enumerate(ROWS)]
    with pytest.raises(InvalidInput, match=message):
        text_suite(write(tmp_path / "t.csv", rows), "text", ["good", "late"], ids="id")


@pytest.mark.parametrize(
    ("column", "labels", "ids", "message"),
    [
        (
            "txt",
            ["good"],
            None,
            "`text_column` must name columns of `t.csv`; found `txt`. Did you mean `text`",
        ),
        ("text", ["god"], None, "`labels` must name columns of `t.csv`; found `god`. Did you mean `good`"),
        ("text", [], None, "`labels` must be a list of one or more columns"),
        ("text", ["good"], "key", "`ids` must name columns of `t.csv`; found `key`"),
        ("good", ["good"], None, "`text_column`, `labels` and `ids` must be different columns"),
        ("text", ["good"], "text", "must be different columns"),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, column: str, labels: list[str], ids: str | None, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        text_suite(write(tmp_path / "t.csv", ROWS), column, labels, ids=ids)


def test_numbers_are_no_texts(tmp_path: Path) -> None:
    pd.DataFrame({"text": range(8), "good": [0, 1] * 4}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InvalidInput, match=r"Column `text` of `t.parquet` must hold text; found numbers"):
        text_suite(tmp_path / "t.parquet", "text", ["good"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04", "a zip archive"),
        (b"\x80\x04.", "a pickle"),
        ("text,é".encode("latin-1"), "text in UTF-8"),
    ],
)
def test_other_files_under_the_name_of_a_table_are_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        text_suite(tmp_path / "t.csv", "text", ["good"])
