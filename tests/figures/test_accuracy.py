import json
from typing import Any

import numpy as np
import pytest

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.evaluation.agreement import Agreement
from gradtag_core.evaluation.comparison import Comparison, Line
from gradtag_core.figures.accuracy import (
    LINE_TITLES,
    MOST_MARKERS,
    estimate_against_truth,
    reference_lines,
    spearman_bars,
)

NAMES = ("alpha", "bravo", "charlie", "delta")


def bars_of(*args, **options) -> Any:
    return spearman_bars(*args, **options)


def scatter(*args, **options) -> Any:
    return estimate_against_truth(*args, **options)


def lines_of(*args, **options) -> Any:
    return reference_lines(*args, **options)


def comparison(ceiling):
    def line(row_spearman):
        return Line(Agreement(row_spearman, 0.05, 0.9, 0.01, 0.1), None, 0.1)

    matrix = AffinityMatrix(NAMES, np.eye(4), np.ones((4, 4), dtype=np.int64), np.eye(4), "f1")
    lines = {
        "constant": line(0.0),
        "random": line(-0.2),
        "label_similarity": line(0.3),
        "equal_flops": line(0.4),
    }
    return Comparison("f1", 10, (1, 2), line(0.5), lines, 0.6, ceiling, np.zeros(4), matrix, matrix, 3)


def test_bars_are_sorted_and_leave_unknown_tasks_out():
    bars = bars_of(np.array([0.5, np.nan, -0.2, 0.1]), NAMES, ceiling=0.8)
    assert list(bars.data[0].y) == ["charlie", "delta", "alpha"]
    assert list(bars.data[0].x) == [-0.2, 0.1, 0.5]
    assert [note.text for note in bars.layout.annotations] == ["mean 0.13", "ceiling 0.80"]


def test_bars_without_any_known_task_can_be_drawn():
    assert "NaN" not in bars_of(np.full(4, np.nan), NAMES).to_json()


def test_the_scatter_shows_each_shared_pair_relative_to_its_task():
    generator = np.random.default_rng(0)
    truth, estimate = generator.normal(size=(2, 4, 4))
    truth[0, 1] = np.nan
    points = scatter(estimate, truth, NAMES).data[0]
    assert len(points.x) == 11
    index = [tuple(row[:2]) for row in points.customdata].index((1, 3))
    assert points.x[index] == pytest.approx(truth[1, 3] - truth[1, [0, 2, 3]].mean())
    assert points.y[index] == pytest.approx(estimate[1, 3] - estimate[1, [0, 2, 3]].mean())
    assert list(points.customdata[index][2:]) == ["bravo", "delta", estimate[1, 3], truth[1, 3]]


def test_the_selected_pair_is_ringed_among_the_co_tasks_of_its_task():
    truth, estimate = np.random.default_rng(0).normal(size=(2, 4, 4))
    others, row, ring = scatter(estimate, truth, NAMES, selected=(1, 3)).data
    assert len(others.x) == 9
    assert [point[0] for point in row.customdata] == [1, 1, 1]
    assert [tuple(point[:2]) for point in ring.customdata] == [(1, 3)]
    truth[1, 3] = np.nan
    assert not len(scatter(estimate, truth, NAMES, selected=(1, 3)).data[2].x)


def test_many_pairs_are_counted_in_bins_and_those_of_the_selected_task_stay_points():
    values = np.random.default_rng(0).normal(size=(80, 80))
    names = [str(index) for index in range(80)]
    assert MOST_MARKERS < 80 * 79
    figure = scatter(values, values, names)
    assert [trace.type for trace in figure.data] == ["heatmap"]
    assert np.nansum(figure.data[0].z) == 80 * 79
    assert len(figure.to_json()) < 40_000
    figure = scatter(values, values, names, selected=(7, 3))
    assert [trace.type for trace in figure.data] == ["heatmap", "scatter", "scatter"]
    assert len(figure.data[1].x) == 79


def test_matrices_that_share_no_cell_give_an_empty_chart():
    figure = scatter(np.full((4, 4), np.nan), np.eye(4), NAMES)
    assert not len(figure.data[0].x)
    assert "NaN" not in figure.to_json()


@pytest.mark.parametrize("ceiling", [0.8, None])
def test_reference_lines_have_a_point_each_below_the_ceiling(ceiling):
    figure = lines_of(comparison(ceiling))
    found = dict(zip(figure.data[0].y, figure.data[0].x, strict=True))
    assert found == {
        LINE_TITLES["estimate"]: 0.5, LINE_TITLES["equal_flops"]: 0.4, LINE_TITLES["label_similarity"]: 0.3,
        LINE_TITLES["constant"]: 0.0, LINE_TITLES["random"]: -0.2,
    }  # fmt: skip
    assert figure.layout.xaxis.range[0] < -0.25
    assert len(figure.layout.annotations) == (ceiling is not None)
    assert "template" in json.loads(figure.to_json())["layout"]
