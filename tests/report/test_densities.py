from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.figures.relative import relative_to_task_mean
from gradtag_core.report.densities import group_help, help_inside


@given(st.integers(0, 1000), st.integers(2, 8))
def test_help_inside_is_the_mean_over_the_pairs_of_a_group(seed, n):
    generator = np.random.default_rng(seed)
    labels = np.unique(generator.integers(3, size=n), return_inverse=True)[1]
    relative = relative_to_task_mean(generator.normal(size=(n, n)))
    for group, mean in enumerate(help_inside(relative, labels)):
        members = np.flatnonzero(labels == group)
        cells = [relative[i, j] for i in members for j in members if i != j]
        assert mean == pytest.approx(np.mean(cells)) if cells else np.isnan(mean)


def test_a_bar_per_group_and_none_for_a_task_alone():
    relative = relative_to_task_mean(np.arange(9.0).reshape(3, 3))
    figure = group_help(relative, np.array([0, 0, 1]), score_title="score")
    bars: Any = figure.data[0]
    assert list(bars.y) == ["group 1, 2 tasks", "group 2, 1 task"]
    assert bars.x[1] == 0
