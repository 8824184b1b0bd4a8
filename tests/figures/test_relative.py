import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gradtag_core.figures.relative import relative_to_task_mean

matrices = st.integers(2, 6).flatmap(
    lambda n: arrays(np.float64, (n, n), elements=st.floats(-10, 10, width=32))
)


@given(matrices)
def test_each_row_is_centred_over_its_co_tasks_and_the_diagonal_is_unknown(values):
    relative = relative_to_task_mean(values)
    assert np.isnan(relative.diagonal()).all()
    np.testing.assert_allclose(np.nansum(relative, axis=1), 0, atol=1e-9)


@given(matrices, st.floats(-5, 5))
def test_how_hard_a_task_is_does_not_matter(values, harder):
    shifted = values.copy()
    shifted[0] += harder
    np.testing.assert_allclose(relative_to_task_mean(shifted), relative_to_task_mean(values), atol=1e-9)


def test_unknown_cells_stay_unknown_and_do_not_enter_the_mean():
    values = np.array([[9.0, 1.0, np.nan], [np.nan, 9.0, np.nan], [2.0, 4.0, 9.0]])
    expected = [[np.nan, 0.0, np.nan], [np.nan, np.nan, np.nan], [-1.0, 1.0, np.nan]]
    np.testing.assert_array_equal(relative_to_task_mean(values), expected)
