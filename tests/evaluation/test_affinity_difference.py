from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.errors import InvalidInput
from gradtag_core.evaluation.affinity_difference import CHANCE, affinity_difference


def matrix(n_tasks=8, seed=0, errors=0.1, names=None, missing=0.0):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(n_tasks, n_tasks))
    values[generator.random(values.shape) < missing] = np.nan
    names = names or tuple(f"task {index}" for index in range(n_tasks))
    return AffinityMatrix(names, values, np.full(values.shape, 9), np.full(values.shape, errors), "auc")


def permuted(affinity, order):
    cells = np.ix_(order, order)
    names = tuple(affinity.task_names[index] for index in order)
    return replace(
        affinity, task_names=names, values=affinity.values[cells], counts=affinity.counts[cells],
        standard_errors=affinity.standard_errors[cells],
    )  # fmt: skip


def test_a_run_does_not_differ_from_itself():
    found = affinity_difference(matrix(missing=0.2), matrix(missing=0.2))
    known = np.isfinite(found.values)
    assert known.any() and not found.values[known].any()
    assert (found.row_spearman, found.n_clear, found.share_clear) == (pytest.approx(1), 0, 0)
    assert found.n_judged == known.sum()
    assert found.more_than_chance is False
    assert not found.in_standard_errors[known].any()


@given(st.permutations(range(8)), st.integers(0, 99))
def test_the_order_of_the_tasks_of_either_run_changes_nothing(order, seed):
    first, second = matrix(seed=seed, missing=0.1), matrix(seed=seed + 1000)
    plain = affinity_difference(first, second)
    other = affinity_difference(first, permuted(second, order))
    np.testing.assert_array_equal(other.values, plain.values)
    np.testing.assert_array_equal(other.standard_errors, plain.standard_errors)
    reference = affinity_difference(permuted(first, order), second)
    np.testing.assert_allclose(reference.values, plain.values[np.ix_(order, order)], atol=1e-12)
    assert reference.row_spearman == pytest.approx(plain.row_spearman)
    assert reference.share_clear == pytest.approx(plain.share_clear)


@given(st.integers(0, 99))
def test_turning_the_comparison_round_turns_the_sign(seed):
    first = matrix(seed=seed, missing=0.1)
    second = permuted(matrix(seed=seed + 1000, missing=0.1), np.random.default_rng(seed).permutation(8))
    there, back = affinity_difference(first, second), affinity_difference(second, first)
    order = [back.task_names.index(name) for name in there.task_names]
    cells = np.ix_(order, order)
    np.testing.assert_allclose(there.values, -back.values[cells])
    np.testing.assert_allclose(there.standard_errors, back.standard_errors[cells])
    assert there.n_clear == back.n_clear
    assert there.row_spearman == pytest.approx(back.row_spearman)


def test_how_hard_a_task_is_for_one_run_is_no_difference():
    first = matrix()
    second = replace(first, values=first.values + np.arange(8.0)[:, None])
    np.testing.assert_allclose(np.nan_to_num(affinity_difference(first, second).values), 0, atol=1e-12)


def test_only_tasks_of_both_are_compared_and_the_others_named():
    first = matrix(5, names=("a", "b", "c", "d", "e"))
    second = matrix(4, seed=1, names=("e", "x", "c", "a"))
    found = affinity_difference(first, second)
    assert found.task_names == ("a", "c", "e")
    assert (found.only_in_reference, found.only_in_other) == (("b", "d"), ("x",))
    ours = first.values[[0, 0], [2, 4]]  # of `a`, for `c` and `e`
    theirs = second.values[[3, 3], [2, 0]]
    expected = (theirs - theirs.mean()) - (ours - ours.mean())
    np.testing.assert_allclose(found.values[0, [1, 2]], expected)
    assert found.row_spearman is None  # two co-tasks rank nothing


def test_runs_without_a_common_task_have_no_difference():
    found = affinity_difference(matrix(3, names=("a", "b", "c")), matrix(3, names=("x", "y", "z")))
    assert found.values.shape == (0, 0)
    assert (found.row_spearman, found.share_clear, found.more_than_chance) == (None, None, None)
    found.to_json()


def test_the_standard_error_is_that_of_a_deviation_from_the_mean():
    generator = np.random.default_rng(0)
    errors = [generator.uniform(0.05, 0.3, size=(5, 5)) for _ in range(2)]
    runs = [
        replace(matrix(5, seed=seed), standard_errors=own) for seed, own in zip((1, 2), errors, strict=True)
    ]
    found = affinity_difference(*runs).standard_errors
    noise = [own * generator.normal(size=(20_000, 5, 5)) for own in errors]
    others = ~np.eye(5, dtype=bool)
    shaken = np.where(others, noise[1] - noise[0], np.nan)
    spread = (shaken - np.nanmean(shaken, axis=2, keepdims=True)).std(axis=0)
    np.testing.assert_allclose(spread[others], found[others], rtol=0.03)


def test_noise_alone_is_no_more_than_chance_and_a_shift_is():
    generator = np.random.default_rng(3)
    truth = matrix(40)
    noisy = [replace(truth, values=truth.values + 0.1 * generator.normal(size=(40, 40))) for _ in range(2)]
    found = affinity_difference(*noisy)
    assert found.share_clear == pytest.approx(CHANCE, abs=0.015)
    assert found.more_than_chance is False
    moved = replace(noisy[1], values=noisy[1].values + 0.3 * generator.normal(size=(40, 40)))
    found = affinity_difference(noisy[0], moved)
    assert found.share_clear is not None and found.share_clear > 0.2
    assert found.more_than_chance is True


def test_cells_without_a_standard_error_are_not_judged():
    first = matrix(4)
    holes = first.standard_errors.copy()
    holes[0] = np.nan
    holes[1, 2] = np.nan
    found = affinity_difference(replace(first, standard_errors=holes), matrix(4, seed=1))
    assert np.isfinite(found.values).sum() == 12
    assert found.n_judged == 12 - 3 - 1
    assert np.isnan(found.in_standard_errors[0]).all()


def test_two_metrics_are_refused():
    with pytest.raises(InvalidInput, match="in the metric of `reference`, auc; found f1"):
        affinity_difference(matrix(), replace(matrix(), metric="f1"))
