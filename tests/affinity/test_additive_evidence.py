"""The evidence of the additive model against the density and the posterior of all its cells at once."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from gradtag_core.affinity import additive_evidence
from gradtag_core.affinity.additive_evidence import LOG_BOUNDS, LOG_SPREAD, START_VARIANCES, Evidence
from tests.affinity.additive_worlds import (
    dense_covariances,
    dense_posterior,
    dense_problem,
    drawn_world,
    scores_of,
    squared_ratios,
    world_of_many_sizes,
)


def evidence_of(scores, hints, standardised=True):
    """The evidence of the same data, each task's design factored on its own."""
    y, design, loads, scale = dense_problem(scores, hints)
    y, n_tasks = y if standardised else y * scale[scores.task], len(scale)
    energies, bases, pulls = [], [], []
    for i in range(n_tasks):
        own = scores.task == i
        _, singular, right = np.linalg.svd(
            design.reshape(len(y), n_tasks, n_tasks)[own, i], full_matrices=False
        )
        energies.append(singular**2)
        bases.append(right.T)
        pulls.append(right @ design.reshape(len(y), n_tasks, n_tasks)[own, i].T @ y[own])
    return Evidence(
        np.cumsum([0, *map(len, energies)]), np.concatenate(energies), np.concatenate(bases, axis=1),
        np.concatenate(pulls), float(len(y)), float(y @ y), loads.reshape(n_tasks, n_tasks, -1)[:, :, n_tasks:],
    )  # fmt: skip


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
    found = -evidence_of(scores, hints).negative_log(variances)[0]
    assert found - len(y) / 2 * np.log(2 * np.pi) == pytest.approx(expected, rel=1e-9, abs=1e-8)

    mean, deviation, flops = evidence_of(scores, hints).posterior(variances)
    dense_mean, dense_deviation = dense_posterior(scores, hints, variances)
    np.testing.assert_allclose(mean * problem[3][:, None], dense_mean, atol=1e-7)
    np.testing.assert_allclose(deviation * problem[3][:, None], dense_deviation, atol=1e-6)
    assert flops > 0


@given(
    n_hints=st.integers(0, 2), seed=st.integers(0, 99),
    log_variances=st.lists(st.floats(*LOG_BOUNDS), min_size=5, max_size=5),
)  # fmt: skip
@settings(max_examples=30)
def test_the_gradient_of_the_evidence_is_that_of_finite_differences(n_hints, seed, log_variances):
    _, hint, subsets, values = drawn_world(5, 8, 3, seed=seed)
    hints = dict([("one", hint), ("two", np.random.default_rng(seed).normal(size=(5, 5)))][:n_hints])
    evidence, point = (
        evidence_of(scores_of(subsets, values, 5), hints),
        np.array(log_variances[: 3 + n_hints]),
    )
    value, gradient = evidence.negative_log(np.exp(point))
    step = 1e-4
    for index, move in enumerate(step * np.eye(len(point))):
        near = [
            evidence.negative_log(np.exp(point + steps * move))[0] for steps in (-2, -1, 1, 2)
        ]  # of an error of the fourth order
        expected = (near[0] - 8 * near[1] + 8 * near[2] - near[3]) / (12 * step)
        assert gradient[index] == pytest.approx(expected, rel=1e-6, abs=1e-9 * (1 + abs(value)))


def test_directions_taken_in_blocks_say_the_same(monkeypatch):
    _, hint, subsets, values = drawn_world(6, 18, 3)
    evidence = evidence_of(scores_of(subsets, values, 6), {"hint": hint})
    value, gradient = evidence.negative_log(np.array([0.5, 0.1, 0.2, 0.3]))
    monkeypatch.setattr(additive_evidence, "DIRECTIONS_AT_ONCE", 7)
    again, gradient_again = evidence.negative_log(np.array([0.5, 0.1, 0.2, 0.3]))
    assert again == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(gradient_again, gradient, rtol=1e-10)


def test_no_variances_nearby_or_far_off_are_more_likely():
    _, hint, subsets, values = drawn_world(8, 40, 4)
    scores, hints = scores_of(subsets, values, 8), {"hint": hint}
    found, flops = evidence_of(scores, hints).maximise()
    problem, generator = dense_problem(scores, hints), np.random.default_rng(0)

    def log_density(variances):
        """Of the data, and of the variances under their prior."""
        distance = (np.log(variances) - np.log([*START_VARIANCES, START_VARIANCES[2]])) / LOG_SPREAD
        density = multivariate_normal.logpdf(
            problem[0], np.zeros(len(problem[0])), dense_covariances(problem, variances)[1]
        )
        return density - (distance @ distance) / 2

    best = log_density(found)
    for spread in (0.1, 1.0, 3.0):
        for _ in range(10):
            moved = np.exp(np.clip(np.log(found) + spread * generator.normal(size=4), *LOG_BOUNDS))
            assert log_density(moved) <= best + 1e-3
    assert flops > 0
    # At the largest point the pull of the data is that of the prior, which is of some strength here.
    from_start = (np.log(found) - np.log([*START_VARIANCES, START_VARIANCES[2]])) / LOG_SPREAD**2
    assert np.abs(from_start).max() > 0.2
    np.testing.assert_allclose(evidence_of(scores, hints).negative_log(found)[1], -from_start, atol=0.01)


def test_with_the_variances_known_standard_errors_are_exact():
    """0.12² for each part of an effect, as `world_of_many_sizes` draws them."""
    variances = np.array([0.5**2, 0.12**2, 0.12**2, 0.12**2])
    found = []
    for seed in range(40):
        effects, hint, subsets, values = world_of_many_sizes(8, {2: 10, 4: 20, 6: 10}, 0.5, seed)
        evidence = evidence_of(scores_of(subsets, values, 8), {"hint": hint}, standardised=False)
        mean, deviation, _ = evidence.posterior(variances)
        found.append(squared_ratios(mean, effects, deviation))
    assert np.mean(found) == pytest.approx(1, abs=0.1)
