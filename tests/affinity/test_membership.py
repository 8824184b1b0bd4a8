"""Sums over who shares a subset, against dense tables of indicators."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.affinity import membership as module
from gradtag_core.affinity.matrix import average
from gradtag_core.affinity.membership import Membership, pair_means
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.config import METRICS
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput

SUBSETS = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.lists(st.permutations(range(n)).flatmap(lambda p: st.integers(1, n).map(lambda k: tuple(p[:k])))),
    )
)


def entries(subsets):
    subset = np.repeat(np.arange(len(subsets)), [len(members) for members in subsets])
    return np.array([i for members in subsets for i in members], dtype=np.int64), subset


@given(SUBSETS, st.integers(0, 99))
def test_sums_are_those_of_dense_indicators(problem, seed):
    n_tasks, subsets = problem
    task, subset = entries(subsets)
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(len(task), 2))
    chosen = generator.permutation(len(task))[: len(task) // 2 + 1]  # some entries, in any order
    dense = np.zeros((n_tasks, n_tasks, 2))
    for entry in chosen:
        for j in subsets[subset[entry]]:
            dense[task[entry], j] += weights[entry]
    found = Membership.of(subsets, n_tasks).sums(task[chosen], subset[chosen], weights[chosen])
    np.testing.assert_allclose(found, dense, atol=1e-12)


@given(SUBSETS, st.integers(1, 9))
def test_blocks_name_the_members_of_every_subset_once(problem, at_once):
    n_tasks, subsets = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "INDICES_AT_ONCE", at_once)
        blocks = list(Membership.of(subsets, n_tasks).blocks(np.arange(len(subsets))))
    assert all(members.size <= max(at_once, members.shape[1]) for _, members in blocks)
    found = {
        int(place): tuple(row)
        for places, rows in blocks
        for place, row in zip(places, rows.tolist(), strict=True)
    }
    assert found == dict(enumerate(subsets))
    assert sum(len(places) for places, _ in blocks) == len(subsets)


@given(SUBSETS, st.integers(0, 99))
def test_pair_means_are_the_affinity_off_the_diagonal(problem, seed):
    n_tasks, subsets = problem
    if not subsets:
        return
    task, subset = entries(subsets)
    values = 1e6 + np.random.default_rng(seed).normal(size=(len(task), len(METRICS)))
    names = tuple(f"t{index}" for index in range(n_tasks))
    scores = SubsetScores.of_seed(names, subsets, values, 0, "estimated", Cost())
    found = pair_means(Membership.of(subsets, n_tasks), task, subset, values)
    others = ~np.eye(n_tasks, dtype=bool)
    for index, metric in enumerate(METRICS):
        np.testing.assert_allclose(found[others, index], average(scores, metric).values[others], rtol=1e-14)


@pytest.mark.parametrize(
    ("subsets", "named"),
    [
        ([(0, 1), (1, 4)], r"\(1, 4\)"),
        ([(), (0, 1), (-1, 1)], r"\(-1, 1\)"),
        ([(0, 1, 2), (0, 3), (2, 1, 2)], r"\(2, 1, 2\)"),
    ],
)
def test_subsets_with_unknown_or_repeated_tasks_are_named(subsets, named):
    with pytest.raises(InvalidInput, match=rf"from 0 to 3; found {named}"):
        Membership.of(subsets, 4)
