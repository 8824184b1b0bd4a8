from typing import Any

import numpy as np
import pytest

from gradtag_core.figures.relative import relative_to_task_mean
from gradtag_core.figures.row_rank import row_rank
from gradtag_core.figures.theme import PALETTES

NAMES = ("alpha", "bravo", "<b>charlie</b>", "delta", "echo")
VALUES = np.random.default_rng(0).normal(size=(5, 5))


def ranked(*args, **options) -> Any:
    return row_rank(*args, **options)


def test_bars_fall_from_left_to_right_and_know_their_co_tasks():
    bars = ranked(VALUES, NAMES, (1, 3)).data[0]
    assert list(bars.y) == sorted(bars.y, reverse=True)
    relative = relative_to_task_mean(VALUES)
    for height, (task, co_task, name) in zip(bars.y, bars.customdata, strict=True):
        assert task == 1
        assert height == pytest.approx(relative[1, co_task])
        assert name.replace("&lt;", "<").replace("&gt;", ">") == NAMES[co_task]
    assert sorted(co_task for _, co_task, _ in bars.customdata) == [0, 2, 3, 4]


def test_the_selected_co_task_alone_stands_out_and_is_named():
    figure = ranked(VALUES, NAMES, (1, 2))
    bars = figure.data[0]
    place = [co_task for _, co_task, _ in bars.customdata].index(2)
    assert [opacity == 1 for opacity in bars.marker.opacity] == [each == place for each in range(4)]
    (note,) = figure.layout.annotations
    assert note.text == f"<b>&lt;b&gt;charlie&lt;/b&gt;</b>, {place + 1} of 4"
    assert note.x == place + 1


def test_the_truth_stands_over_the_bar_of_its_co_task():
    truth = VALUES.T.copy()
    bars, rings = ranked(VALUES, NAMES, (1, 3), truth=truth).data
    relative = relative_to_task_mean(truth)
    assert rings.customdata == bars.customdata  # a click on a ring selects the same pair
    assert list(rings.y) == pytest.approx([relative[1, co_task] for _, co_task, _ in bars.customdata])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_unknown_cells_are_left_out_and_nothing_is_named_for_them(theme):
    values = VALUES.copy()
    values[1, 3] = np.nan
    figure = ranked(values, NAMES, (1, 3), theme=theme)
    assert len(figure.data[0].x) == 3
    assert not figure.layout.annotations
    assert "NaN" not in figure.to_json()
    assert figure.layout.template.layout.font.color == PALETTES[theme].text
