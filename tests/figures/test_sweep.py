from typing import Any

import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.figures.sweep import sweep_curves

RESAMPLED = [
    {"n_groups": 2, "density": 1.0, "gap": 0.2, "agreement": 0.5, "standard_error": 0.1},
    {"n_groups": 3, "density": 2.0, "gap": 0.1, "agreement": 0.7, "standard_error": 0.2},
]
SHUFFLED = [{"n_groups": 2, "density": 1.0, "gap": 0.2, "lead": 0.5, "shuffled_lead": 0.1}]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_gap_and_stability_stand_over_the_numbers_of_groups(theme):
    figure: Any = sweep_curves(RESAMPLED, 3, theme=theme)
    gap, stability = figure.data
    assert list(gap.x) == list(stability.x) == [2, 3]
    assert list(gap.y) == pytest.approx([20, 10])
    assert list(stability.y) == [0.5, 0.7]
    assert list(stability.error_y.array) == [0.1, 0.2]
    assert figure.layout.shapes[0].x0 == 3


def test_without_scores_the_leads_take_the_place_of_stability():
    figure = sweep_curves(SHUFFLED, 2)
    assert [trace["name"] for trace in figure.to_dict()["data"]] == [
        "gap (%)",
        "lead of the groups",
        "lead in shuffled affinities",
    ]


def test_nothing_to_draw_is_refused():
    with pytest.raises(InvalidInput, match="found none"):
        sweep_curves([], 2)


def test_a_gap_that_is_but_a_rounding_error_looks_like_none():
    figure: Any = sweep_curves([{**SHUFFLED[0], "gap": 1e-10}], 2)
    assert figure.layout.yaxis2.range[1] > 1
