from typing import Any

import numpy as np
import pytest

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.evaluation.affinity_difference import affinity_difference
from gradtag_core.figures.accuracy import MOST_MARKERS
from gradtag_core.figures.run_difference import LONGEST_NAME, difference_scatter, short_name
from gradtag_core.figures.theme import template


def drawn(*args, **options) -> Any:
    return difference_scatter(*args, **options)


def difference(n_tasks, names=None):
    names = names or tuple(f"t{index}" for index in range(n_tasks))
    runs = []
    for seed in (0, 1):
        values = np.random.default_rng(seed).normal(size=(n_tasks, n_tasks))
        runs.append(
            AffinityMatrix(names, values, np.ones_like(values, int), np.full(values.shape, 0.4), "auc")
        )
    return affinity_difference(*runs)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_pair_is_a_point_and_clear_ones_stand_apart(theme):
    found = difference(6, ("<script>", "b", "c", "d", "e", "f"))
    figure = drawn(found, "A: <b>one</b>", "B", theme=theme)
    near, far = figure.data
    assert (len(near.x), len(far.x)) == (30 - found.n_clear, found.n_clear)
    assert near.marker.symbol != far.marker.symbol  # not by colour alone
    assert np.allclose(far.x, found.reference[np.abs(found.in_standard_errors) > 2])
    assert "<script>" not in figure.to_json().replace("\\u003c", "<").replace("&lt;", "")
    assert figure.layout.template == template(theme)


def test_many_pairs_are_counted_in_bins():
    n_tasks = int(MOST_MARKERS**0.5) + 5
    assert [trace.type for trace in drawn(difference(n_tasks), "A", "B").data] == ["histogram2d"]


def test_runs_that_share_nothing_make_an_empty_figure():
    found = difference(1)
    assert sum(len(trace.x) for trace in drawn(found, "A", "B").data) == 0


def test_names_are_cut_and_never_markup():
    assert short_name("a<b>") == "a&lt;b&gt;"
    assert len(short_name("x" * 200)) == LONGEST_NAME
