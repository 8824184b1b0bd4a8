from dataclasses import replace

import numpy as np
import pytest
import torch

from gradtag_core.affinity import regression
from gradtag_core.affinity.estimate import (
    EstimationSettings,
    FeaturePair,
    estimate_ensemble_scores,
    estimate_kernel_scores,
    estimate_scores,
    fit_or_raise,
)
from gradtag_core.affinity.subsets import random_subsets
from gradtag_core.config import METRICS
from gradtag_core.cost import Cost
from gradtag_core.errors import GradTagError, InvalidInput
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.tasks.suite import Rows
from gradtag_core.training.metrics import score_logits, score_outputs
from tests.mixed_suites import mixed_suite

CPU = torch.device("cpu")


def linear_features(suite, split):
    """The features of a model that is linear in its parameters, one weight vector shared by all tasks, at zero:
    its gradient is the input itself, and the linearisation is exact."""
    rows = suite.rows(split)
    projected = torch.from_numpy(suite.inputs[rows.example]).double()
    energy = float(projected.square().sum(1).mean())
    return GradientFeatures(rows, torch.zeros(len(rows)), projected, energy, Cost())


def test_a_linear_model_is_estimated_exactly(small_suite):
    """For a model linear in its parameters, the estimate is what training it to convergence gives."""
    from sklearn.linear_model import LogisticRegression

    train, validation = (linear_features(small_suite, split) for split in ("train", "validation"))
    l2 = 1e-3
    subsets = random_subsets(small_suite.n_tasks, 2, 4, 0)
    scores = estimate_scores(
        train, validation, subsets, small_suite.task_names, EstimationSettings(l2, "rows", 1e-9), 0, CPU
    )
    penalty = l2 * train.gradient_energy
    entry = 0
    for subset in subsets:
        keep = np.isin(train.rows.task, subset)
        fitted = LogisticRegression(
            C=1 / (penalty * keep.sum()), fit_intercept=False, tol=1e-10, max_iter=1000
        )
        fitted.fit(train.projected.numpy()[keep], train.rows.label[keep])
        for task in subset:
            rows = validation.rows.of_task(task)
            logits = torch.from_numpy(validation.projected[rows].numpy() @ fitted.coef_[0])[:, None]
            expected = score_logits(logits, torch.from_numpy(validation.rows.label[rows]).double())[0]
            np.testing.assert_allclose(scores.values[entry], expected.numpy(), atol=1e-5)
            entry += 1
    assert entry == len(scores.values)


def test_permuting_the_subsets_permutes_the_scores(small_suite):
    train, validation = (linear_features(small_suite, split) for split in ("train", "validation"))
    settings = EstimationSettings(1e-3, "rows", 1e-9)
    subsets = random_subsets(small_suite.n_tasks, 2, 5, 0)
    first = estimate_scores(train, validation, subsets, small_suite.task_names, settings, 0, CPU)
    second = estimate_scores(train, validation, subsets[::-1], small_suite.task_names, settings, 0, CPU)
    blocks = first.values.reshape(5, 2, -1)
    np.testing.assert_allclose(second.values.reshape(5, 2, -1), blocks[::-1], atol=1e-9)


def test_what_single_precision_cannot_reach_double_precision_does(small_suite):
    train, validation = (linear_features(small_suite, split) for split in ("train", "validation"))
    single, single_validation = (
        replace(part, projected=part.projected.float()) for part in (train, validation)
    )
    settings = EstimationSettings(1e-4, "rows", tolerance=1e-9)
    subsets = random_subsets(small_suite.n_tasks, 2, 3, 0)
    found = estimate_scores(single, single_validation, subsets, small_suite.task_names, settings, 0, CPU)
    exact = estimate_scores(train, validation, subsets, small_suite.task_names, settings, 0, CPU)
    np.testing.assert_allclose(found.values, exact.values, atol=1e-5)


def test_a_regression_that_does_not_converge_is_an_error_that_says_what_to_do(small_suite, monkeypatch):
    monkeypatch.setattr(regression, "MAX_HESSIANS", 2)
    train, validation = (linear_features(small_suite, split) for split in ("train", "validation"))
    settings = EstimationSettings(1e-6, "rows", tolerance=1e-30)
    with pytest.raises(GradTagError, match=r"2 of 2 regressions stopped.*raise `l2`"):
        estimate_scores(train, validation, [(0, 1), (2, 3)], small_suite.task_names, settings, 0, CPU)


def sketched(pair, seed):
    """The same rows through a random projection to three dimensions."""
    projection = torch.randn(pair.train.projected.shape[1], 3, generator=torch.Generator().manual_seed(seed))
    return FeaturePair(*(
        replace(part, projected=part.projected @ projection.double()) for part in (pair.train, pair.validation)
    ))  # fmt: skip


def test_an_ensemble_scores_the_mean_of_the_logits(small_suite):
    pair = FeaturePair(*(linear_features(small_suite, split) for split in ("train", "validation")))
    pairs = [sketched(pair, seed) for seed in range(3)]
    settings, subsets = EstimationSettings(1e-2, "rows", 1e-9), [(0, 1, 2), (1, 3)]
    found = estimate_ensemble_scores(pairs, subsets, small_suite.task_names, settings, 0, CPU)
    entry = 0
    for column, subset in enumerate(subsets):
        moved = [
            each.validation.projected @ fit_or_raise(each.train, subsets, settings, CPU).weights[:, column]
            for each in pairs
        ]
        for task in subset:
            rows = pair.validation.rows.of_task(task)
            mean = torch.stack(moved)[:, rows].mean(0)[:, None] + pair.validation.logits[rows, None]
            expected = score_logits(
                mean.double(), torch.from_numpy(pair.validation.rows.label[rows]).double()
            )[0]
            np.testing.assert_allclose(found.values[entry], expected.numpy(), atol=1e-9)
            entry += 1


def test_an_ensemble_of_equals_is_one_of_them(small_suite):
    pair = FeaturePair(*(linear_features(small_suite, split) for split in ("train", "validation")))
    settings, subsets = EstimationSettings(1e-2, "rows", 1e-9), [(0, 1, 2), (1, 3)]
    one, three = (
        estimate_ensemble_scores([pair] * count, subsets, small_suite.task_names, settings, 0, CPU)
        for count in (1, 3)
    )
    np.testing.assert_allclose(three.values, one.values, atol=1e-12)
    assert three.cost.flops > one.cost.flops


def test_an_ensemble_needs_the_same_rows(small_suite):
    pair = FeaturePair(*(linear_features(small_suite, split) for split in ("train", "validation")))
    other = FeaturePair(pair.validation, pair.validation)
    with pytest.raises(InvalidInput, match="same rows"):
        estimate_ensemble_scores(
            [pair, other], [(0, 1)], small_suite.task_names, EstimationSettings(1e-2, "rows"), 0, CPU
        )


def test_a_kernel_scores_as_its_features_do(small_suite):
    train, validation = (linear_features(small_suite, split) for split in ("train", "validation"))
    subsets, settings = [(0, 1, 2), (3,), (1, 3)], EstimationSettings(1e-2, "tasks", 1e-10)
    kernel = train.projected @ train.projected.T
    across = validation.projected @ train.projected.T
    expected = estimate_scores(train, validation, subsets, small_suite.task_names, settings, 0, CPU)
    found = estimate_kernel_scores(
        kernel, across, train, validation, subsets, small_suite.task_names, settings, 0, CPU
    )
    np.testing.assert_allclose(found.values, expected.values, atol=1e-7)


def test_permuting_tasks_and_rows_permutes_the_scores(small_suite):
    """Tasks in reverse, and the rows of each task in another order."""
    settings, generator = EstimationSettings(1e-2, "tasks", 1e-10), np.random.default_rng(0)
    train, validation = (linear_features(small_suite, split) for split in ("train", "validation"))

    def reversed_tasks(features):
        shuffled = generator.permutation(len(features.rows))
        order = shuffled[np.argsort(-features.rows.task[shuffled], kind="stable")]
        rows = features.rows
        mirrored = Rows(rows.example[order], 3 - rows.task[order], rows.label[order])
        return replace(
            features, rows=mirrored, logits=features.logits[order], projected=features.projected[order]
        )

    names = small_suite.task_names
    plain = estimate_scores(train, validation, [(0, 1, 3)], names, settings, 0, CPU)
    mirrored = estimate_scores(
        reversed_tasks(train), reversed_tasks(validation), [(0, 2, 3)], names[::-1], settings, 0, CPU
    )
    np.testing.assert_allclose(mirrored.values, plain.values[[2, 1, 0]], atol=1e-8)


def mixed_features(suite, split, dim=9):
    """A model that is linear in its parameters: each output of each task has random features of its own."""
    rows = suite.rows(split)
    counts = np.array(suite.outputs)
    starts = counts.cumsum() - counts
    maps = np.random.default_rng(0).normal(size=(counts.sum(), suite.inputs.shape[1], dim))
    projected = np.concatenate([
        suite.inputs[example] @ maps[starts[task] + place]
        for example, task in zip(rows.example, rows.task, strict=True)
        for place in range(counts[task])
    ]).reshape(-1, dim)  # fmt: skip
    logits = np.random.default_rng(1).normal(size=len(projected))
    energy = float(np.square(projected).sum(1).mean())
    return GradientFeatures(
        rows,
        torch.from_numpy(logits),
        torch.from_numpy(projected),
        energy,
        Cost(),
        (),
        suite.kinds,
        suite.outputs,
    )


def test_tasks_of_every_kind_are_scored_by_their_kind():
    suite, settings = mixed_suite(), EstimationSettings(1e-2, "tasks", 1e-9)
    train, validation = (mixed_features(suite, split) for split in ("train", "validation"))
    subsets = [(0, 1, 2), (3, 1), (2,)]
    found = estimate_scores(train, validation, subsets, suite.task_names, settings, 0, CPU)
    weights = fit_or_raise(train, subsets, settings, CPU).weights
    moved = validation.logits[:, None] + validation.projected @ weights
    expected = []
    for column, subset in enumerate(subsets):
        for task in subset:
            outputs = moved[validation.of_task(task), column].reshape(-1, suite.outputs[task], 1)
            labels = torch.from_numpy(validation.rows.label[validation.rows.of_task(task)]).double()
            expected.append(score_outputs(outputs, labels, suite.kinds[task])[0].numpy())
    np.testing.assert_allclose(found.values, expected, atol=1e-9)
    assert found.metrics == ("loss", "auc")
    assert found.of_subsets([(3, 1)]).metrics == METRICS


def test_inner_products_are_for_binary_tasks():
    suite = mixed_suite()
    train, validation = (mixed_features(suite, split) for split in ("train", "validation"))
    with pytest.raises(
        InvalidInput,
        match="`projection` = identity needs binary tasks; `class`, `number` are",
    ):
        estimate_kernel_scores(
            train.projected @ train.projected.T, validation.projected @ train.projected.T, train, validation,
            [(0, 1)], suite.task_names, EstimationSettings(1e-2, "rows"), 0, CPU,
        )  # fmt: skip
