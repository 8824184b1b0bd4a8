"""The additive model against a dense Gaussian posterior, and what follows from its meaning."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.affinity.additive import AdditiveDesign, AdditiveFit, fit_additive, predict
from gradtag_core.affinity.subsets import random_subsets
from gradtag_core.config import METRICS
from gradtag_core.errors import InvalidInput
from tests.affinity.additive_worlds import (
    METRIC,
    dense_posterior,
    dense_problem,
    drawn_world,
    off_diagonal,
    scores_of,
    squared_ratios,
    world_of_many_sizes,
)


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


@pytest.mark.parametrize("spoiled", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(spoiled):
    """Among several seeds of one training, a mean would pass over NaN in silence."""
    _, _, subsets, values = drawn_world(6, 12, 3)
    scores = scores_of(subsets, values, 6)
    bad = scores_of(subsets, np.where(np.arange(len(values)) == 4, spoiled, values), 6, seed=1)
    with pytest.raises(
        InvalidInput, match=rf"`{METRIC}` must be finite numbers; some of `t{scores.task[4]}`"
    ):
        fit_additive(scores.join(bad), METRIC, {})


def test_a_lone_task_has_no_co_tasks():
    with pytest.raises(InvalidInput, match="two tasks or more"):
        AdditiveDesign.of(scores_of([(0,), (0,)], np.arange(2.0), 1))


def test_a_score_of_a_task_outside_its_subset_is_refused():
    _, _, subsets, values = drawn_world(6, 12, 3)
    scores = scores_of(subsets, values, 6)
    scores.task[0] = next(iter(set(range(6)) - set(subsets[0])))
    with pytest.raises(InvalidInput, match=rf"1 that score `t{scores.task[0]}`"):
        fit_additive(scores, METRIC, {})


def test_subsets_asked_for_must_be_of_known_tasks():
    """An index of -1 would be taken for the last task."""
    _, _, subsets, values = drawn_world(6, 12, 3)
    fit = fit_additive(scores_of(subsets, values, 6), METRIC, {})
    for asked in ((0, -1), (0, 6), (2, 2)):
        with pytest.raises(InvalidInput, match="from 0 to 5"):
            fit.predict([(0, 1), asked])
    assert fit.predict([]).shape == (0,)


@pytest.mark.parametrize(
    ("name", "hint", "named"),
    [
        ("size", np.zeros((5, 5)), "6 by 6"),
        (
            "far",
            np.where(np.arange(36).reshape(6, 6) == 1, np.inf, 1.0),
            "`far` must not be infinite; 1 cells",
        ),
        ("own", np.zeros((6, 6)), "found `own`"),
    ],
)
def test_hints_that_cannot_be_used_are_refused(name, hint, named):
    _, _, subsets, values = drawn_world(6, 12, 3)
    with pytest.raises(InvalidInput, match=named):
        fit_additive(scores_of(subsets, values, 6), METRIC, {name: hint})


@pytest.mark.parametrize("unit", [1e-15, 1e15])
def test_a_hint_may_be_in_any_unit(unit):
    _, hint, subsets, values = drawn_world(6, 15, 3)
    scores = scores_of(subsets, values, 6)
    fit, again = (fit_additive(scores, METRIC, {"hint": each}) for each in (hint, unit * hint))
    np.testing.assert_allclose(again.effects, fit.effects, atol=1e-6)


def test_cells_and_rows_of_a_hint_that_are_unknown_say_nothing():
    """As the mean of their row among the others would."""
    _, hint, subsets, values = drawn_world(6, 15, 3)
    scores, unknown = scores_of(subsets, values, 6), hint.copy()
    unknown[2] = np.nan
    flat = np.where(np.isnan(unknown), 0.7, unknown)
    fit, again = (fit_additive(scores, METRIC, {"hint": each}) for each in (unknown, flat))
    np.testing.assert_allclose(fit.effects, again.effects, atol=1e-9)
    unknown[2] = [0.5, 1.5, 9.0, np.nan, 1.5, 0.5]
    known = fit_additive(scores, METRIC, {"hint": unknown}).effects
    unknown[2] = [-4.0, 6.0, 9.0, np.nan, 6.0, -4.0]
    np.testing.assert_allclose(fit_additive(scores, METRIC, {"hint": unknown}).effects, known, atol=1e-6)


def test_several_fits_of_one_design_are_those_of_each():
    _, hint, subsets, values = drawn_world(6, 15, 3)
    scores = scores_of(subsets, values, 6)
    scores.values[:, 0] = np.random.default_rng(0).normal(size=len(values))
    design = AdditiveDesign.of(scores)
    fits = [design.fit(METRICS[0], {}), design.fit(METRIC, {"hint": hint})]
    asked = [(2,), (0, 5), (4, 1, 3), (0, 1, 2, 3, 4, 5), (5, 0)]
    expected = [fit_additive(scores, METRICS[0], {}), fit_additive(scores, METRIC, {"hint": hint})]
    found = predict(fits, asked)
    for index, each in enumerate(expected):
        np.testing.assert_allclose(found[:, index], each.predict(asked), rtol=1e-12)
        assert each.flops == design.flops + fits[index].flops
