"""Columns as features and labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks import table_columns
from gradtag_core.tasks.scaling import standardise
from gradtag_core.tasks.table_columns import LARGEST, feature_columns, label_column
from gradtag_core.tasks.table_file import Column, Table


def table(**columns: Column) -> Table:
    n_rows = len(next(iter(columns.values())))
    return Table("t.csv", columns, range(2, 2 + n_rows))


def test_labels_in_all_their_spellings() -> None:
    cells = ["1", "0", "TRUE", "false", "Yes", "nO", "", "1.0", "0.0"]
    assert label_column(table(a=cells), "a").tolist() == [1, 0, 1, 0, 1, 0, -1, 1, 0]
    assert label_column(table(a=np.array([1, 0, np.nan])), "a").tolist() == [1, 0, -1]


@pytest.mark.parametrize("wrong", ["2", "-1", "maybe", "NA", "1 0", "0.5"])
def test_any_other_label_is_named_with_line_and_column(wrong: str) -> None:
    message = rf"`t.csv`, line 3, column `a`: a label must be 0 or 1, .*; found `{wrong}`"
    with pytest.raises(InvalidInput, match=message):
        label_column(table(a=["1", wrong, "x"]), "a")


@pytest.mark.parametrize("wrong", [2.0, -1.0, 0.5, np.inf])
def test_any_other_number_is_no_label(wrong: float) -> None:
    with pytest.raises(InvalidInput, match=f"line 3, column `a`: .* found `{wrong}`"):
        label_column(table(a=np.array([1.0, wrong])), "a")


def test_numbers_are_standardised_and_missing_ones_are_the_mean_with_an_indicator() -> None:
    found = feature_columns(table(a=["1", "2", "6"], b=["1", "na", "3"]), ["b", "a"])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], standardise(np.array([1.0, 2.0, 3.0])))
    np.testing.assert_array_equal(found[:, 1], [0, 1, 0])
    np.testing.assert_array_equal(found[:, 2], standardise(np.array([1.0, 2.0, 6.0])))


def test_text_is_one_hot_in_alphabetical_order_and_missing_text_is_nothing() -> None:
    found = feature_columns(table(a=["y", "", "x", "NaN", "y"]), ["a"])
    np.testing.assert_array_equal(found, [[0, 1], [0, 0], [1, 0], [0, 0], [0, 1]])


@given(st.lists(st.floats(-1e100, 1e100) | st.none(), min_size=1, max_size=20))
def test_numbers_in_text_are_the_same_as_numbers(values: list[float | None]) -> None:
    numbers = np.array([np.nan if value is None else value for value in values])
    cells = ["" if value is None else repr(value) for value in values]
    if np.isnan(numbers).all():
        with pytest.raises(InvalidInput, match=r"Column `a` of `t\.csv` must hold a value"):
            feature_columns(table(a=cells), ["a"])
        return
    found = feature_columns(table(a=cells), ["a"])
    np.testing.assert_array_equal(found, feature_columns(table(a=numbers), ["a"]))
    assert np.isfinite(found).all()


@given(st.lists(st.text("01e.-+_nNaAif ", max_size=5).map(str.strip), min_size=1, max_size=30))
def test_no_cells_crash_the_features(cells: list[str]) -> None:
    try:
        found = feature_columns(table(a=cells), ["a"])
    except InvalidInput as error:
        assert "column `a`" in str(error).lower()
    else:
        assert len(found) == len(cells) and np.isfinite(found).all()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["1", "inf"],
            "line 3, column `a`: a number must be finite and at most 1e\\+100 in size; found `inf`",
        ),
        (["1", "-2e100"], "line 3, column `a`: .* found `-2e100`"),
        (["", "NA"], "Column `a` of `t.csv` must hold a value; all its cells are empty"),
        (
            [*map(str, range(60)), "6O"],
            "line 62, column `a`: a column must hold numbers alone, or at most 50 different texts; found `6O`, and "
            "61 different values in all",
        ),
    ],
)
def test_what_is_no_feature_is_named(cells: list[str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        feature_columns(table(a=cells), ["a"])


def test_numbers_that_python_alone_can_spell_are_text() -> None:
    assert feature_columns(table(a=["1_000", "2"]), ["a"]).shape == (2, 2)
    assert np.square(LARGEST) < np.inf


def test_features_that_come_to_too_much_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_columns, "MAX_INPUTS", 11)
    with pytest.raises(
        InvalidInput, match=r"`features` of `t\.csv` must come to at most 11 numbers; found 3 rows of 4"
    ):
        feature_columns(table(a=["x", "y", "z"], b=["1", "2", "3"]), ["a", "b"])
