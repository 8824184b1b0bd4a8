from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from gradtag_core.evaluation.difficulty import Difficulty
from gradtag_core.evaluation.task_facts import task_facts
from gradtag_core.figures.task_facts import (
    balance_bars,
    cooccurrence_heatmap,
    difficulty_bars,
    overlap_heatmap,
)
from gradtag_core.figures.theme import PALETTES


def first_trace(figure: go.Figure) -> Any:
    return figure.data[0]


@pytest.fixture
def facts(small_suite):
    labels = small_suite.labels.copy()
    labels[:60, 3] = -1
    names = ("alpha", "<b>bravo", "charlie", "delta")
    return task_facts(replace(small_suite, labels=labels, task_names=names))


def test_bars_show_the_share_of_each_task_with_the_most_balanced_on_top(facts):
    bars = first_trace(balance_bars(facts))
    names = ["alpha", "&lt;b&gt;bravo", "charlie", "delta"]
    assert dict(zip(bars.y, bars.x, strict=True)) == dict(zip(names, facts.positive, strict=True))
    off = np.abs(np.array(bars.x) - 0.5)
    assert (np.diff(off) <= 0).all()
    details = dict(zip(bars.y, bars.customdata.tolist(), strict=True))
    assert details["delta"] == [*facts.sizes[3].tolist(), 60]


def test_tasks_without_positives_have_no_bar(facts):
    positive = np.where(np.arange(4) == 1, np.nan, facts.positive)
    assert "&lt;b&gt;bravo" not in first_trace(balance_bars(replace(facts, positive=positive))).y
    assert len(first_trace(balance_bars(replace(facts, positive=np.full(4, np.nan)))).x) == 0


@pytest.mark.parametrize(
    ("draw", "field"), [(cooccurrence_heatmap, "cooccurrence"), (overlap_heatmap, "overlap")]
)
def test_maps_show_every_pair_and_leave_the_diagonal_empty(facts, draw, field):
    trace = first_trace(draw(facts))
    expected = np.where(np.eye(4, dtype=bool), np.nan, getattr(facts, field))
    np.testing.assert_array_equal(np.array(trace.z, dtype=float), expected)
    assert list(trace.x) == list(trace.y) and trace.y[3] == "delta"
    assert (trace.zmin, trace.zmax) == (0, 1)


def test_the_colour_of_overlaps_changes_where_gradients_stop_telling(facts):
    palette = PALETTES["dark"]
    scale = first_trace(overlap_heatmap(facts, theme="dark")).colorscale
    below = [colour for place, colour in scale if place < 0.3]
    at_bound = [colour for place, colour in scale if place == 0.3]
    assert below == [palette.above] and at_bound[1] == palette.sequential[0]
    assert scale[-1] == (1.0, palette.sequential[-1])
    assert [place for place, _ in scale] == sorted(place for place, _ in scale)


def test_difficulty_runs_from_the_constant_answer_to_the_probe():
    found = Difficulty(
        ("easy", "hard", "unknown"),
        "auc",
        np.array([0.9, 0.6, np.nan]),
        np.array([0.5, 0.5, np.nan]),
        "probe",
    )
    bars = first_trace(difficulty_bars(found))
    assert list(bars.y) == ["hard", "easy"] and list(bars.base) == [0.5, 0.5]
    np.testing.assert_allclose(bars.x, [0.1, 0.4])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_json_names_its_template_and_holds_no_nan(facts, theme):
    for draw in (balance_bars, cooccurrence_heatmap, overlap_heatmap):
        text = draw(facts, theme=theme, title="A title").to_json() or ""
        assert "NaN" not in text and PALETTES[theme].text in text and "A title" in text
