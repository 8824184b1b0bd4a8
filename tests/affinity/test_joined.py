"""Joining small models and gradient estimates: which hints are given, what comes back, and that it helps."""

from dataclasses import replace

import numpy as np
import pytest

from gradtag_core.affinity.additive import fit_additive
from gradtag_core.affinity.joined import join_estimates
from gradtag_core.affinity.matrix import average
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import pairwise_subsets, random_subsets
from gradtag_core.config import METRICS
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput

N_TASKS = 10
NAMES = tuple(f"t{index}" for index in range(N_TASKS))
GENERATOR = np.random.default_rng(0)
TRANSFER = 0.05 * GENERATOR.normal(size=(N_TASKS, N_TASKS))
SIMILARITY = GENERATOR.uniform(size=(N_TASKS, N_TASKS))
SIZES = GENERATOR.integers(20, 500, size=N_TASKS)
SUBSETS = random_subsets(N_TASKS, 4, 60, 0)
SCALES = np.array([1.0, 2.0, 0.5, 1.5, 3.0])  # of the metrics
# What linearisation gets wrong, it gets wrong at every base model.
SEEN_BY_GRADIENTS = TRANSFER + 0.05 * GENERATOR.normal(size=TRANSFER.shape)


def scores(source, subsets, noise, seed, transfer=TRANSFER):
    generator = np.random.default_rng([seed, 1])
    sums = np.array([sum(transfer[i, j] for j in subset if j != i) for subset in subsets for i in subset])
    values = 0.6 + SCALES * sums[:, None] + noise * generator.normal(size=(len(sums), len(METRICS)))
    return SubsetScores.of_seed(NAMES, subsets, values, seed, source, Cost(1e6))


PROXIES = scores("trained", SUBSETS[:40], 0.1, 7)
GRADIENTS = scores("estimated", SUBSETS, 0.02, 0, SEEN_BY_GRADIENTS).join(
    scores("estimated", SUBSETS, 0.02, 1, SEEN_BY_GRADIENTS)
)


def join(gradients: SubsetScores | None = GRADIENTS, proxies=PROXIES, subsets=SUBSETS, sizes=SIZES):
    return join_estimates(proxies, subsets, gradients, SIMILARITY, sizes, 3)


def row_correlation(values):
    others = ~np.eye(N_TASKS, dtype=bool)
    return np.mean([np.corrcoef(values[i, others[i]], TRANSFER[i, others[i]])[0, 1] for i in range(N_TASKS)])


def test_every_subset_is_scored_in_every_metric_under_one_seed():
    joined = join()
    assert (joined.scores.source, joined.scores.seeds) == ("estimated", (3,))
    assert joined.scores.subsets == tuple(SUBSETS)
    assert joined.scores.task_names == NAMES
    assert joined.scores.values.shape == (sum(map(len, SUBSETS)), len(METRICS))
    assert joined.standard_errors.shape == (len(METRICS), N_TASKS, N_TASKS)
    assert (joined.standard_errors[:, ~np.eye(N_TASKS, dtype=bool)] > 0).all()
    assert (np.diagonal(joined.standard_errors, axis1=1, axis2=2) == 0).all()


@pytest.mark.parametrize("with_gradients", [True, False])
def test_each_metric_is_the_additive_model_with_its_hints(with_gradients):
    joined = join(GRADIENTS if with_gradients else None)
    for index, metric in enumerate(METRICS):
        hints = {
            "label_similarity": SIMILARITY,
            "train_size": np.repeat(np.log(SIZES)[None], N_TASKS, axis=0),
        }
        if with_gradients:
            hints["gradients"] = average(GRADIENTS, metric).values
        fit = fit_additive(PROXIES, metric, hints)
        np.testing.assert_allclose(joined.scores.of(metric), fit.predict(SUBSETS), rtol=1e-7)
        np.testing.assert_allclose(joined.standard_errors[index], fit.standard_errors, rtol=1e-7)


def test_metrics_that_a_task_does_not_have_are_left_out_and_change_no_others():
    lacking = [METRICS.index(metric) for metric in ("accuracy", "f1", "average_precision")]

    def without(scores):
        values = scores.values.copy()
        values[np.ix_(scores.task == 2, lacking)] = np.nan
        return replace(scores, values=values)

    expected, found = join(), join(without(GRADIENTS), without(PROXIES))
    assert found.scores.metrics == ("loss", "auc")
    kept = [column for column in range(len(METRICS)) if column not in lacking]
    for before, after in (
        (expected.scores.values.T, found.scores.values.T),
        (expected.standard_errors, found.standard_errors),
    ):
        np.testing.assert_array_equal(after[kept], before[kept])
        assert np.isnan(after[lacking]).all()
    assert found.scores.cost.flops < expected.scores.cost.flops


def test_a_training_that_diverged_is_not_taken_for_a_metric_that_is_not_there():
    values = PROXIES.values.copy()
    values[PROXIES.task == 2] = np.nan
    with pytest.raises(InvalidInput, match="some of `t2` are not"):
        join(proxies=replace(PROXIES, values=values))


def test_the_cost_is_that_of_the_fit():
    cost = join().scores.cost
    assert cost.seconds > 0
    assert 0 < cost.flops != PROXIES.cost.flops
    doubled = SubsetScores(**{**vars(PROXIES), "cost": Cost(1e15)})
    assert join(proxies=doubled).scores.cost.flops == cost.flops


def test_both_sources_together_are_better_than_each():
    joined, proxies, gradients = (
        np.array([row_correlation(average(found, metric).values) for metric in METRICS])
        for found in (join().scores, join(None).scores, GRADIENTS)
    )
    assert joined.mean() > max(proxies.mean(), gradients.mean()) + 0.02


def test_a_gradient_estimate_that_is_noise_does_little_harm():
    noise = SubsetScores(
        **{**vars(GRADIENTS), "values": np.random.default_rng(9).normal(size=GRADIENTS.values.shape)}
    )
    with_noise, without = (
        row_correlation(average(join(each).scores, "auc").values) for each in (noise, None)
    )
    assert with_noise > without - 0.05


def test_levels_are_those_of_the_small_models():
    predicted = join(subsets=SUBSETS[:40]).scores.values
    for i in range(N_TASKS):
        own = PROXIES.task == i
        np.testing.assert_allclose(predicted[own].mean(0), PROXIES.values[own].mean(0))


def test_pairs_and_lone_tasks_can_be_asked_for():
    subsets = pairwise_subsets(N_TASKS)
    found = average(join(subsets=subsets).scores, "loss")
    assert np.isfinite(found.values).all()
    assert row_correlation(found.values) > 0.5


def test_tasks_of_one_size_are_no_hint_and_no_fault():
    assert np.isfinite(join(sizes=np.full(N_TASKS, 50)).scores.values).all()


def with_values(scores: SubsetScores, change) -> SubsetScores:
    values = scores.values.copy()
    change(values)
    return replace(scores, values=values)


def spoil(values):
    values[3, 0] = np.nan


@pytest.mark.parametrize("sizes", [np.zeros(N_TASKS), np.full(N_TASKS, np.nan), SIZES[:-1], SIZES[:, None]])
def test_sizes_without_a_logarithm_or_of_other_tasks_are_refused(sizes):
    with pytest.raises(InvalidInput, match="`train_sizes`"):
        join(sizes=sizes)


def test_gradients_of_other_tasks_are_refused():
    """In another order they would be a hint for the wrong tasks."""
    with pytest.raises(InvalidInput, match="`gradients` must be of the tasks"):
        join(replace(GRADIENTS, task_names=NAMES[::-1]))


def test_gradients_that_are_not_finite_are_refused():
    with pytest.raises(InvalidInput, match="`gradients` must be finite numbers; 1 scores"):
        join(with_values(GRADIENTS, spoil))


def test_small_models_without_a_finite_score_are_named():
    with pytest.raises(InvalidInput, match=rf"some of `t{PROXIES.task[3]}` are not"):
        join(proxies=with_values(PROXIES, spoil))


def test_a_similarity_of_other_tasks_is_refused():
    with pytest.raises(InvalidInput, match=r"`label_similarity` must be a table of 10 by 10 .* \(9, 9\)"):
        join_estimates(PROXIES, SUBSETS, None, SIMILARITY[1:, 1:], SIZES, 3)


def test_pairs_that_no_gradient_estimate_holds_are_no_fault():
    few = GRADIENTS.of_subsets(SUBSETS[:3])
    assert np.isfinite(join(few).scores.values).all()


def test_the_prediction_is_charged_too():
    few, many = (join(subsets=subsets).scores.cost.flops for subsets in (SUBSETS[:10], SUBSETS[:30]))
    assert many - few == len(METRICS) * 20 * 4**2
