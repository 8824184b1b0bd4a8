"""Exactly feasible points of the relaxation, equation (10) of Grad-TAG, from nearly feasible ones."""

from collections.abc import Iterator

import numpy as np

from gradtag_core.grouping.density import Array

SCALINGS = 200
ROW_SUM_ACCURACY = 1e-13


def mean_grouping(n_tasks: int, n_groups: int) -> Array:
    """The mean of X over all groupings: the only X for 1 or n groups, as good as any for equal affinities."""
    mean = np.full((n_tasks, n_tasks), 1 / n_tasks)
    return mean if n_tasks == 1 else mean + (n_groups - 1) / (n_tasks - 1) * (np.eye(n_tasks) - mean)


def nearest_feasible(X: Array, n_groups: int | None) -> Iterator[Array]:
    """Feasible points near an X that satisfies all of equation (10) but, slightly, X >= 0.

    The first moves X towards the mean grouping, whose entries are positive, until no entry is negative. The
    second clips X, scales it to unit row sums, sets its trace and moves it towards the mean grouping until it
    is psd. Which of them loses less depends on k. `n_groups` None: any trace will do.
    """
    n_tasks = len(X)
    X = _with_unit_rows(X)
    interior = mean_grouping(n_tasks, n_groups) if n_groups else _interior(X)
    lacking = max(0.0, -float(X.min()))
    inside = float(interior[0, -1])
    if lacking == 0 or inside > 0:
        share = lacking / (lacking + inside) if lacking else 0.0
        yield np.maximum((1 - share) * _with_trace(X, n_groups) + share * interior, 0)
    scaled = _with_trace(_doubly_stochastic(np.maximum(X, 0)), n_groups)
    lacking = max(0.0, -float(np.linalg.eigvalsh(scaled)[0]))
    inside = float(interior[0, 0] - interior[0, -1])  # the smallest eigenvalue of the mean grouping
    if lacking == 0 or inside > 0:
        share = lacking / (lacking + inside) if lacking else 0.0
        yield (1 - share) * scaled + share * interior


def _interior(X: Array) -> Array:
    """The mean grouping of the trace of X, kept off both ends so that it is positive and positive definite."""
    n_tasks = len(X)
    trace = float(np.clip(np.trace(X), 1 + 1e-3 * (n_tasks - 1), n_tasks - 1e-3 * (n_tasks - 1)))
    mean = np.full_like(X, 1 / n_tasks)
    return mean + (trace - 1) / (n_tasks - 1) * (np.eye(n_tasks) - mean)


def _with_unit_rows(X: Array) -> Array:
    """Double centring plus J/n: what single precision lost in the row sums is put back."""
    X = (X + X.T) / 2
    means = X.mean(axis=1)
    return X - (means[:, None] + means[None, :]) + means.mean() + 1 / len(X)


def _doubly_stochastic(Y: Array) -> Array:
    """D Y D with unit row sums, D diagonal (symmetric Sinkhorn scaling); Y >= 0 has a positive diagonal."""
    scale = np.ones(len(Y))
    for _ in range(SCALINGS):
        sums = scale * (Y @ scale)
        if np.abs(sums - 1).max() <= ROW_SUM_ACCURACY:
            break
        scale /= np.sqrt(sums)
    return Y * np.outer(scale, scale)  # in this order, what is symmetric stays so to the last digit


def _with_trace(X: Array, n_groups: int | None) -> Array:
    """X with trace k, moved towards I or J/n, both of which keep every other property."""
    n_tasks, trace = len(X), float(np.trace(X))
    if n_groups is None or trace == n_groups:
        return X
    if trace < n_groups:
        share = (n_groups - trace) / (n_tasks - trace)
        return (1 - share) * X + share * np.eye(n_tasks)
    share = (trace - n_groups) / (trace - 1)
    return (1 - share) * X + share / n_tasks
