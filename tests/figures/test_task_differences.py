from typing import Any

import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.figures.task_differences import task_differences

SCORES = np.array([[0.5, 0.7, 0.9], [0.6, 0.6, 0.6]])
REFERENCE = np.array([0.5, 0.8, 0.6])


def figure_of(*args, **options) -> Any:
    return task_differences(*args, **options)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_cell_is_a_task_by_a_method_against_the_reference(theme):
    figure = figure_of(SCORES, REFERENCE, ["TAG", "HOA"], ["a", "b<", "c"], theme=theme)
    (cells,) = figure.data
    assert list(cells.x) == ["TAG", "HOA"] and list(cells.y) == ["a", "b&lt;", "c"]
    assert np.array(cells.z) == pytest.approx(np.array([[0, 0.1], [-0.1, -0.2], [0.3, 0]]))
    assert pytest.approx(SCORES) == np.array(cells.customdata).T
    assert cells.zmin == -cells.zmax < 0


def test_many_tasks_stay_readable_and_bounded():
    figure = figure_of(np.zeros((2, 200)), np.zeros(200), ["x", "y"], [str(i) for i in range(200)])
    assert 1000 < figure.layout.height < 3000


def test_shapes_must_agree():
    with pytest.raises(InvalidInput, match="`scores` must be 1 by 3"):
        figure_of(SCORES, REFERENCE, ["TAG"], ["a", "b", "c"])
