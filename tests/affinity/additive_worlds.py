"""Worlds of additive transfer, and the posterior of the additive model with all its cells at once, by dense algebra."""

import numpy as np

from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import random_subsets
from gradtag_core.config import METRICS
from gradtag_core.cost import Cost

METRIC = METRICS[1]


def scores_of(subsets, values, n_tasks, seed=0):
    """Scores (E,) of one seed; the other metrics are of no use."""
    table = np.full((len(values), len(METRICS)), -1.0)
    table[:, METRICS.index(METRIC)] = values
    names = tuple(f"t{task}" for task in range(n_tasks))
    return SubsetScores.of_seed(names, subsets, table, seed, "trained", Cost())


def additive_values(subsets, levels, effects, noise=0.0, seed=0):
    """f(S, i) = level + sum of effects + noise, entry after entry."""
    generator = np.random.default_rng([seed, 1])  # not the numbers that the effects were drawn from
    return np.array(
        [
            levels[i] + sum(effects[i, j] for j in subset if j != i) + noise * generator.normal()
            for subset in subsets
            for i in subset
        ]
    )


def off_diagonal(matrix):
    return matrix[~np.eye(len(matrix), dtype=bool)]


def drawn_world(n_tasks, n_subsets, subset_size, noise=0.3, seed=0):
    """Effects with a part of the column, a part of a hint and one of the cell, and scores that follow from them."""
    generator = np.random.default_rng(seed)
    hint = generator.normal(size=(n_tasks, n_tasks))
    np.fill_diagonal(hint, 0.0)
    hint -= hint.sum(1, keepdims=True) / (n_tasks - 1) * ~np.eye(n_tasks, dtype=bool)
    effects = 0.3 * generator.normal(size=n_tasks) + 0.4 * hint + 0.2 * generator.normal(size=hint.shape)
    np.fill_diagonal(effects, 0.0)
    subsets = random_subsets(n_tasks, subset_size, n_subsets, seed)
    values = additive_values(subsets, generator.normal(size=n_tasks), effects, noise, seed)
    return effects, hint, subsets, values


def world_of_many_sizes(n_tasks, counts, noise, seed):
    """As `drawn_world`, with weak effects, so that all tasks spread alike, and with subsets of several sizes: among
    subsets of one size, each task meets equally many others, and the mean of its effects stays unknown."""
    generator = np.random.default_rng([seed, 2])
    hint = drawn_world(n_tasks, 1, 2, seed=seed)[1]
    hint /= np.sqrt((hint**2).sum(1, keepdims=True) / (n_tasks - 1))
    own = generator.normal(size=hint.shape)
    effects = 0.12 * (generator.normal(size=n_tasks) + hint + own)
    np.fill_diagonal(effects, 0.0)
    subsets = [
        subset for size, count in counts.items() for subset in random_subsets(n_tasks, size, count, seed)
    ]
    values = additive_values(subsets, generator.normal(size=n_tasks), effects, noise, seed)
    return effects, hint, subsets, values


def dense_problem(scores, hints):
    """(y, X, loads, scale): the standardised scores, the design of all n² cells, and the cells' loads on the shared
    unknowns, written out one by one."""
    n_tasks = len(scores.task_names)
    value = scores.of(METRIC)
    y, design = np.zeros(len(value)), np.zeros((len(value), n_tasks, n_tasks))
    scale = np.zeros(n_tasks)
    for i in range(n_tasks):
        entries = np.flatnonzero(scores.task == i)
        scale[i] = value[entries].std() if len(entries) > 1 else 0.0
        y[entries] = value[entries] - value[entries].mean() if len(entries) else 0.0
        for j in set(range(n_tasks)) - {i}:
            present = np.array([float(j in scores.subsets[scores.subset[entry]]) for entry in entries])
            design[entries, i, j] = present - present.mean() if len(entries) else 0.0
    scale[scale < 1e-9] = np.median(scale[scale >= 1e-9]) if (scale >= 1e-9).any() else 1.0
    loads = np.zeros((n_tasks, n_tasks, n_tasks + len(hints)))
    for i in range(n_tasks):
        others = [j for j in range(n_tasks) if j != i]
        loads[i, range(n_tasks), range(n_tasks)] = 1.0
        for index, hint in enumerate(hints.values()):
            spread = hint[i, others].std()
            centred = hint[i, others] - hint[i, others].mean()
            loads[i, others, n_tasks + index] = centred / spread if spread > 1e-12 else 0.0
    return y / scale[scores.task], design.reshape(len(y), -1), loads.reshape(n_tasks**2, -1), scale


def dense_covariances(problem, variances):
    """Of the cells, and of the standardised scores."""
    y, design, loads, scale = problem
    noise, own, helpfulness, *of_hints = variances
    shared = np.concatenate([np.full(len(scale), helpfulness), of_hints])
    cells = own * np.eye(len(loads)) + (loads * shared) @ loads.T
    return cells, noise * np.eye(len(y)) + design @ cells @ design.T


def dense_posterior(scores, hints, variances):
    y, design, _, scale = problem = dense_problem(scores, hints)
    cells, of_scores = dense_covariances(problem, variances)
    gain = np.linalg.solve(of_scores, design @ cells).T
    covariance = cells - gain @ design @ cells
    less_mean = np.kron(np.eye(len(scale)), np.eye(len(scale)))
    for i in range(len(scale)):
        others = [i * len(scale) + j for j in range(len(scale)) if j != i]
        less_mean[np.ix_(others, others)] -= 1 / len(others)
    deviation = np.sqrt(np.maximum(np.diag(less_mean @ covariance @ less_mean.T), 0.0))
    mean, deviation = (part.reshape(len(scale), -1) * scale[:, None] for part in (gain @ y, deviation))
    np.fill_diagonal(mean, 0.0)
    np.fill_diagonal(deviation, 0.0)
    return mean, deviation


def squared_ratios(estimate, effects, deviation):
    """The mean of (error / standard error)² over cells, errors relative to the mean of their row."""
    errors = off_diagonal(estimate - effects).reshape(len(effects), -1)
    errors = (errors - errors.mean(axis=1, keepdims=True)).ravel()
    return np.mean((errors / off_diagonal(deviation)) ** 2)
