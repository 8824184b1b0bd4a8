"""Regressions over subsets whose tasks are of several kinds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.linear_model import Ridge

from gradtag_core.affinity import regression as module
from gradtag_core.affinity.regression import fit_subsets
from gradtag_core.cost import Cost
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.tasks.suite import Rows

SIZES = (30, 12, 45, 20)
SUBSETS = [(0,), (1,), (2,), (0, 1), (1, 2, 3), (3, 0), (0, 1, 2, 3)]
KINDS = ("binary", "multiclass", "regression", "multiclass")
OUTPUTS = (1, 3, 1, 2)


def make_features(kinds=KINDS, outputs=OUTPUTS, sizes=SIZES, dim=7, seed=0):
    generator = np.random.default_rng(seed)
    labels = [
        generator.normal(size=size) if kind == "regression" else generator.integers(0, max(2, count), size)
        for kind, count, size in zip(kinds, outputs, sizes, strict=True)
    ]
    rows = Rows(
        np.arange(sum(sizes)),
        np.repeat(np.arange(len(sizes)), sizes),
        np.concatenate(labels).astype(np.float32),
    )
    n_entries = int(np.dot(sizes, outputs))
    projected = torch.from_numpy(generator.normal(size=(n_entries, dim)))
    logits = torch.from_numpy(generator.normal(size=n_entries))
    return GradientFeatures(rows, logits, projected, 1.0, Cost(), (), kinds, outputs)


def task_loss(features, task, w):
    """The sum of the losses of one task's rows, written out."""
    entries, labels = features.of_task(task), features.rows.label[features.rows.of_task(task)]
    outputs = features.logits.numpy()[entries] + features.projected.numpy()[entries] @ w
    kind = features.kinds[task]
    if kind == "binary":
        return np.logaddexp(0, -(2 * labels - 1) * outputs).sum()
    if kind == "regression":
        return ((outputs - labels) ** 2).sum()
    outputs = outputs.reshape(len(labels), -1)
    return (logsumexp(outputs, axis=1) - outputs[np.arange(len(labels)), labels.astype(int)]).sum()


@pytest.mark.parametrize("weighting", ["rows", "tasks"])
@pytest.mark.parametrize("penalty", [1e-3, 1.0])
def test_mixed_subsets_equal_an_independent_solver(weighting, penalty):
    features = make_features()
    fits = fit_subsets(features, SUBSETS, penalty, weighting, tolerance=1e-9)
    assert fits.converged.all()
    for column, subset in enumerate(SUBSETS):
        n_rows = {task: SIZES[task] for task in subset}

        def objective(w, subset=subset, n_rows=n_rows):
            total = sum(n_rows.values())
            weights = [1 / total if weighting == "rows" else 1 / (len(subset) * n_rows[t]) for t in subset]
            losses = [task_loss(features, task, w) for task in subset]
            return np.dot(weights, losses) + penalty / 2 * w @ w

        expected = minimize(objective, np.zeros(7), method="BFGS", options={"gtol": 1e-7}).x
        np.testing.assert_allclose(fits.weights[:, column].numpy(), expected, atol=2e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_subsets_together_are_subsets_one_by_one(dtype):
    features = make_features()
    features = replace(features, projected=features.projected.to(dtype))
    tolerance, allowed = (1e-4, 1e-3) if dtype == torch.float32 else (1e-10, 1e-8)
    together = fit_subsets(features, SUBSETS, 1e-2, "rows", tolerance)
    for column, subset in enumerate(SUBSETS):
        alone = fit_subsets(features, [subset], 1e-2, "rows", tolerance)
        torch.testing.assert_close(
            together.weights[:, column], alone.weights[:, 0], atol=allowed, rtol=allowed
        )


def test_permuting_the_tasks_permutes_the_subsets():
    features, order = make_features(), (2, 0, 3, 1)
    entries = np.concatenate([np.arange(10**6)[features.of_task(task)] for task in order])
    parts = [features.rows.of_task(task) for task in order]
    rows = Rows(
        np.concatenate([features.rows.example[part] for part in parts]),
        np.repeat(np.arange(4), [SIZES[task] for task in order]),
        np.concatenate([features.rows.label[part] for part in parts]),
    )
    turned = GradientFeatures(
        rows, features.logits[entries], features.projected[entries], 1.0, Cost(), (),
        tuple(KINDS[task] for task in order), tuple(OUTPUTS[task] for task in order),
    )  # fmt: skip
    subsets = [tuple(order.index(task) for task in subset) for subset in SUBSETS]
    expected = fit_subsets(features, SUBSETS, 1e-2, "tasks", 1e-10).weights
    found = fit_subsets(turned, subsets, 1e-2, "tasks", 1e-10).weights
    torch.testing.assert_close(found, expected, atol=1e-8, rtol=1e-6)


def classes(n_classes):
    return make_features(("multiclass",) * 3, (n_classes,) * 3, SIZES[:3])


def test_two_classes_are_a_logistic_regression_on_the_difference():
    features, subsets = classes(2), [(0,), (0, 1), (0, 1, 2)]
    difference = replace(
        features,
        projected=features.projected[1::2] - features.projected[::2],
        logits=features.logits[1::2] - features.logits[::2],
        kinds=("binary",) * 3,
        outputs=(1,) * 3,
    )
    expected = fit_subsets(difference, subsets, 1e-2, "tasks", 1e-10).weights
    found = fit_subsets(features, subsets, 1e-2, "tasks", 1e-10).weights
    torch.testing.assert_close(found, expected, atol=1e-8, rtol=1e-6)


def test_a_shift_of_all_classes_changes_nothing():
    features, subsets = classes(3), [(0,), (0, 1, 2)]
    common = features.projected[::3].repeat_interleave(3, 0)
    shifted = replace(features, projected=features.projected + 2 * common, logits=features.logits + 7)
    expected = fit_subsets(features, subsets, 1e-2, "rows", 1e-10).weights
    torch.testing.assert_close(fit_subsets(shifted, subsets, 1e-2, "rows", 1e-10).weights, expected)


@pytest.mark.parametrize("weighting", ["rows", "tasks"])
@pytest.mark.parametrize("dim", [6, 50])
def test_numeric_targets_alone_are_solved_in_one_step_as_by_scikit_learn(weighting, dim, monkeypatch):
    features, penalty = make_features(("regression",) * 4, (1,) * 4, dim=dim), 0.1
    subsets = [(0,), (0, 1), (0, 1, 2), (2,)]
    minimise = module.minimise
    steps = {"max_steps": 1}

    def only_one(objectives, start, precondition, target):
        n_subsets = len(objectives.members)
        return minimise(objectives, start, precondition, target, **(steps if n_subsets > 1 else {}))

    monkeypatch.setattr(module, "minimise", only_one)
    fits = fit_subsets(features, subsets, penalty, weighting, 1e-9)
    assert fits.converged.all() and fits.flops > 0
    for column, subset in enumerate(subsets):
        keep = np.isin(features.rows.task, subset)
        task = features.rows.task[keep]
        weight = np.array(
            [1 / keep.sum() if weighting == "rows" else 1 / (len(subset) * SIZES[t]) for t in task]
        )
        ridge = Ridge(alpha=penalty / 2, fit_intercept=False, tol=1e-12)
        ridge.fit(
            features.projected.numpy()[keep], features.rows.label[keep] - features.logits.numpy()[keep],
            sample_weight=weight,
        )  # fmt: skip
        np.testing.assert_allclose(fits.weights[:, column].numpy(), ridge.coef_, rtol=1e-6, atol=1e-8)
