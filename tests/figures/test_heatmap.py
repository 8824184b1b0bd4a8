import json
from typing import Any

import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.figures.heatmap import LONGEST_LABEL, MOST_SELECTABLE, affinity_heatmap, symmetric_range
from gradtag_core.figures.theme import PALETTES

NAMES = ("alpha", "bravo", "charlie", "delta")
VALUES = np.arange(16.0).reshape(4, 4) ** 1.5
ORDER = np.array([2, 0, 3, 1])


def heatmap(*args, **options) -> Any:
    return affinity_heatmap(*args, **options)


def cells(figure):
    """{(evaluated task, co-task): (colour value, custom data)} of the map."""
    trace = figure.data[0]
    return {
        (row, column): (trace.z[i][j], trace.customdata[i][j])
        for i, row in enumerate(trace.y)
        for j, column in enumerate(trace.x)
    }


def test_every_value_stands_in_the_cell_of_its_tasks_after_reordering():
    found = cells(heatmap(VALUES, NAMES, scale="raw", order=ORDER))
    for i, row in enumerate(NAMES):
        for j, column in enumerate(NAMES):
            colour, details = found[row, column]
            assert list(details[:4]) == [i, j, row, column]
            assert np.isnan(colour) if i == j else colour == VALUES[i, j]


def test_relative_colours_centre_each_row_and_hover_keeps_the_original():
    counts, errors = np.full((4, 4), 7), np.full((4, 4), 0.25)
    figure = heatmap(VALUES, NAMES, order=ORDER, counts=counts, standard_errors=errors)
    colour, details = cells(figure)["bravo", "delta"]
    assert colour == pytest.approx(VALUES[1, 3] - VALUES[1, [0, 2, 3]].mean())
    assert list(details[4:]) == [f"{VALUES[1, 3]:.4f}", f"{colour:+.4f}", "0.2500", "7"]
    template = figure.data[0].hovertemplate
    for line in (
        "Affinity: %{customdata[4]}",
        "Standard error: %{customdata[6]}",
        "Subsets: %{customdata[7]}",
    ):
        assert line in template


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("scale", ["relative", "raw", "signed"])
def test_the_json_names_its_template_and_holds_no_nan(theme, scale):
    values = VALUES.copy()
    values[0, 1] = np.nan
    text = heatmap(values, NAMES, scale=scale, theme=theme, selectable=True).to_json()
    assert "NaN" not in text
    layout = json.loads(text)["layout"]
    assert layout["template"]["layout"]["font"]["color"] == PALETTES[theme].text
    assert layout["template"]["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)"


def test_signed_scales_are_symmetric_about_zero_and_share_a_given_range():
    for scale in ("relative", "signed"):
        trace = heatmap(VALUES, NAMES, scale=scale).data[0]
        assert trace.zmin == -trace.zmax < 0
    assert heatmap(VALUES, NAMES, colour_range=3.0).data[0].zmax == 3.0


def test_symmetric_range_clips_outliers_and_survives_flat_or_unknown_cells():
    values = np.append(np.linspace(-1, 1, 999), 50.0)
    assert 0.9 < symmetric_range(values) <= 1.0
    assert symmetric_range(np.zeros((3, 3))) == 1.0
    assert symmetric_range(np.full((3, 3), np.nan)) == 1.0


def test_frames_surround_each_group_and_vanish_when_a_group_is_torn():
    labels = np.array([1, 0, 1, 0])
    together = heatmap(VALUES, NAMES, order=np.array([1, 3, 0, 2]), group_labels=labels)
    assert [(frame.x0, frame.x1) for frame in together.layout.shapes] == [(-0.5, 1.5), (1.5, 3.5)]
    assert [(frame.y0, frame.y1) for frame in together.layout.shapes] == [(-0.5, 1.5), (1.5, 3.5)]
    assert not heatmap(VALUES, NAMES, group_labels=labels).layout.shapes


def test_the_first_evaluated_task_is_on_top_and_cells_fill_any_window():
    layout = heatmap(VALUES, NAMES).layout
    assert layout.yaxis.range == (3.5, -0.5)
    assert layout.xaxis.range == (-0.5, 3.5)
    for axis in (layout.xaxis, layout.yaxis):
        assert axis.scaleanchor is axis.constrain is None  # square cells leave a gap below or beside them


def test_a_marker_per_pair_can_be_selected_and_knows_both_tasks():
    figure = heatmap(VALUES, NAMES, order=ORDER, selectable=True)
    _, markers, diagonal = figure.data
    assert len(markers.x) == 12
    for column, row, details in zip(markers.x, markers.y, markers.customdata, strict=True):
        assert (NAMES[details[0]], NAMES[details[1]]) == (row, column)
    assert list(diagonal.x) == list(diagonal.y) == [NAMES[task] for task in ORDER]
    assert diagonal.hoverinfo == "none"
    for trace in (markers, diagonal):
        assert trace.marker.opacity == 0
        assert (
            trace.marker.size <= 6
        )  # plotly's least radius is 3: larger ones overlap, and a neighbour may answer
    assert figure.layout.hoverdistance == -1


@pytest.mark.parametrize("n_tasks", [1, 2, 10, 130])
def test_any_number_of_tasks_can_be_drawn(n_tasks):
    values = np.random.default_rng(0).normal(size=(n_tasks, n_tasks))
    names = [f"task::{index}" for index in range(n_tasks)]
    figure = heatmap(values, names, selectable=True, group_labels=np.zeros(n_tasks, dtype=int))
    assert len(figure.data) == (3 if n_tasks <= MOST_SELECTABLE else 1)
    assert 300 <= figure.layout.height <= 800


def test_very_large_maps_stay_small_enough_to_send():
    n_tasks = 300
    values = np.random.default_rng(0).normal(size=(n_tasks, n_tasks))
    figure = heatmap(
        values, [f"task {index}" for index in range(n_tasks)], counts=np.ones((n_tasks, n_tasks))
    )
    assert len(figure.to_json()) < 2e6
    assert "%{z:+.4f}" in figure.data[0].hovertemplate


def test_long_names_are_shortened_stay_different_and_cannot_be_markup():
    stem = "x" * LONGEST_LABEL
    names = (f"{stem} one", f"{stem} two", "<b>bold</b> & plain", "delta")
    trace = heatmap(VALUES, names).data[0]
    assert len(set(trace.x)) == 4
    assert all("<" not in label for label in trace.x)
    assert trace.customdata[2][0][2] == "&lt;b&gt;bold&lt;/b&gt; &amp; plain"
    assert trace.customdata[0][1][3] == f"{stem} two"


def test_values_of_another_shape_are_refused():
    with pytest.raises(InvalidInput, match="`values` must be 4 by 4, one row per task name; found"):
        heatmap(VALUES[:3], NAMES)
