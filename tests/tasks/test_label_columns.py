"""Columns as labels of tasks of every kind."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.label_columns import label_columns, with_kinds
from gradtag_core.tasks.scaling import standardise
from gradtag_core.tasks.table_file import Table


def table(**columns):
    return Table("t.csv", columns, range(2, 2 + len(next(iter(columns.values())))))


def column(cells, kind):
    labels, kinds = label_columns(table(a=cells), ["a"], {"a": kind})
    assert kinds == (kind,) and labels.dtype == (np.int8 if kind == "binary" else np.float32)
    return labels[:, 0]


def test_binary_columns_alone_are_as_they_were():
    labels, kinds = label_columns(table(a=["1", "0", ""] * 3, b=np.array([0, 1, np.nan] * 3)), ["b", "a"])
    assert kinds == ("binary", "binary") and labels.dtype == np.int8
    np.testing.assert_array_equal(labels, np.tile([[0, 1], [1, 0], [-1, -1]], (3, 1)))


def test_beside_other_kinds_binary_labels_are_the_same_numbers():
    cells = {"a": ["yes", "no", ""] * 3, "b": ["x", "y", "z"] * 3}
    labels, kinds = label_columns(table(**cells), ["a", "b"], {"b": "multiclass"})
    assert kinds == ("binary", "multiclass")
    np.testing.assert_array_equal(labels, np.tile([[1, 0], [0, 1], [np.nan, 2]], (3, 1)))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["low", "high", "", "NA"] * 3, [1 + 1, 1, np.nan, 0]),
        (["10", "9", "", "1.0"] * 3, [2, 1, np.nan, 0]),  # as numbers, not as text
        (np.array([10, -2, np.nan, 0] * 3), [2, 0, np.nan, 1]),
        (["10", "9", "x", "1"] * 3, [1, 2, 3, 0]),
    ],
)
def test_classes_are_numbered_in_ascending_order(cells, expected):
    np.testing.assert_array_equal(column(cells, "multiclass"), np.tile(expected, 3))


@given(st.lists(st.sampled_from("abc"), min_size=0, max_size=20), st.randoms(use_true_random=False))
def test_classes_do_not_depend_on_the_order_of_rows(cells, random):
    cells = [*cells, *"aaabbbccc", ""]
    order = random.sample(range(len(cells)), len(cells))
    shuffled = column([cells[row] for row in order], "multiclass")
    np.testing.assert_array_equal(shuffled, column(cells, "multiclass")[order])


def test_targets_are_standardised_and_empty_ones_are_none():
    found = column(["1", "", "3", "8.5", "1e2"], "regression")
    np.testing.assert_array_equal(found[[0, 2, 3, 4]], standardise(np.array([1.0, 3.0, 8.5, 100.0])))
    assert np.isnan(found[1])
    np.testing.assert_array_equal(column(np.array([1.0, np.nan, 3.0, 8.5, 100.0]), "regression"), found)


@pytest.mark.parametrize(
    ("cells", "kind", "message"),
    [
        (["a"] * 9, "multiclass", r"`a` of `t\.csv` must hold 2 to 50 classes; found 1 different values \(`a`\)"),
        ([""] * 9, "multiclass", "found 0 different values. Join some"),
        ([str(x) for x in range(51)] * 3, "multiclass", r"found 51 .*`0`, `1`, .* as regression \(`a:regression`\)"),
        (["a", "b", "c"] * 3 + ["d"], "multiclass", "at least 3 rows of each class, .* found 1 of `d`"),
        ([1.5, 2.0] * 3 + [7.0], "multiclass", "found 1 of `7`"),
        (["1", "2", "three"], "regression", r"`t\.csv`, line 4, column `a`: .* found `three`\. .*`a:multiclass`"),
        (["1", "2", "nan"], "regression", "line 4, column `a`: a target must be a number"),
        (["1", "2", "1_0"], "regression", "line 4, .* found `1_0`"),
        (np.array([1, 2, np.inf]), "regression", "line 4, .* found `inf`"),
        (["1", "2", ""] * 3, "regression", r"3 different numbers or more, .* found 2\. .*`a:binary`"),
        (["0", "1", "2"] * 3, "binary", r"found `2`\. The column has 3 different values; declare it `a:multiclass`"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_what_to_declare(cells, kind, message):
    if isinstance(cells, list) and not isinstance(cells[0], str):
        cells = np.array(cells)
    with pytest.raises(InvalidInput, match=message):
        column(cells, kind)


@pytest.mark.parametrize("kinds", [{"b": "multiclass"}, {"a": "classes"}])
def test_kinds_must_be_of_label_columns(kinds):
    with pytest.raises(
        InvalidInput, match=r"`kinds` must give label columns one of `binary`, .*found `(b|classes)`"
    ):
        label_columns(table(a=["1", "0"] * 3, b=["1", "0"] * 3), ["a"], kinds)


def test_a_kind_stands_after_a_colon_unless_a_column_is_so_called():
    cells = ["1", "0"] * 3
    names = ["a", "b:multiclass", "c:x", "c:x:regression", "d:binary"]
    source = Table("t.csv", {"a": cells, "b": cells, "c:x": cells, "d:binary": cells, "d": cells})
    assert with_kinds(source, names[:3]) == (["a", "b", "c:x"], {"b": "multiclass"})
    assert with_kinds(source, names[3:]) == (["c:x", "d:binary"], {"c:x": "regression"})
    assert with_kinds(source, ["e:regression"]) == (["e:regression"], {})
