from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.methods.protocol import run_method
from gradtag_core.methods.random_groups import random_groups


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n), st.integers(0, 99))))
def test_groups_are_a_partition_into_equal_sizes(case):
    n_tasks, n_groups, seed = case
    groups = random_groups(n_tasks, n_groups, seed)
    assert sorted(task for group in groups for task in group) == list(range(n_tasks))
    sizes = [len(group) for group in groups]
    assert len(groups) == n_groups and max(sizes) - min(sizes) <= 1


def test_seeds_draw_other_groups():
    assert len({tuple(random_groups(8, 2, seed)) for seed in range(20)}) > 10


def test_only_the_groups_cost(setting, training_flops):
    result = run_method("random_groups", replace(setting, n_groups=3))
    assert result.groups is not None
    assert result.cost.flops == pytest.approx(sum(map(training_flops, result.groups)))
