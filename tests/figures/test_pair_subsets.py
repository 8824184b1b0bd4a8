from typing import Any

import numpy as np
import pytest

from gradtag_core.affinity.pair_evidence import PairEvidence
from gradtag_core.figures.pair_subsets import pair_subsets

TOGETHER = np.array([True, False, True, False, False])
ESTIMATED = np.array([0.6, 0.5, 0.8, 0.4, 0.45])
TRAINED = np.array([0.7, np.nan, np.nan, 0.3, 0.35])


def strips(trained: np.ndarray = TRAINED, co_task: str = "bravo", **options) -> Any:
    evidence = PairEvidence(((0, 1), (0, 2), (0, 1, 2), (0, 3), (0,)), TOGETHER, ESTIMATED, trained)
    return pair_subsets(evidence, co_task, baselines=(0.5, 0.4), **options)


def test_each_strip_holds_its_subsets_against_the_mean_of_its_source():
    points = [trace for trace in strips().data if trace.mode == "markers"]
    assert [list(map(float, trace.x)) for trace in points] == [
        pytest.approx([0.1, 0.3], abs=1e-6),
        pytest.approx([0.0, -0.1, -0.05], abs=1e-6),
        pytest.approx([0.3], abs=1e-6),
        pytest.approx([-0.1, -0.05], abs=1e-6),
    ]
    for place, trace in enumerate(points):
        assert np.abs(np.asarray(trace.y) - place).max() < 0.5  # strips stay apart


def test_the_line_of_a_strip_is_the_mean_of_its_points():
    figure = strips()
    lines = [trace.x[0] for trace in figure.data if trace.mode == "lines"]
    assert lines == pytest.approx([0.2, -0.05, 0.3, -0.075])


def test_without_real_training_there_are_two_strips():
    figure = strips(np.full(5, np.nan))
    assert list(figure.layout.yaxis.ticktext) == ["with bravo<br>estimated", "without bravo<br>estimated"]
    assert figure.layout.height < strips().layout.height


def test_an_empty_strip_has_no_line_and_names_are_no_markup():
    evidence = PairEvidence(((0,),), np.array([False]), np.array([0.5]), np.array([np.nan]))
    figure: Any = pair_subsets(evidence, "<i>bravo</i>", baselines=(0.5, 0.5), theme="dark")
    assert sum(trace.mode == "lines" for trace in figure.data) == 1
    assert figure.layout.yaxis.ticktext[0] == "with &lt;i&gt;bravo&lt;/i&gt;<br>estimated"
    assert "NaN" not in figure.to_json()
