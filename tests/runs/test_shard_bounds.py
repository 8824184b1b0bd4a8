from itertools import pairwise

import numpy as np
import pytest

from gradtag_core.gradients.shards import rows_of_shard
from gradtag_core.runs import shard_bounds as module
from gradtag_core.runs.shard_bounds import SPLITS, shard_bounds
from tests.mixed_suites import mixed_suite


def entries_of(suite, start, stop):
    """How many outputs the rows of a range of examples have."""
    rows = [rows_of_shard(suite.rows(split), start, stop) for split in SPLITS]
    return sum(int(np.array(suite.outputs)[own.task].sum()) for own in rows)


def test_a_small_suite_is_one_shard(small_suite):
    assert shard_bounds(small_suite, small_suite.outputs, 200).tolist() == [0, small_suite.n_examples]


@pytest.mark.parametrize("n_numbers", [1, 100, 1000])
def test_shards_hold_every_row_once_and_about_equally_many(n_numbers, monkeypatch):
    suite = mixed_suite()
    monkeypatch.setattr(module, "SHARD_NUMBERS", n_numbers)
    bounds = shard_bounds(suite, suite.outputs, 3)
    assert bounds[0] == 0 and bounds[-1] == suite.n_examples and (np.diff(bounds) > 0).all()
    sizes = [entries_of(suite, *pair) for pair in pairwise(bounds.tolist())]
    assert sum(sizes) == entries_of(suite, 0, suite.n_examples)
    most = max(entries_of(suite, example, example + 1) for example in range(suite.n_examples))
    assert max(sizes) <= max(n_numbers / 3, 1) + 2 * most


def test_more_columns_make_more_shards(small_suite, monkeypatch):
    monkeypatch.setattr(module, "SHARD_NUMBERS", 2000)
    few, many = (len(shard_bounds(small_suite, small_suite.outputs, n)) for n in (10, 40))
    assert many > few > 2
