"""The affinity that costs nothing: how alike the tasks' training labels are."""

import numpy as np

from gradtag_core.tasks.suite import TaskSuite

SHARED_INPUTS = (
    0.3  # the share of common training examples below which labels cannot be compared (arXiv 2604.07848)
)


def label_similarity(suite: TaskSuite) -> np.ndarray:
    """(n, n): the Jaccard index of the tasks' positive training examples where tasks share their inputs, else the
    correlation of the tasks' mean features (positives minus negatives).

    Tasks share their inputs when the median pair has at least 30 % of the smaller training set in common.
    """
    n_examples, n_tasks = suite.labels.shape
    trains = np.zeros((n_examples, n_tasks), dtype=np.float32)
    for task in range(n_tasks):
        trains[suite.indices("train", task), task] = 1.0
    shared = trains.T @ trains
    sizes = shared.diagonal()
    overlap = shared / np.minimum(sizes[:, None], sizes[None, :])
    if n_tasks < 2 or np.median(overlap[~np.eye(n_tasks, dtype=bool)]) >= SHARED_INPUTS:
        return _jaccard(trains * (suite.labels == 1))
    return _mean_feature_correlation(suite, trains)


def _jaccard(positive: np.ndarray) -> np.ndarray:
    both = positive.T @ positive
    counts = both.diagonal()
    return (both / (counts[:, None] + counts[None, :] - both)).astype(np.float64)


def _mean_feature_correlation(suite: TaskSuite, trains: np.ndarray) -> np.ndarray:
    features = suite.inputs.reshape(len(suite.inputs), -1)
    contrast = np.zeros((suite.n_tasks, features.shape[1]))
    for label, sign in ((1, 1.0), (0, -1.0)):
        member = trains * (suite.labels == label)
        contrast += sign * (member.T @ features) / member.sum(0)[:, None]
    contrast -= contrast.mean(axis=1, keepdims=True)
    contrast /= np.linalg.norm(contrast, axis=1, keepdims=True) + np.finfo(float).tiny
    return contrast @ contrast.T
