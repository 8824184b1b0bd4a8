from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.affinity.subsets import covering_subsets, pairwise_subsets, random_subsets, uncovered_pairs
from gradtag_core.errors import InvalidInput

NAMES = [f"t{index}" for index in range(12)]


@given(st.integers(2, 12), st.data())
def test_random_subsets_are_different_sorted_and_of_one_size(n_tasks, data):
    size = data.draw(st.integers(1, n_tasks))
    wanted = data.draw(st.integers(1, min(60, comb(n_tasks, size))))
    subsets = random_subsets(n_tasks, size, wanted, seed=0)
    assert len(subsets) == len(set(subsets)) == wanted
    for subset in subsets:
        assert len(set(subset)) == size
        assert list(subset) == sorted(subset)
        assert 0 <= subset[0] <= subset[-1] < n_tasks


def test_subsets_follow_the_seed():
    assert random_subsets(10, 3, 20, 1) == random_subsets(10, 3, 20, 1) != random_subsets(10, 3, 20, 2)


def test_every_task_is_as_likely_as_any():
    counts = np.bincount(np.ravel(random_subsets(12, 4, 400, seed=0)), minlength=12)
    assert (np.abs(counts - 400 * 4 / 12) < 5 * np.sqrt(400 / 3 * 2 / 3)).all()


def test_all_subsets_can_be_had_and_not_one_more():
    assert sorted(random_subsets(5, 2, 10, 0)) == list(combinations(range(5), 2))
    with pytest.raises(InvalidInput, match=r"`n_subsets` must be at most 10.*found 11"):
        random_subsets(5, 2, 11, 0)


def test_a_subset_larger_than_the_suite_is_refused():
    with pytest.raises(
        InvalidInput, match=r"`subset_size` must be between 1 and the number of tasks, 4; found 5"
    ):
        random_subsets(4, 5, 1, 0)


def test_pairwise_holds_every_task_and_every_pair():
    subsets = pairwise_subsets(4)
    assert subsets[:4] == [(0,), (1,), (2,), (3,)]
    assert sorted(subsets[4:]) == list(combinations(range(4), 2))


def test_covering_subsets_cover_where_single_draws_often_do_not():
    """At 30 tasks, 300 subsets of 5 miss a pair in about a third of the draws."""
    names = [f"t{index}" for index in range(30)]
    missing = [uncovered_pairs(random_subsets(30, 5, 300, seed), names) for seed in range(40)]
    assert any(missing)
    for seed in range(40):
        assert not uncovered_pairs(covering_subsets(30, 5, 300, seed, names), names)


def test_too_few_subsets_name_the_empty_cells_and_a_number_that_would_do():
    with pytest.raises(
        InvalidInput, match=r"with 3 subsets of 3, \d+ of 66 cells stay empty: `t\d+ \+ t\d+`"
    ) as caught:
        covering_subsets(12, 3, 3, 0, NAMES)
    suggested = int(str(caught.value).split("About ")[1].split()[0].replace(",", ""))
    assert not uncovered_pairs(covering_subsets(12, 3, suggested, 0, NAMES), NAMES)
