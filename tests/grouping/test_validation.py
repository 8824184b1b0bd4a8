import numpy as np
import pandas as pd
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.validation import check_affinity, check_n_groups


@pytest.mark.parametrize(
    ("affinity", "message"),
    [
        (np.ones((2, 3)), r"must be square.*found shape \(2, 3\)"),
        (np.ones(4), r"must be square.*found shape \(4,\)"),
        (np.ones((0, 0)), r"at least one task; found shape \(0, 0\)"),
        (3.0, r"must be square.*found shape \(\)"),
        ([[1, 2], [3]], "must be a square table of numbers"),
        ([["1", "2"], ["3", "4"]], "must hold real numbers"),
        ([[1j, 2], [3, 4]], "must hold real numbers; found entries of type `complex128`"),
        ([[1, None], [3, 4]], "must hold real numbers; found entries of type `object`"),
    ],
)
def test_what_is_no_affinity(affinity, message):
    with pytest.raises(InvalidInput, match=message):
        check_affinity(affinity, None)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e200])
def test_the_first_wrong_cell_is_named(value):
    affinity = np.eye(3)
    affinity[1, 2] = affinity[2, 0] = value
    with pytest.raises(InvalidInput) as caught:
        check_affinity(affinity, ["a", "b", "c"])
    assert f"found {value} for task `b` (row 2) with `c` (column 3)" in str(caught.value)


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "c", "d"]])
def test_one_name_per_task(names):
    with pytest.raises(InvalidInput, match=f"one name per task, 3; found {len(names)}"):
        check_affinity(np.eye(3), names)


def test_names_must_differ():
    with pytest.raises(InvalidInput, match="`b`, `a` found more than once"):
        check_affinity(np.eye(5), ["b", "a", "b", "a", "b"])


@pytest.mark.parametrize(
    "affinity",
    [[[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], dtype=np.int8), pd.DataFrame([[1.0, 2.0], [3.0, 4.0]])],
)
def test_tables_of_numbers_become_a_float_copy(affinity):
    values, names = check_affinity(affinity, None)
    assert values.dtype == np.float64
    assert values.tolist() == [[1, 2], [3, 4]]
    assert names == ("task_1", "task_2")
    values[0, 0] = 9
    assert np.asarray(affinity)[0, 0] == 1


@pytest.mark.parametrize("n_groups", [0, -1, 4, 2.0, True, "2", None, np.nan])
def test_wrong_numbers_of_groups(n_groups):
    with pytest.raises(InvalidInput, match=r"`n_groups` must be a whole number from 1 to .* tasks, 3; found"):
        check_n_groups(n_groups, 3)


def test_right_numbers_of_groups():
    assert [check_n_groups(value, 3) for value in (1, 3, np.int64(2))] == [1, 3, 2]
