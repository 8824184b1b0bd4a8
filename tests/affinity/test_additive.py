"""The additive model against a dense Gaussian posterior, and what follows from its meaning."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from gradtag_core.affinity.additive import LOG_SPREAD, START_VARIANCES, AdditiveFit, _Evidence, fit_additive
from gradtag_core.affinity.subsets import random_subsets
from gradtag_core.errors import InvalidInput
from tests.affinity.additive_worlds import (
    METRIC,
    dense_covariances,
    dense_posterior,
    dense_problem,
    drawn_world,
    off_diagonal,
    scores_of,
    world_of_many_sizes,
)


def evidence_of(scores, hints):
    """The library's evidence of the same standardised data."""
    y, design, loads, scale = dense_problem(scores, hints)
    n_tasks = len(scale)
    own_design = design.reshape(len(y), n_tasks, n_tasks)[np.arange(len(y)), scores.task]
    return _Evidence.of(scores.task, y, own_design, loads.reshape(n_tasks, n_tasks, -1)[:, :, n_tasks:])


def assert_is_dense_posterior(fit: AdditiveFit, scores, hints, tolerance=1e-8):
    mean, deviation = dense_posterior(scores, hints, fit.variances.values())
    np.testing.assert_allclose(fit.effects, mean, atol=tolerance * max(1.0, np.abs(mean).max()))
    np.testing.assert_allclose(fit.standard_errors, deviation, atol=tolerance * deviation.max())


@pytest.mark.parametrize("n_hints", [0, 1, 2])
@pytest.mark.parametrize("n_subsets", [3, 9, 20])
def test_effects_and_standard_errors_are_the_dense_posteriors(n_subsets, n_hints):
    _, hint, subsets, values = drawn_world(6, n_subsets, 3)
    scores = scores_of(subsets, values, 6)
    hints = dict([("useful", hint), ("random", np.random.default_rng(5).normal(size=(6, 6)))][:n_hints])
    fit = fit_additive(scores, METRIC, hints)
    assert tuple(fit.variances) == ("noise", "own", "helpfulness", *hints)
    assert_is_dense_posterior(fit, scores, hints)
    scale = dense_problem(scores, hints)[3]
    np.testing.assert_allclose(fit.noise, scale * fit.variances["noise"] ** 0.5)


@given(
    n_tasks=st.integers(2, 5), n_hints=st.integers(0, 2), data=st.data(),
    log_variances=st.lists(st.floats(-6, 3), min_size=5, max_size=5),
)  # fmt: skip
@settings(max_examples=40)
def test_the_evidence_is_the_density_of_the_scores(n_tasks, n_hints, data, log_variances):
    every = [subset for size in range(1, n_tasks + 1) for subset in combinations(range(n_tasks), size)]
    subsets = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=12, unique=True))
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    scores = scores_of(subsets, generator.normal(size=sum(map(len, subsets))), n_tasks)
    hints = {f"hint {index}": generator.normal(size=(n_tasks, n_tasks)) for index in range(n_hints)}
    variances = np.exp(log_variances[: 3 + n_hints])
    problem = dense_problem(scores, hints)
    y, (_, covariance) = problem[0], dense_covariances(problem, variances)
    expected = multivariate_normal.logpdf(y, np.zeros(len(y)), covariance)
    found = -float(evidence_of(scores, hints)._negative_log_evidence(torch.from_numpy(variances)))
    assert found - len(y) / 2 * np.log(2 * np.pi) == pytest.approx(expected, rel=1e-9, abs=1e-8)

    mean, deviation = evidence_of(scores, hints).posterior(torch.from_numpy(variances))
    dense_mean, dense_deviation = dense_posterior(scores, hints, variances)
    np.testing.assert_allclose(mean * problem[3][:, None], dense_mean, atol=1e-7)
    np.testing.assert_allclose(deviation * problem[3][:, None], dense_deviation, atol=1e-6)


@given(st.integers(2, 5), st.integers(0, 99))
@settings(max_examples=20)
def test_a_fit_is_the_dense_posterior_or_says_that_no_task_was_scored_twice(n_tasks, seed):
    generator = np.random.default_rng(seed)
    every = [subset for size in range(1, n_tasks + 1) for subset in combinations(range(n_tasks), size)]
    chosen = generator.permutation(len(every))[: generator.integers(1, 9)]
    subsets = [every[index] for index in chosen]
    scores = scores_of(subsets, generator.normal(size=sum(map(len, subsets))), n_tasks)
    hints = {"hint": generator.normal(size=(n_tasks, n_tasks))}
    if np.bincount(scores.task).max() < 2:
        with pytest.raises(InvalidInput, match="twice"):
            fit_additive(scores, METRIC, hints)
    else:
        assert_is_dense_posterior(fit_additive(scores, METRIC, hints), scores, hints, tolerance=1e-6)


def test_the_gradient_of_the_evidence_is_that_of_finite_differences():
    _, hint, subsets, values = drawn_world(5, 8, 3)
    evidence = evidence_of(scores_of(subsets, values, 5), {"hint": hint})
    point = torch.tensor([-0.5, -3.0, -2.0, -1.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(evidence._negative_log_evidence(point.exp()), point)
    step = 1e-5
    for index in range(len(point)):
        move = step * torch.eye(len(point), dtype=torch.float64)[index]
        above, below = (
            float(evidence._negative_log_evidence((point.detach() + sign * move).exp())) for sign in (1, -1)
        )
        assert float(gradient[index]) == pytest.approx((above - below) / (2 * step), rel=1e-6, abs=1e-7)


def test_no_variances_nearby_or_far_off_are_more_likely():
    _, hint, subsets, values = drawn_world(8, 40, 4)
    scores, hints = scores_of(subsets, values, 8), {"hint": hint}
    found = np.array(list(fit_additive(scores, METRIC, hints).variances.values()))
    problem, generator = dense_problem(scores, hints), np.random.default_rng(0)

    def log_density(variances):
        """Of the data, and of the variances under their prior."""
        distance = (np.log(variances) - np.log([*START_VARIANCES, START_VARIANCES[2]])) / LOG_SPREAD
        return (
            multivariate_normal.logpdf(
                problem[0], np.zeros(len(problem[0])), dense_covariances(problem, variances)[1]
            )
            - (distance @ distance) / 2
        )

    best = log_density(found)
    for spread in (0.1, 1.0, 3.0):
        for _ in range(10):
            moved = np.exp(np.clip(np.log(found) + spread * generator.normal(size=4), -12, 4))
            assert log_density(moved) <= best + 1e-3


def test_an_additive_truth_is_recovered_as_data_grow():
    errors, claimed = [], []
    for count in (8, 40, 200):
        effects, _, subsets, values = world_of_many_sizes(10, {2: min(count, 45), 4: count, 6: count}, 0.3, 0)
        fit = fit_additive(scores_of(subsets, values, 10), METRIC, {})
        errors.append(np.sqrt(np.mean(off_diagonal(fit.effects - effects) ** 2)))
        claimed.append(np.sqrt(np.mean(off_diagonal(fit.standard_errors) ** 2)))
    assert errors[0] > 1.3 * errors[1] > 2 * errors[2]
    assert claimed[0] > claimed[1] > claimed[2]
    assert errors[2] < 0.05
    np.testing.assert_allclose(fit.noise.mean(), 0.3, rtol=0.05)


def squared_ratios(estimate, effects, deviation):
    """The mean of (error / standard error)² over cells, errors relative to the mean of their row."""
    errors = off_diagonal(estimate - effects).reshape(len(effects), -1)
    errors = (errors - errors.mean(axis=1, keepdims=True)).ravel()
    return np.mean((errors / off_diagonal(deviation)) ** 2)


def test_with_the_variances_known_standard_errors_are_exact():
    """0.12² for each part of an effect, as `world_of_many_sizes` draws them."""
    variances = torch.tensor([0.5**2, 0.12**2, 0.12**2, 0.12**2], dtype=torch.float64)
    found = []
    for seed in range(40):
        effects, hint, subsets, values = world_of_many_sizes(8, {2: 10, 4: 20, 6: 10}, 0.5, seed)
        scores = scores_of(subsets, values, 8)
        y, design, loads, scale = dense_problem(scores, {"hint": hint})
        own_design = design.reshape(len(y), 8, 8)[np.arange(len(y)), scores.task]
        evidence = _Evidence.of(
            scores.task, y * scale[scores.task], own_design, loads.reshape(8, 8, -1)[:, :, 8:]
        )
        mean, deviation = evidence.posterior(variances)
        found.append(squared_ratios(mean, effects, deviation))
    assert np.mean(found) == pytest.approx(1, abs=0.1)


def test_with_fitted_variances_standard_errors_are_right_within_a_fifth():
    """Of twenty tasks; fitted to fewer, the variances of what tasks share may come out too small."""
    found = []
    for seed in range(16):
        effects, hint, subsets, values = world_of_many_sizes(20, {2: 40, 4: 60, 6: 60}, 0.5, seed)
        fit = fit_additive(scores_of(subsets, values, 20), METRIC, {"hint": hint})
        found.append(squared_ratios(fit.effects, effects, fit.standard_errors))
    assert 0.8 < np.median(found) < 1.25
    assert np.sqrt(np.mean(found)) < 1.2


def test_permuting_tasks_permutes_the_answer():
    _, hint, subsets, values = drawn_world(6, 12, 3)
    fit = fit_additive(scores_of(subsets, values, 6), METRIC, {"hint": hint})
    order = np.random.default_rng(1).permutation(6)  # the new task k is the old task order[k]
    place = np.argsort(order)
    entries = iter(values)
    renamed = [{int(place[i]): next(entries) for i in subset} for subset in subsets]
    moved = scores_of(
        [tuple(sorted(scored)) for scored in renamed],
        np.array([scored[i] for scored in renamed for i in sorted(scored)]), 6,
    )  # fmt: skip
    again = fit_additive(moved, METRIC, {"hint": hint[np.ix_(order, order)]})
    both = np.ix_(order, order)
    np.testing.assert_allclose(again.effects, fit.effects[both], atol=1e-5)
    np.testing.assert_allclose(again.standard_errors, fit.standard_errors[both], atol=1e-5)
    np.testing.assert_allclose(again.presence, fit.presence[both])
    np.testing.assert_allclose(again.levels, fit.levels[order])


def test_a_constant_per_task_moves_only_the_level():
    _, hint, subsets, values = drawn_world(6, 15, 3)
    scores = scores_of(subsets, values, 6)
    shift = 10 * np.random.default_rng(2).normal(size=6)
    fit, moved = (
        fit_additive(scores_of(subsets, each, 6), METRIC, {"hint": hint})
        for each in (values, values + shift[scores.task])
    )
    np.testing.assert_allclose(moved.effects, fit.effects, atol=1e-6)
    np.testing.assert_allclose(moved.standard_errors, fit.standard_errors, atol=1e-6)
    np.testing.assert_allclose(moved.levels, fit.levels + shift)


def test_scaling_a_tasks_scores_scales_its_row():
    _, hint, subsets, values = drawn_world(6, 15, 3)
    scores = scores_of(subsets, values, 6)
    factor = np.array([1.0, 3.0, 1.0, 0.01, 1.0, 1.0])
    fit, scaled = (
        fit_additive(scores_of(subsets, each, 6), METRIC, {"hint": hint})
        for each in (values, values * factor[scores.task])
    )
    np.testing.assert_allclose(scaled.effects, factor[:, None] * fit.effects, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(scaled.standard_errors, factor[:, None] * fit.standard_errors, rtol=1e-5)
    np.testing.assert_allclose(scaled.noise, factor * fit.noise, rtol=1e-5)


def test_only_the_order_and_spacing_of_a_hint_count():
    _, hint, subsets, values = drawn_world(6, 15, 3)
    scores = scores_of(subsets, values, 6)
    generator = np.random.default_rng(3)
    moved = hint * generator.uniform(0.5, 9, size=(6, 1)) + generator.normal(size=(6, 1))
    np.fill_diagonal(moved, np.nan)
    fit, again = (fit_additive(scores, METRIC, {"hint": each}) for each in (hint, moved))
    np.testing.assert_allclose(again.effects, fit.effects, atol=1e-6)
    np.testing.assert_allclose(again.standard_errors, fit.standard_errors, atol=1e-6)


def test_a_useful_hint_helps_and_a_random_one_is_left_aside():
    effects, hint, subsets, values = drawn_world(12, 60, 4, noise=0.8)
    scores = scores_of(subsets, values, 12)
    random_hint = np.random.default_rng(4).normal(size=hint.shape)

    def error(fit):
        return np.sqrt(np.mean(off_diagonal(fit.effects - effects) ** 2))

    nothing = fit_additive(scores, METRIC, {})
    useful = fit_additive(scores, METRIC, {"hint": hint})
    both = fit_additive(scores, METRIC, {"hint": hint, "random": random_hint})
    useless = fit_additive(scores, METRIC, {"random": random_hint})
    assert error(useful) < 0.85 * error(nothing)
    assert error(both) == pytest.approx(error(useful), rel=0.1)
    assert error(useless) == pytest.approx(error(nothing), rel=0.1)
    assert both.variances["random"] < 0.1 * both.variances["hint"]


def test_a_hint_that_does_not_vary_changes_nothing():
    _, _, subsets, values = drawn_world(6, 12, 3)
    scores = scores_of(subsets, values, 6)
    without, flat = (fit_additive(scores, METRIC, hints) for hints in ({}, {"flat": np.full((6, 6), 0.3)}))
    np.testing.assert_allclose(flat.effects, without.effects, atol=1e-4)
    np.testing.assert_allclose(flat.standard_errors, without.standard_errors, atol=1e-4)


def test_tasks_without_data_keep_the_prior():
    """The last two of seven tasks are in no subset: as rows they get what all tasks share, as co-tasks nothing."""
    _, _, subsets, values = drawn_world(5, 10, 3)
    scores = scores_of(subsets, values, 7)
    fit = fit_additive(scores, METRIC, {})
    own, helpfulness = fit.variances["own"], fit.variances["helpfulness"]
    scale = dense_problem(scores, {})[3]
    np.testing.assert_array_equal(fit.effects[:, 5:], 0.0)
    np.testing.assert_allclose(fit.effects[5, :5], fit.effects[6, :5])
    assert np.abs(fit.effects[5, :5]).max() > 0
    unseen = np.sqrt((own + helpfulness) * (1 - 1 / 6))  # as if nothing were known of the whole row
    assert (fit.standard_errors[0, 5:] > fit.standard_errors[0, 1:5].max()).all()
    assert (fit.standard_errors[0, 5:] < scale[0] * unseen).all()
    assert (fit.standard_errors[5, :5] > scale[5] * np.sqrt(own * (1 - 1 / 6))).all()
    assert (fit.standard_errors[5, :5] < scale[5] * unseen).all()
    np.testing.assert_allclose(fit.levels[5:], values.mean())


@pytest.mark.parametrize("constant", [0.0, 0.1, 0.7])
def test_a_task_whose_score_never_changes(constant):
    """Its mean may miss the constant by rounding (0.1, 0.7), which is no spread."""
    _, _, subsets, values = drawn_world(6, 13, 3)
    scores = scores_of(subsets, values, 6)
    assert (scores.task == 2).sum() > 2
    fit = fit_additive(scores_of(subsets, np.where(scores.task == 2, constant, values), 6), METRIC, {})
    expected = fit_additive(scores_of(subsets, np.where(scores.task == 2, 0.5, values), 6), METRIC, {})
    np.testing.assert_allclose(fit.effects, expected.effects, atol=1e-6)
    np.testing.assert_allclose(fit.standard_errors, expected.standard_errors, atol=1e-6)
    assert fit.levels[2] == pytest.approx(constant)
    assert np.abs(fit.effects[2]).max() < np.abs(fit.effects).max()
    assert (off_diagonal(fit.standard_errors) > 0).all()


def test_scores_that_never_change_show_no_effects():
    subsets = random_subsets(5, 3, 8, 0)
    fit = fit_additive(scores_of(subsets, np.full(24, 0.7), 5), METRIC, {})
    np.testing.assert_allclose(fit.effects, 0.0, atol=1e-9)
    np.testing.assert_allclose(fit.predict([(0, 1, 2), (3,)]), 0.7)
    assert np.isfinite(fit.standard_errors).all()


def test_predictions_add_up_effects_around_the_level():
    _, hint, subsets, values = drawn_world(6, 15, 3)
    scores = scores_of(subsets, values, 6)
    fit = fit_additive(scores, METRIC, {"hint": hint})
    asked = [(2,), (0, 5), (1, 2, 3, 4), (0, 1, 2, 3, 4, 5)]
    expected = [
        fit.levels[i]
        + sum(((j in subset) - fit.presence[i, j]) * fit.effects[i, j] for j in range(6) if j != i)
        for subset in asked
        for i in subset
    ]
    np.testing.assert_allclose(fit.predict(asked), expected)
    predicted = fit.predict(subsets)
    for i in range(6):
        own = scores.task == i
        assert predicted[own].mean() == pytest.approx(fit.levels[i])
        assert fit.levels[i] == pytest.approx(values[own].mean())
        others = [j for j in range(6) if j != i]
        met = [np.mean([j in subset for subset in subsets if i in subset]) for j in others]
        np.testing.assert_allclose(fit.presence[i, others], met)
        assert fit.presence[i, i] == 0


def test_seeds_are_averaged_first():
    _, _, subsets, values = drawn_world(6, 12, 3)
    difference = np.random.default_rng(6).normal(size=len(values))
    two = scores_of(subsets, values + difference, 6).join(scores_of(subsets, values - difference, 6, seed=1))
    once, twice = (fit_additive(scores, METRIC, {}) for scores in (scores_of(subsets, values, 6), two))
    np.testing.assert_allclose(twice.effects, once.effects, atol=1e-6)


def test_what_it_costs_grows_with_the_tasks():
    small, large = (
        fit_additive(scores_of(subsets, values, n_tasks), METRIC, {}).flops
        for n_tasks, (_, _, subsets, values) in ((5, drawn_world(5, 10, 3)), (10, drawn_world(10, 40, 3)))
    )
    assert 0 < small < large


def test_one_score_per_task_says_nothing_of_co_tasks():
    with pytest.raises(InvalidInput, match=r"twice or more; found 2 subsets"):
        fit_additive(scores_of([(0, 1), (2, 3)], np.arange(4.0), 4), METRIC, {})
