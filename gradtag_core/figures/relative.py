"""Affinities relative to their task: how hard a task is dominates the raw values and hides who helps whom."""

import numpy as np


def relative_to_task_mean(values: np.ndarray) -> np.ndarray:
    """Each row minus its mean over the known co-tasks; the diagonal, no affinity of a pair, is NaN."""
    return without_diagonal(values) - task_means(values)[:, None]


def task_means(values: np.ndarray) -> np.ndarray:
    """(n,) mean of each row over its known co-tasks; NaN where none is known."""
    others = without_diagonal(values)
    known = np.isfinite(others)
    sums = np.where(known, others, 0.0).sum(axis=1)
    return np.divide(sums, known.sum(axis=1), out=np.full(len(values), np.nan), where=known.any(axis=1))


def without_diagonal(values: np.ndarray) -> np.ndarray:
    return np.where(np.eye(len(values), dtype=bool), np.nan, values)
