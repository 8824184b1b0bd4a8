import json
from typing import Any

import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.figures.heatmap import (
    LONGEST_LABEL,
    MOST_DETAILED,
    affinity_heatmap,
    symmetric_range,
)
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
    found = cells(heatmap(VALUES, NAMES, order=ORDER, scale="raw", counts=np.arange(16).reshape(4, 4)))
    for i, row in enumerate(NAMES):
        for j, column in enumerate(NAMES):
            colour, details = found[row, column]
            assert list(details) == [4 * i + j]
            assert np.isnan(colour) if i == j else colour == pytest.approx(VALUES[i, j])


def test_a_map_of_some_tasks_keeps_the_values_it_has_among_all():
    everything, some = (heatmap(VALUES, NAMES, order=order) for order in (ORDER, ORDER[[3, 0]]))
    found = cells(everything)
    assert list(some.data[0].x) == list(some.data[0].y) == ["bravo", "charlie"]
    for names, (colour, details) in cells(some).items():
        assert colour == pytest.approx(found[names][0], nan_ok=True)
        assert list(details) == list(found[names][1])


def test_relative_colours_centre_each_row_and_hover_keeps_the_original():
    counts, errors = np.full((4, 4), 7), np.full((4, 4), 0.25)
    figure = heatmap(
        VALUES, NAMES, order=ORDER, counts=counts, standard_errors=errors, also={"True & plain": -VALUES}
    )
    colour, details = cells(figure)["bravo", "delta"]
    assert colour == pytest.approx(VALUES[1, 3] - VALUES[1, [0, 2, 3]].mean())
    assert list(details) == pytest.approx([VALUES[1, 3], -VALUES[1, 3], 0.25, 7])
    template = figure.data[0].hovertemplate
    for line in (
        "Against the task's mean: %{z:+.4f}",
        "Affinity: %{customdata[0]:.4f}",
        "True &amp; plain: %{customdata[1]:+.4f}",
        "Standard error: %{customdata[2]:.4f}",
        "Subsets: %{customdata[3]:d}",
    ):
        assert line in template


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("scale", ["relative", "raw", "signed"])
def test_the_json_names_its_template_and_holds_no_nan(theme, scale):
    values = VALUES.copy()
    values[0, 1] = np.nan
    text = heatmap(values, NAMES, scale=scale, theme=theme).to_json()
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


def test_unsigned_scales_take_both_ends_and_fitted_ones_suit_the_cells_shown():
    trace = heatmap(VALUES, NAMES, scale="raw", colour_range=(1.0, 2.0)).data[0]
    assert (trace.zmin, trace.zmax) == (1.0, 2.0)
    assert heatmap(VALUES, NAMES, scale="raw").data[0].zmax is None
    shown = heatmap(VALUES, NAMES, order=ORDER[:2]).data[0]
    assert shown.zmax == pytest.approx(symmetric_range(np.asarray(shown.z)))


@pytest.mark.parametrize("n_tasks", [1, 2, 10, 130])
def test_any_number_of_tasks_can_be_drawn(n_tasks):
    values = np.random.default_rng(0).normal(size=(n_tasks, n_tasks))
    names = [f"task::{index}" for index in range(n_tasks)]
    figure = heatmap(values, names, group_labels=np.zeros(n_tasks, dtype=int))
    assert len(figure.data) == 1
    assert 300 <= figure.layout.height <= 800


@pytest.mark.parametrize(("n_tasks", "bytes_per_cell"), [(MOST_DETAILED, 32), (500, 8)])
def test_large_maps_stay_small_enough_to_send(n_tasks, bytes_per_cell):
    values = np.random.default_rng(0).normal(size=(n_tasks, n_tasks))
    names = [f"task {index}" for index in range(n_tasks)]
    figure = heatmap(values, names, counts=np.ones((n_tasks, n_tasks)), standard_errors=values)
    assert len(figure.to_json()) < bytes_per_cell * n_tasks**2
    assert "%{z:+.4f}" in figure.data[0].hovertemplate
    assert ("customdata" in figure.data[0].hovertemplate) == (n_tasks <= MOST_DETAILED)


def test_long_names_are_shortened_stay_different_and_cannot_be_markup():
    stem = "x" * LONGEST_LABEL
    names = (f"{stem} one", f"{stem} two", "<b>bold</b> & plain", "delta")
    trace = heatmap(VALUES, names).data[0]
    assert len(set(trace.x)) == 4
    assert all("<" not in label for label in trace.x)
    assert trace.text[2][0].startswith("<b>&lt;b&gt;bold&lt;/b&gt; &amp; plain</b>")
    assert trace.text[0][1].endswith(f"Co-task: <b>{stem} two</b>")
    assert "%{text}" in trace.hovertemplate
    assert heatmap(VALUES, NAMES).data[0].text is None


def test_values_of_another_shape_are_refused():
    with pytest.raises(InvalidInput, match="`values` must be 4 by 4, one row per task name; found"):
        heatmap(VALUES[:3], NAMES)
