from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from gradtag_core.cost import Cost
from gradtag_core.errors import GradTagError
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.gradients.memory import Storage
from gradtag_core.gradients.shards import ShardJoin, captured_energy, rows_of_shard
from tests.mixed_suites import mixed_suite

BOUNDS = np.array([0, 7, 8, 60, 61])


@pytest.fixture
def whole():
    """Features of a suite of several kinds of tasks, the numbers of each entry telling which it is."""
    suite = mixed_suite()
    rows, outputs = suite.rows("train"), suite.outputs
    n_entries = int(np.array(outputs)[rows.task].sum())
    projected = torch.randn(n_entries, 5, generator=torch.Generator().manual_seed(0))
    logits = torch.arange(n_entries).float()
    cost = Cost(6.0, 2.0, 5)
    return GradientFeatures(rows, logits, projected, 2.0, cost, ("slow",), suite.kinds, outputs)


def shards_of(whole, bounds):
    for start, stop in pairwise(bounds.tolist()):
        rows = rows_of_shard(whole.rows, start, stop)
        example = whole.rows.example[whole.entry_rows]
        own = torch.from_numpy((example >= start) & (example < stop))
        yield replace(whole, rows=rows, logits=whole.logits[own], projected=whole.projected[own])


@pytest.mark.parametrize("limit", [None, 0])
def test_shards_joined_are_the_whole(whole, limit, tmp_path):
    bounds = np.append(BOUNDS, whole.rows.example.max() + 1)
    join = ShardJoin(whole.rows, bounds, Storage(limit, tmp_path))
    for shard in shards_of(whole, bounds):
        join.add(shard)
    found = join.joined()
    assert torch.equal(found.projected, whole.projected) and torch.equal(found.logits, whole.logits)
    assert found.rows is whole.rows and found.warnings == whole.warnings
    assert found.gradient_energy == pytest.approx(2.0)
    assert found.cost == Cost(6.0 * 5, 2.0 * 5, 5)
    assert captured_energy(shards_of(whole, bounds)) == pytest.approx(whole.captured_energy)
    assert not list(tmp_path.iterdir())  # a file without a name


def test_a_missing_shard_is_an_error(whole):
    bounds = np.append(BOUNDS, whole.rows.example.max() + 1)
    join = ShardJoin(whole.rows, bounds, Storage())
    join.add(next(shards_of(whole, bounds)))
    with pytest.raises(GradTagError, match="Of 5 shards of features, 1 are there"):
        join.joined()
