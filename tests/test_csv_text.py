import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.csv_text import csv_text, escaped, unescaped
from gradtag_core.grouping.matrix_file import read_affinity_csv, write_affinity_csv

LOOKS_LIKE_A_FORMULA = ("=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "\rx", "\nx", "=", "'=1", "''@x")
HARMLESS = ("tag", "", "'quoted'", "a=b", "x-1", " =1", "naïve", "'", "1e5")
texts = st.text(alphabet="'=+-@\t\r\nab, \"", max_size=6) | st.text(max_size=6)


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", LOOKS_LIKE_A_FORMULA)
def test_a_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe(text: str) -> None:
    assert escaped(text) == f"'{text}"


@pytest.mark.parametrize("value", [*HARMLESS, -1, -0.5, np.float64(-2), None, float("nan"), True])
def test_harmless_texts_and_all_numbers_stay(value: object) -> None:
    assert escaped(value) is value


@given(texts)
def test_every_text_comes_back(text: str) -> None:
    assert unescaped(escaped(text)) == text


@given(texts)
def test_nothing_that_was_escaped_is_a_formula(text: str) -> None:
    assert not escaped(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_cells_headers_and_names_of_rows_are_escaped_and_numbers_are_not() -> None:
    frame = pd.DataFrame(
        {"=head": ["+a", "b", None], "number": [-1.5, np.nan, 2.0], "mixed": [-3, "-3", "@x"]},
        index=pd.Index(["-row", "row", "=row"], name="@names"),
    )
    assert cells(csv_text(frame)) == [
        ["'@names", "'=head", "number", "mixed"],
        ["'-row", "'+a", "-1.5", "-3"],
        ["row", "b", "", "'-3"],
        ["'=row", "", "2.0", "'@x"],
    ]
    assert frame.columns[0] == "=head"
    assert frame.iloc[0, 0] == "+a"


def test_categories_booleans_dates_and_repeated_names_are_written_as_pandas_writes_them() -> None:
    frame = pd.DataFrame(
        [[True, pd.Timestamp("2026-01-02"), -1]], columns=["same", "day", "same"], index=[7]
    ).assign(kind=pd.Categorical(["=k"]))
    assert cells(csv_text(frame))[1] == ["7", "True", "2026-01-02", "-1", "'=k"]
    plain = frame.drop(columns="kind")
    assert csv_text(plain) == plain.to_csv(lineterminator="\r\n")


def test_numbers_alone_are_written_as_pandas_writes_them() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(4, 3)))
    assert csv_text(frame, index=False, lineterminator="\n") == frame.to_csv(index=False)
    assert csv_text(frame).splitlines() == frame.to_csv().splitlines()


def test_names_on_several_levels_are_escaped() -> None:
    frame = pd.DataFrame(
        {"n": [1, 2]}, index=pd.MultiIndex.from_tuples([("=a", 1), ("b", 2)], names=["-x", "y"])
    )
    assert cells(csv_text(frame)) == [["'-x", "y", "n"], ["'=a", "1", "1"], ["b", "2", "2"]]


def test_no_text_begins_a_line_of_its_own() -> None:
    frame = pd.DataFrame({"a": ["x\r=1", "y\n=2", "z\r\n=3"]})
    assert cells(csv_text(frame, index=False)) == [["a"], ["x\r=1"], ["y\n=2"], ["z\r\n=3"]]


def test_an_empty_table_has_its_header() -> None:
    assert cells(csv_text(pd.DataFrame({"=a": [], "b": []}), index=False)) == [["'=a", "b"]]


@given(st.lists(texts.map(str.strip).filter(bool), min_size=2, max_size=4, unique=True))
def test_a_matrix_whose_names_look_like_formulas_is_read_back(names: list[str]) -> None:
    values = np.arange(len(names) ** 2, dtype=float).reshape(len(names), -1) - 3
    table = csv_text(pd.DataFrame(values, index=pd.Index(names, name="task"), columns=names))
    written = io.StringIO()
    write_affinity_csv(written, values, names)
    for text in (table, written.getvalue()):
        read, found = read_affinity_csv(io.StringIO(text, newline=""))
        assert found == tuple(names)
        np.testing.assert_array_equal(read, values)
