import json
from itertools import combinations

import numpy as np
import pytest

from gradtag_core.affinity.matrix import AffinityMatrix, average
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.config import METRICS
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.stability import Bootstrap, NormalDraws, bootstrap_stability, sweep_groups

N_TASKS, N_GROUPS = 9, 3


def make_scores(noise: float, n_subsets: int = 80, n_seeds: int = 3, singles: bool = False) -> SubsetScores:
    """Scores that rise with the members of the same planted group, plus noise per subset, task and seed."""
    rng = np.random.default_rng(0)
    group = np.arange(N_TASKS) % N_GROUPS
    everything = list(combinations(range(N_TASKS), 3))
    subsets = [everything[index] for index in rng.choice(len(everything), n_subsets, replace=False)]
    subsets += [(task,) for task in range(N_TASKS)] if singles else []
    tables = []
    for seed in range(n_seeds):
        score = [sum(group[j] == group[t] for j in subset) - 5.0 * t for subset in subsets for t in subset]
        values = np.array(score)[:, None] + noise * rng.normal(size=(len(score), len(METRICS)))
        tables.append(SubsetScores.of_seed(tuple("abcdefghi"), subsets, values, seed, "estimated", Cost()))
    joined = tables[0]
    for table in tables[1:]:
        joined = joined.join(table)
    return joined


@pytest.mark.parametrize("singles", [False, True])
def test_one_count_each_is_the_plain_average(singles):
    scores = make_scores(1.0, singles=singles)
    bootstrap = Bootstrap(scores, "loss")
    matrix = bootstrap.matrix(np.ones(len(scores.subsets)), np.ones(3))
    assert matrix == pytest.approx(average(scores, "loss").values)


def test_counts_are_repetitions_and_zero_leaves_out():
    scores = make_scores(1.0)
    seeds, subsets = np.array([0, 1, 0]), np.ones(len(scores.subsets))
    expected = average(scores.of_seed_only(1), "loss").values
    assert Bootstrap(scores, "loss").matrix(subsets, seeds) == pytest.approx(expected)
    subsets[:40] = 0
    half = average(scores.of_subsets(scores.subsets[40:]), "loss").values
    found = Bootstrap(scores, "loss").matrix(subsets, np.ones(3))
    seen = ~np.isnan(half)
    assert found[seen] == pytest.approx(half[seen])
    assert found[~seen] == pytest.approx(average(scores, "loss").values[~seen])


def test_clear_groups_are_stable():
    found = bootstrap_stability(make_scores(0.2), "loss", N_GROUPS, n_resamples=20)
    assert found.agreement >= 0.99
    assert found.task_stability.min() >= 0.95
    same = np.equal.outer(np.arange(N_TASKS) % N_GROUPS, np.arange(N_TASKS) % N_GROUPS)
    assert np.abs(found.consensus - same).max() <= 0.1
    json.dumps(found.to_json(), allow_nan=False)


def test_noise_makes_groups_unstable():
    clear = bootstrap_stability(make_scores(0.2), "loss", N_GROUPS, n_resamples=10)
    noisy = bootstrap_stability(make_scores(30.0), "loss", N_GROUPS, n_resamples=10)
    assert noisy.agreement < 0.5 < clear.agreement
    assert noisy.task_stability.mean() < clear.task_stability.mean()
    assert noisy.consensus == pytest.approx(noisy.consensus.T)
    assert np.diag(noisy.consensus) == pytest.approx(1)


def test_the_sweep_suggests_the_planted_number():
    sweep = sweep_groups(make_scores(0.5), "loss", range(1, 7), n_resamples=10)
    assert sweep.suggested == N_GROUPS
    assert sweep.reason.startswith("k = 3: resampling the subsets changes its groups least (agreement 1.00")
    rows = sweep.to_rows()
    assert [row["n_groups"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert all(0 <= row["gap"] <= 1 for row in rows)


def test_the_sweep_says_when_nothing_is_reproducible():
    sweep = sweep_groups(make_scores(100.0), "loss", [2, 3, 4], n_resamples=8)
    assert "No number of groups tried is reproducible" in sweep.reason


def test_same_seed_same_answer():
    scores = make_scores(5.0)
    first, second = (bootstrap_stability(scores, "loss", 3, n_resamples=5, seed=4) for _ in range(2))
    assert np.array_equal(first.consensus, second.consensus)


def test_broken_rules():
    scores = make_scores(1.0)
    with pytest.raises(InvalidInput, match="`n_resamples` must be at least 2; found 1"):
        bootstrap_stability(scores, "loss", 3, n_resamples=1)
    with pytest.raises(InvalidInput, match="`n_groups` must hold at least one"):
        sweep_groups(scores, "loss", [])
    with pytest.raises(
        InvalidInput, match="`n_groups` must be a whole number from 1 to the number of tasks, 9"
    ):
        sweep_groups(scores, "loss", [3, 10])
    with pytest.raises(InvalidInput, match=r"found none for `\w` with `\w`. Sample more subsets"):
        bootstrap_stability(make_scores(1.0, n_subsets=5), "loss", 3)


def test_cells_are_drawn_about_an_affinity_with_standard_errors():
    values = np.arange(16.0).reshape(4, 4)
    errors = np.full((4, 4), 0.5)
    np.fill_diagonal(errors, 0.0)
    affinity = AffinityMatrix(("a", "b", "c", "d"), values, np.ones((4, 4), dtype=int), errors, "f1")
    draws = np.stack([NormalDraws(affinity).draw(np.random.default_rng(seed)) for seed in range(2000)])
    assert np.abs(draws.mean(0) - values).max() < 0.06
    assert np.abs(draws.std(0) - errors).max() < 0.04
    assert (draws[:, range(4), range(4)] == values.diagonal()).all()


def test_groups_that_exceed_their_errors_are_stable_and_others_are_not():
    blocks = np.kron(np.eye(3), np.ones((4, 4)))
    names = tuple(f"t{index}" for index in range(12))

    def agreement(error):
        errors = np.full((12, 12), error)
        affinity = AffinityMatrix(names, blocks, np.ones((12, 12), dtype=int), errors, "f1")
        return bootstrap_stability(affinity, "f1", 3, n_resamples=20).agreement

    assert agreement(0.05) == 1
    assert agreement(5.0) < 0.4


def test_an_affinity_without_standard_errors_cannot_be_drawn_about():
    errors = np.zeros((3, 3))
    errors[0, 2] = np.nan
    affinity = AffinityMatrix(("a", "b", "c"), np.eye(3), np.ones((3, 3), dtype=int), errors, "f1")
    with pytest.raises(InvalidInput, match="`a` with `c`"):
        NormalDraws(affinity)
