import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.matrix_file import MAX_TASKS, read_affinity_csv, write_affinity_csv

TABLE = "task,a,b\na,1,2\nb,-3,4e-1\n"
VALUES = [[1, 2], [-3, 0.4]]

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(str.strip).filter(bool)


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        ",a,b\na,1,2\nb,-3,0.4",
        "\ufefftask,a,b\r\na,1,2\r\n\r\nb,-3,0.4\r\n,,\r\n",
        "task;a;b\na;1;2\nb;-3;0.4\n",
        "task\ta\tb\na\t1\t2\nb\t-3\t0.4\n",
        ' task , "a" ,b\na, 1 ,2\n"b",-3,"0.4"\n'.replace(' "a" ', '"a"'),
    ],
)
def test_tables_with_names(text):
    for source in (io.StringIO(text), io.BytesIO(text.encode())):
        values, found = read_affinity_csv(source)
        assert values.tolist() == VALUES
        assert values.dtype == np.float64
        assert found == ("a", "b")


@pytest.mark.parametrize(
    "text", ["1,2\n-3,0.4\n", "1;2\n-3;0.4", "\n1\t2\n-3\t0.4\n", "\ufeff1,2\r\n-3,0.4\r\n"]
)
def test_tables_without_names(text):
    for source in (io.StringIO(text), io.BytesIO(text.encode())):
        values, found = read_affinity_csv(source)
        assert values.tolist() == VALUES
        assert found == ("task_1", "task_2")


def test_one_task():
    assert read_affinity_csv(io.StringIO("0.5"))[0].tolist() == [[0.5]]
    assert read_affinity_csv(io.StringIO("task,a\na,0.5"))[1] == ("a",)


def test_names_may_be_numbers_when_the_corner_is_not():
    values, found = read_affinity_csv(io.StringIO(",0,1\n0,1,2\n1,3,4\n"))
    assert values.tolist() == [[1, 2], [3, 4]]
    assert found == ("0", "1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "file is empty"),
        ("\n , \n", "file is empty"),
        ("task\n", "Line 1 must name the tasks after its first cell; found only `task`"),
        ("task,a,b\n", "found 0 rows of numbers and 2 columns"),
        ("task,a,b\na,1,2\n", "found 1 rows of numbers and 2 columns"),
        ("task,a\na,1\nb,2\n", "found 2 rows of numbers and 1 columns"),
        ("1,2,3\n4,5,6\n", "found 2 rows of numbers and 3 columns"),
        ("task,a,b\n\na,1,2\nb,3\n", "Line 4: every row must have as many cells as the first, 3; found 2"),
        ("1,2\n3,4,5\n", "Line 2: every row must have as many cells as the first, 2; found 3"),
        ("task,a,b\na,1,x\nb,3,4\n", "Line 2, column 3: expected a number; found `x`"),
        ("task,a,b\na,1,2\nb,3,\n", "Line 3, column 3: expected a number; found ``"),
        ("1,x\n3,4\n", "Line 1, column 2: expected a number; found `x`"),
        ("1,2\n3,1_0\n", "Line 2, column 2: expected a number; found `1_0`"),
        ("1;2\n0,5;1\n", "Line 2, column 1: expected a number; found `0,5`"),
        ("task,a,b\na,1,nan\nb,3,4\n", "Line 2, column 3: expected a finite number.*found `nan`"),
        ("1,2\n-inf,4\n", "Line 2, column 1: expected a finite number.*found `-inf`"),
        ("1,2\n3,1e300\n", "Line 2, column 2: expected a finite number, at most 1e"),
        ("task,a,b\nb,1,2\na,3,4\n", "Line 2, column 1: .*expected `a`, found `b`"),
        ("task,a,b\na,1,2\nc,3,4\n", "Line 3, column 1: .*expected `b`, found `c`"),
        ("task,a,a\na,1,2\na,3,4\n", "Line 1: task names must differ; `a` repeated"),
        ("task,a,\na,1,2\nb,3,4\n", "Line 1, column 3: a task name is missing"),
        ('task,a,b\na,"1,2\nb,3,4\n', "malformed"),
        (
            "task," + ",".join(map(str, range(MAX_TASKS + 1))),
            f"at most {MAX_TASKS} tasks; found {MAX_TASKS + 1}",
        ),
        (",".join(["1"] * (MAX_TASKS + 1)), f"at most {MAX_TASKS} tasks; found {MAX_TASKS + 1}"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(InvalidInput, match=message):
        read_affinity_csv(io.StringIO(text))


def test_lines_are_counted_through_quoted_line_breaks():
    with pytest.raises(InvalidInput, match="Line 5, column 2"):
        read_affinity_csv(io.StringIO('task,"a\na",b\n"a\na",1,2\nb,x,4\n'))


def test_other_encodings_are_refused():
    with pytest.raises(InvalidInput, match="Line 2 is not UTF-8 text"):
        read_affinity_csv(io.BytesIO("task,ä\nä,1\n".replace("task,ä", "task,a").encode("latin-1")))
    with pytest.raises(InvalidInput, match="Line 1 is not UTF-8 text"):
        read_affinity_csv(io.BytesIO(TABLE.encode("utf-16")))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InvalidInput, match=r"nowhere\.csv` cannot be read: No such file"):
        read_affinity_csv(tmp_path / "nowhere.csv")
    with pytest.raises(InvalidInput, match="cannot be read: Is a directory"):
        read_affinity_csv(str(tmp_path))


def test_a_buffer_is_read_from_its_start_each_time():
    buffer = io.BytesIO(TABLE.encode())
    assert read_affinity_csv(buffer)[1] == read_affinity_csv(buffer)[1]


@settings(max_examples=50, deadline=None)
@given(st.lists(names, min_size=1, max_size=5, unique=True), st.data())
def test_written_and_read_back(task_names, data):
    cells = st.floats(-1e100, 1e100)
    n_tasks = len(task_names)
    row = st.lists(cells, min_size=n_tasks, max_size=n_tasks)
    values = np.array(data.draw(st.lists(row, min_size=n_tasks, max_size=n_tasks)))
    buffer = io.StringIO()
    write_affinity_csv(buffer, values, task_names)
    read, found = read_affinity_csv(buffer)
    assert np.array_equal(read, values)
    assert found == tuple(task_names)


def test_written_to_a_file_and_by_another_writer(tmp_path):
    path = tmp_path / "affinity.csv"
    write_affinity_csv(path, np.array(VALUES), ["ä", "b\rc"])
    assert read_affinity_csv(path)[1] == ("ä", "b\rc")
    pd.DataFrame(VALUES, index=["x", "y"], columns=["x", "y"]).to_csv(path)
    assert read_affinity_csv(str(path))[0].tolist() == VALUES
    with pytest.raises(InvalidInput, match="must be square"):
        write_affinity_csv(path, np.ones((2, 3)))


def test_what_is_far_too_large_is_not_read_whole(tmp_path, monkeypatch):
    for text in ("1\n" * 50_000, "task,a\na," + "1," * 50_000):
        with pytest.raises(InvalidInput, match=f"at most {MAX_TASKS} tasks"):
            read_affinity_csv(io.StringIO(text))
    monkeypatch.setattr("gradtag_core.grouping.matrix_file.MAX_BYTES", 3)
    (tmp_path / "t.csv").write_text("1,2\n3,4\n")
    with pytest.raises(InvalidInput, match="must have at most 3 bytes; found 8"):
        read_affinity_csv(tmp_path / "t.csv")


def test_what_is_no_path_is_named():
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_affinity_csv("a\0b")
