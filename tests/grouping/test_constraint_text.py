import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.constraint_text import parse_pairs, read_task_costs

NAMES = ("a", "b", "c, d", "c", "d")


def test_pairs():
    assert parse_pairs("must_link", ["a,b", " a , c", "a,c, d"], NAMES) == (
        ("a", "b"),
        ("a", "c"),
        ("a", "c, d"),
    )


@pytest.mark.parametrize(("text", "readings"), [("a", "no"), ("a,z", "no"), ("a,b,c", "no"), ("", "no")])
def test_pairs_that_cannot_be_read(text, readings):
    with pytest.raises(
        InvalidInput, match=f"`must_link` takes two task names.*found `{text}`, which has {readings}"
    ):
        parse_pairs("must_link", [text], NAMES)


def test_pairs_with_two_readings():
    with pytest.raises(InvalidInput, match="which has 2 such readings"):
        parse_pairs("must_link", ["x,y,z"], ("x", "y,z", "x,y", "z"))


def test_costs(tmp_path):
    path = tmp_path / "costs.csv"
    path.write_text('b,2\na,1.5\n\n"c, d",3\nc,0\nd,1\n')
    assert read_task_costs(path, NAMES) == (1.5, 2, 3, 0, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,1\nb\n", "Line 2 of .* expected a new task name and a number; found `b`"),
        ("a,1\na,2\n", "Line 2 of"),
        ("a,one\n", "Line 1 of"),
        ("a,1\n", "`b`, `c, d`, `c`, `d` missing"),
        ('a,1\nb,1\n"c, d",1\nc,1\nd,1\nz,1\n', "`z` unknown"),
    ],
)
def test_costs_that_cannot_be_read(tmp_path, text, message):
    path = tmp_path / "costs.csv"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=message):
        read_task_costs(path, NAMES)


@pytest.mark.parametrize("content", ["a," + "1" * 200_000, "a,1\n" * 300_000, "\0"])
def test_a_file_of_costs_that_is_none(tmp_path, content):
    (tmp_path / "costs.csv").write_text(content)
    with pytest.raises(InvalidInput, match=r"costs\.csv"):
        read_task_costs(tmp_path / "costs.csv", ("a", "b"))


def test_a_path_of_costs_that_is_none():
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_task_costs("a\0b", ("a",))
