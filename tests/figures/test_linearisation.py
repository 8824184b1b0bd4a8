from typing import Any

import numpy as np
import pytest

from gradtag_core.cost import Cost
from gradtag_core.evaluation.linearisation import PAPER, FineTuned, LinearisationTable
from gradtag_core.figures.linearisation import linearisation_scatter
from gradtag_core.figures.theme import PALETTES

ROWS = (
    FineTuned((0, 1), 1, 0.1, False, 0.02, 1e-4, 1e-3),
    FineTuned((0, 1), 9, 0.2, True, 0.4, 0.1, 0.2),
    FineTuned((1, 2), 1, 0.1, False, 0.03, 0.0, 0.0),
)
TABLE = LinearisationTable(ROWS, Cost())


def test_models_and_the_papers_means_stand_at_their_distance():
    figure: Any = linearisation_scatter(TABLE)
    traces = {trace.name: trace for trace in figure.data}
    for name, values in PAPER.items():
        assert tuple(traces[f"{name} (paper)"].y) == values
        np.testing.assert_allclose(traces[f"{name} (paper)"].x, np.arange(1, 11) / 100)
    outputs, change = traces["of the outputs"], traces["of their change"]
    assert list(outputs.x) == list(change.x) == [0.02, 0.4]  # an error of 0 has no logarithm
    assert list(outputs.y) == [1e-4, 0.1] and list(change.y) == [1e-3, 0.2]
    assert list(outputs.marker.symbol) == ["circle-open", "circle"]
    assert outputs.customdata.tolist() == [[2, 1, 0.1], [2, 9, 0.2]]


def test_both_axes_are_logarithmic_and_so_is_the_place_of_the_bound():
    layout: Any = linearisation_scatter(TABLE)["layout"]
    assert layout.xaxis.type == layout.yaxis.type == "log"
    assert layout.shapes[0].y0 == 0.035
    assert layout.annotations[0].y == pytest.approx(np.log10(0.035))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_json_names_its_template_also_without_errors(theme):
    for rows in (ROWS, ROWS[2:]):
        text = linearisation_scatter(LinearisationTable(rows, Cost()), theme=theme).to_json() or ""
        assert "NaN" not in text and PALETTES[theme].text in text
