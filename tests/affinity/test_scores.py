import json

import numpy as np
import pytest

from gradtag_core.affinity.scores import Source, SubsetScores, scores_to_json
from gradtag_core.affinity.subsets import random_subsets
from gradtag_core.config import METRICS
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput

NAMES = ("a", "b", "c with spaces", "d")


def scores_of(subsets, seed, source: Source = "estimated"):
    values = np.random.default_rng(seed).random((sum(map(len, subsets)), len(METRICS)))
    return SubsetScores.of_seed(NAMES, subsets, values, seed, source, Cost(flops=1.0, seconds=2.0))


def assert_equal(first, second):
    assert first.subsets == second.subsets
    for name in ("subset", "task", "seed", "values"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_the_table_holds_everything():
    scores = scores_of(random_subsets(4, 2, 5, 0), 0).join(scores_of(random_subsets(4, 2, 5, 0), 1))
    assert_equal(SubsetScores.from_table(scores.to_table(), NAMES, "estimated", scores.cost), scores)


def test_joining_keeps_one_number_per_subset_and_adds_costs():
    first, second = scores_of([(0, 1), (1, 2)], 0), scores_of([(1, 2), (2, 3)], 1)
    joined = first.join(second)
    assert joined.subsets == ((0, 1), (1, 2), (2, 3))
    assert_equal(
        joined.of_seed_only(1).of_subsets([(2, 3)]), joined.only((joined.seed == 1) & (joined.subset == 2))
    )
    assert joined.cost == Cost(flops=2.0, seconds=4.0)
    np.testing.assert_array_equal(joined.values, np.concatenate([first.values, second.values]))


def test_the_mean_over_seeds_is_the_papers_average_over_initialisations():
    subsets = [(0, 1), (1, 3)]
    parts = [scores_of(subsets, seed) for seed in range(3)]
    table = parts[0].join(parts[1]).join(parts[2]).mean_over_seeds()
    expected = np.mean([part.values for part in parts], axis=0)
    np.testing.assert_allclose(table[list(METRICS)].to_numpy(), expected)


def test_estimated_and_trained_scores_do_not_mix():
    with pytest.raises(InvalidInput, match="one source"):
        scores_of([(0, 1)], 0).join(scores_of([(0, 1)], 1, "trained"))


def test_a_table_of_other_tasks_is_refused():
    table = scores_of([(0, 1)], 0).to_table()
    with pytest.raises(InvalidInput, match="unknown tasks"):
        SubsetScores.from_table(table, ("x", "y"), "estimated", Cost())


def test_metrics_are_those_that_every_task_has():
    scores = scores_of([(0, 1), (1, 2)], 0)
    assert scores.metrics == METRICS
    scores.values[np.ix_(scores.task == 2, [1, 2])] = np.nan
    assert scores.metrics == tuple(metric for column, metric in enumerate(METRICS) if column not in (1, 2))
    assert scores.of_subsets([(0, 1)]).metrics == METRICS
    table = SubsetScores.from_table(scores.to_table(), NAMES, "estimated", scores.cost)
    np.testing.assert_array_equal(table.values, scores.values)


def test_scores_that_are_not_defined_survive_json():
    values = scores_of([(0, 1), (1, 2)], 0).values
    values[1, 2] = np.nan
    text = json.dumps(scores_to_json(values), allow_nan=False)
    np.testing.assert_array_equal(np.array(json.loads(text), dtype=np.float64), values)
    values[1, METRICS.index("loss")] = np.nan  # it diverged
    assert np.isnan(scores_to_json(values)[1][2])
