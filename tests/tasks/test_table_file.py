"""Tables: what must be read, and that every broken file is one sentence with its place."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.table_file import Table, read_table, shown, table_from_frame

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Writes a file in a folder of its own: Hypothesis runs one test body many times."""

    def written(content: bytes | str, name: str = "table.csv") -> Path:
        path = tmp_path_factory.mktemp("table") / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


CELL = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
    .map(str.strip)
    .filter(bool)
)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[str]]:
    names = draw(st.lists(CELL.filter(str.isprintable), min_size=1, max_size=4, unique=True))
    n_rows = draw(st.integers(1, 6))
    return {name: draw(st.lists(CELL, min_size=n_rows, max_size=n_rows)) for name in names}


@given(columns=tables(), data=st.data())
def test_any_table_comes_back(write: Write, columns: dict[str, list[str]], data: st.DataObject) -> None:
    text = io.StringIO(newline="")
    delimiter = data.draw(st.sampled_from(",;\t"))
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator=end)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    mark = data.draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    found = read_table(write(mark + text.getvalue().encode()))
    assert found.columns == columns
    assert found.lines is not None and list(found.lines) == list(range(2, 2 + found.n_rows))


def test_a_data_frame_and_its_parquet_file_are_the_same_table(tmp_path: Path) -> None:
    frame = pd.DataFrame({
        "whole": pd.array([1, None, 3], "Int64"),
        "part": [0.5, np.nan, -1.0],
        "truth": pd.array([True, None, False], "boolean"),
        "plain truth": [True, False, True],
        "text": ["a", None, " b "],
        "kind": pd.Categorical(["x", "y", None]),
    })  # fmt: skip
    frame.index = pd.Index([5, 6, 7])
    frame.to_parquet(tmp_path / "table.bin")
    for table in (table_from_frame(frame), read_table(tmp_path / "table.bin")):
        columns = table.columns
        np.testing.assert_array_equal(columns["whole"], [1, np.nan, 3])
        np.testing.assert_array_equal(columns["part"], [0.5, np.nan, -1])
        assert (columns["truth"], columns["plain truth"]) == (
            ["True", "", "False"],
            ["True", "False", "True"],
        )
        assert (columns["text"], columns["kind"]) == (["a", "", "b"], ["x", "y", ""])
        assert table.place(1, "text").endswith("row 2, column `text`")


def test_cells_of_mixed_types_are_read_as_csv_would_hold_them() -> None:
    assert table_from_frame(pd.DataFrame({"a": ["x", 1, True, None, 2.5]})).columns["a"] == [
        "x", "1", "True", "", "2.5",
    ]  # fmt: skip


def test_lines_are_those_of_the_file_where_cells_have_line_breaks_and_rows_are_blank(write: Write) -> None:
    table = read_table(write('\na,b\n\n"1\n2",3\n,\n4,5\n'))
    assert table.columns == {"a": ["1\n2", "4"], "b": ["3", "5"]}
    assert table.place(0, "a") == "`table.csv`, line 5, column `a`"
    assert table.place(1, "b") == "`table.csv`, line 7, column `b`"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "must hold the names of columns, and rows below them; found none"),
        ("a,b\n", "must hold the names of columns, and rows"),
        ("a,b\n1,2\n3\n", "line 3: a row must have as many cells as the first, 2; found 1"),
        ("a,a\n1,2\n", "line 1: column names must differ; found `a` repeated"),
        ("a,\n1,2\n", "line 1: column 2 must have a name of 1 to 200 printable characters; found ''"),
        ('a,"b\nc"\n1,2\n', "line 2: column 2 must have a name"),
        ("a" * 201 + ",b\n1,2\n", "column 1 must have a name of 1 to 200"),
        ('a,b\n"1,2\n', "line 2: the CSV is malformed"),
        ('a,b\n1,"2"3\n', "line 2: the CSV is malformed"),
        (
            b"a,b\n1,\xe9\n",
            "line 2: the file must be text in UTF-8; found the byte b'\\\\xe9'. Save it as CSV UTF-8",
        ),
        (b"a,b\n1,\0\n", "line 2: the file must be text; found a null character"),
        (b"PK\x03\x04", "must be CSV text in UTF-8, or parquet; found a zip archive"),
        (b"\x80\x04.", "found a pickle, which is never read"),
        (b"\xff\xfea\0", "found text in UTF-16"),
        (b"PAR1 and no more", "must be a parquet file that can be read; found that"),
    ],
)
def test_a_broken_file_is_one_sentence(write: Write, content: str | bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as raised:
        read_table(write(content))
    assert "\n" not in str(raised.value) and "table.csv" in str(raised.value)


def test_without_quotes_cells_stand_between_tabs(write: Write) -> None:
    content = 'a\tb; c\n"one\t5\' 3"\nx,y;z\t"\n'
    assert read_table(write(content), quotes=False).columns == {
        "a": ['"one', "x,y;z"],
        "b; c": ["5' 3\"", '"'],
    }
    with pytest.raises(InvalidInput, match="as many cells as the first, 2; found 3"):
        read_table(write('a\tb\n"1\t2"\t3\n'), quotes=False)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    for path, message in (
        ("none.csv", "there is none"),
        ("", "must be a readable file"),
        ("a\0b", "readable file"),
    ):
        with pytest.raises(InvalidInput, match=message):
            read_table(tmp_path / path)


def test_what_is_too_large_is_refused_before_it_is_read(write: Write, tmp_path: Path) -> None:
    path = write("a,b\n" + "1,2\n" * 50)
    with pytest.raises(InvalidInput, match="at most 100 bytes; found 204"):
        read_table(path, max_bytes=100)
    with pytest.raises(InvalidInput, match=r"at most 40 cells \(rows × columns\); found more than 42"):
        read_table(path, max_cells=40)
    frame = pd.DataFrame({"a": range(50), "b": range(50)})
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InvalidInput, match=r"at most 40 cells .* found 100"):
        read_table(tmp_path / "a.parquet", max_cells=40)
    with pytest.raises(InvalidInput, match=r"at most 40 cells .* found 100"):
        table_from_frame(frame, max_cells=40)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"a": [1 + 2j]}), "Column `a` of `table` must hold numbers or text; found complex128"),
        (pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}), "Column `a` .* found datetime64"),
        (pd.DataFrame({"a": ["x", [1]]}), "row 2, column `a`: a cell must be a number or text; found list"),
        (pd.DataFrame([[1, 2]]), "column 1 must have a name .* found 0"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "column names must differ; found `a`"),
        (pd.DataFrame({"a": []}), "found none"),
    ],
)
def test_a_broken_data_frame_is_named(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        table_from_frame(frame)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "`labels` must be a list of one or more columns"),
        ("ab", "`labels` must be a list"),
        (["colour", "colour"], "`labels` must name each column once; found `colour` repeated"),
        (["color"], "`labels` must name columns of `t`; found `color`. Did you mean `colour`"),
        (["zzz"], "found `zzz`. It has `colour`, `size`"),
    ],
)
def test_unknown_columns_are_told_with_the_nearest(names: list[str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Table("t", {"colour": ["a"], "size": ["b"]}).require_columns("labels", names)


def test_a_cell_is_shown_on_one_line_and_short() -> None:
    assert shown("a\nb\x1b") == "a\\nb\\x1b"
    assert len(shown("x" * 100)) == 40


PARTS = st.text('ab01,;\t"\n\r. é\0', max_size=60).map(str.encode) | st.binary(max_size=80)


@given(content=PARTS)
@example(content=b"PAR1" + b"\0" * 40 + b"PAR1")
@example(content=b'"a\n')
@example(content=b"a\n\r1")
def test_no_content_crashes_the_reader(write: Write, content: bytes) -> None:
    try:
        table = read_table(write(content))
    except InvalidInput as error:
        assert "\n" not in str(error)
    else:
        assert all(len(column) == table.n_rows > 0 for column in table.columns.values())


@given(place=st.integers(0, 2000), byte=st.integers(0, 255), end=st.none() | st.integers(4, 2000))
@example(place=135, byte=128, end=None)  # text that is no UTF-8
def test_no_damage_to_a_parquet_file_crashes_the_reader(
    write: Write, place: int, byte: int, end: int | None
) -> None:
    content = bytearray(PARQUET_BYTES[:end])
    if place >= 4:  # the magic bytes decide who reads the file
        content[place % len(content)] = byte
    try:
        read_table(write(bytes(content)))
    except InvalidInput as error:
        assert "\n" not in str(error)


def _parquet_bytes() -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}).to_parquet(buffer)
    return buffer.getvalue()


PARQUET_BYTES = _parquet_bytes()
