from typing import Any

import numpy as np

from gradtag_core.figures.gains import group_gains

NAMES = ("alpha", "bravo", "charlie", "delta")
TOGETHER = np.array([0.5, 0.5, 0.5, 0.5])
GROUPED = np.array([0.6, 0.3, 0.5, 0.9])


def figure_of(*args, **options) -> Any:
    return group_gains(*args, **options)


def test_tasks_are_sorted_by_gain_and_keep_their_scores():
    rings, dots = figure_of(GROUPED, TOGETHER, NAMES).data[2:]
    assert list(dots.y) == list(rings.y) == ["bravo", "charlie", "alpha", "delta"]
    assert list(dots.x) == [0.3, 0.5, 0.6, 0.9]
    assert list(rings.x) == [0.5] * 4


def test_gains_and_losses_have_their_own_colour():
    figure = figure_of(GROUPED, TOGETHER, NAMES, theme="dark")
    gains, losses = figure.data[:2]
    assert gains.line.color != losses.line.color
    assert set(gains.y) == {"alpha", "delta"}
    assert set(losses.y) == {"bravo"}


def test_the_axis_says_what_is_measured():
    assert (
        figure_of(GROUPED, TOGETHER, NAMES, score_title="F1").layout.xaxis.title.text
        == "F1 on the test split"
    )


def test_a_task_without_a_score_is_left_blank():
    figure = figure_of(np.array([np.nan, 0.3, 0.5, 0.9]), TOGETHER, NAMES)
    assert "NaN" not in figure.to_json()
