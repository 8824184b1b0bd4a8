import numpy as np
import pytest

from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import random_subsets
from gradtag_core.config import METRICS
from gradtag_core.cost import Cost
from gradtag_core.methods import boostmtl
from gradtag_core.methods.boostmtl import boostmtl_affinity, sampled_subsets, standardised
from gradtag_core.methods.protocol import run_method
from gradtag_core.methods.searched import Search, training_flops


def additive_scores(setting, effects, levels, scale=1.0, shift=0.0):
    subsets = random_subsets(6, 3, 20, 0)
    values = [
        (levels[i] + sum(effects[i, j] for j in subset if j != i)) * scale + shift
        for subset in subsets
        for i in subset
    ]
    table = np.repeat(np.array(values)[:, None], len(METRICS), axis=1)
    return SubsetScores.of_seed(setting.suite.task_names, subsets, table, 0, "trained", Cost())


@pytest.fixture
def effects():
    return np.random.default_rng(0).standard_normal((6, 6))


def test_standard_scores_have_no_level_and_unit_spread(setting, effects):
    scores = standardised(additive_scores(setting, effects, np.arange(6.0)))
    for task in range(6):
        own = scores.of("auc")[scores.task == task]
        assert own.mean() == pytest.approx(0, abs=1e-9) and own.std() == pytest.approx(1, rel=0.01)


def test_shift_and_scale_of_a_target_change_nothing(setting, effects):
    before = boostmtl_affinity(setting, additive_scores(setting, effects, np.zeros(6)))
    after = boostmtl_affinity(setting, additive_scores(setting, effects, np.zeros(6), scale=5, shift=-3))
    np.testing.assert_allclose(after, before, atol=2e-3)  # as much as the addend to the spread moves


def test_the_affinity_is_symmetric_with_a_diagonal_of_zeros_and_ranks_co_tasks(setting, effects):
    symmetric = effects + effects.T
    affinity = boostmtl_affinity(setting, additive_scores(setting, symmetric, np.zeros(6)))
    np.testing.assert_array_equal(affinity, affinity.T)
    np.testing.assert_array_equal(np.diag(affinity), 0)
    other = ~np.eye(6, dtype=bool)
    assert np.corrcoef(affinity[other], symmetric[other])[0, 1] > 0.7


def test_every_pair_meets_in_the_subsets_and_none_holds_all_tasks(setting):
    subsets = sampled_subsets(setting)
    assert {len(subset) for subset in subsets} == {5}
    met = {frozenset((i, j)) for subset in subsets for i in subset for j in subset if i < j}
    assert len(met) == 15


def test_every_subset_is_paid_for(setting):
    result = run_method("boostmtl", setting)
    assert result.groups is not None
    searched = sum(training_flops(setting, subset) for subset in sampled_subsets(setting))
    assert searched < result.cost.flops
    assert result.cost.flops <= searched + sum(training_flops(setting, g) for g in result.groups)


def test_planted_groups_are_found_from_planted_scores(setting, planted, monkeypatch):
    together = np.where(planted.groups[:, None] == planted.groups, 1.0, -1.0)
    scores = additive_scores(setting, together, np.arange(6.0))
    monkeypatch.setattr(boostmtl, "search_subsets", lambda *arguments: Search(scores))
    groups = boostmtl.run(setting).groups
    assert groups is not None and set(groups) == {(0, 1, 2), (3, 4, 5)}
