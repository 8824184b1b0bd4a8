import numpy as np
import pytest

from gradtag_core.affinity.matrix import AffinityMatrix, average
from gradtag_core.affinity.pair_evidence import pair_effect, pair_evidence
from gradtag_core.affinity.scores import Source, SubsetScores
from gradtag_core.affinity.subsets import pairwise_subsets, random_subsets
from gradtag_core.config import METRICS
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput

NAMES = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot")
SUBSETS = [*pairwise_subsets(6), *random_subsets(6, 4, 12, seed=0)]
PAIRS = [(i, j) for i in range(6) for j in range(6) if i != j]


def scores(subsets, seeds, source: Source) -> SubsetScores:
    generator = np.random.default_rng(len(seeds))
    of_seeds = [
        SubsetScores.of_seed(
            NAMES, subsets, generator.normal(size=(sum(map(len, subsets)), len(METRICS))), seed, source, Cost()
        )
        for seed in seeds
    ]  # fmt: skip
    found = of_seeds[0]
    for other in of_seeds[1:]:
        found = found.join(other)
    return found


ESTIMATED = scores(SUBSETS, (0, 1, 2), "estimated")
TRAINED = scores(SUBSETS[-9:], (10, 11), "trained")


def matrix(values: np.ndarray, errors: float = 0.1) -> AffinityMatrix:
    return AffinityMatrix(
        NAMES[: len(values)], values, np.full(values.shape, 3), np.full(values.shape, errors), "f1"
    )


@pytest.mark.parametrize("metric", ["f1", "loss"])
def test_the_subsets_behind_a_pair_average_to_its_affinity_and_are_as_many_as_counted(metric):
    estimated, true = average(ESTIMATED, metric), average(TRAINED, metric)
    for i, j in PAIRS:
        found = pair_evidence(ESTIMATED, TRAINED, i, j, metric)
        together = found.with_co_task
        assert found.estimated[together].mean() == pytest.approx(estimated.values[i, j])
        assert together.sum() == estimated.counts[i, j]
        trained = found.trained[together & np.isfinite(found.trained)]
        assert len(trained) == true.counts[i, j]
        assert trained.mean() == pytest.approx(true.values[i, j])


def test_every_subset_of_the_task_is_listed_once_and_told_by_the_co_task():
    found = pair_evidence(ESTIMATED, None, 1, 4, "f1")
    assert sorted(found.subsets) == sorted(subset for subset in SUBSETS if 1 in subset)
    assert found.with_co_task.tolist() == [4 in subset for subset in found.subsets]
    assert np.isnan(found.trained).all()


def test_a_subset_that_was_only_trained_is_listed_without_an_estimate():
    estimated = scores(SUBSETS[:5], (0,), "estimated")
    found = pair_evidence(estimated, TRAINED, 0, 1, "f1")
    only_trained = [subset not in SUBSETS[:5] for subset in found.subsets]
    assert np.isnan(found.estimated).tolist() == only_trained
    assert any(only_trained)


def test_ranks_count_better_co_tasks_and_ties_share_one():
    values = np.array([[9.0, 1.0, 3.0, 3.0], [0.0] * 4, [0.0] * 4, [0.0] * 4])
    assert [pair_effect(matrix(values), 0, j).rank for j in (1, 2, 3)] == [3, 1, 1]
    assert pair_effect(matrix(values), 0, 2).n_ranked == 3
    assert pair_effect(matrix(values), 0, 1).effect == pytest.approx(1 - 7 / 3)
    assert pair_effect(matrix(values), 0, 1).errors_from_mean == pytest.approx((1 - 7 / 3) / 0.1)


def test_ranks_and_effects_do_not_depend_on_the_order_of_the_tasks():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(6, 6))
    values[2, 5] = np.nan
    order = generator.permutation(6)
    moved = matrix(values[np.ix_(order, order)])
    place = np.argsort(order)
    for i, j in PAIRS:
        before, after = pair_effect(matrix(values), i, j), pair_effect(moved, int(place[i]), int(place[j]))
        assert (before.rank, before.n_ranked) == (after.rank, after.n_ranked)
        assert before.effect == pytest.approx(after.effect, nan_ok=True)


def test_an_unknown_cell_has_no_rank_and_one_without_an_error_no_distance():
    values = np.ones((6, 6))
    values[0, 1] = np.nan
    unknown = pair_effect(matrix(values), 0, 1)
    assert unknown.rank is None
    assert np.isnan(unknown.effect)
    assert unknown.n_ranked == 4
    for error in (0.0, np.nan):
        assert np.isnan(pair_effect(matrix(values, error), 0, 2).errors_from_mean)


@pytest.mark.parametrize("pair", [(1, 1), (0, 6), (-1, 0)])
def test_what_is_no_pair_is_refused(pair):
    with pytest.raises(InvalidInput, match="must be two different tasks, from 0 to 5; found"):
        pair_evidence(ESTIMATED, None, pair[0], pair[1], "f1")
    with pytest.raises(InvalidInput, match="must be two different tasks"):
        pair_effect(matrix(np.ones((6, 6))), *pair)
