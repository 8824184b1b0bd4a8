"""The affinity that costs nothing: how alike the tasks' training labels are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gradtag_core.tasks.overlap import UNRELIABLE_OVERLAP, other_tasks, shared_training, training_membership
from gradtag_core.tasks.suite import TaskSuite

if TYPE_CHECKING:
    from scipy.sparse import csr_array

HASHED_WORDS = 2**12


def label_similarity(suite: TaskSuite) -> np.ndarray:
    """(n, n): the Jaccard index of the tasks' positive training examples where tasks share their inputs, else the
    correlation of the tasks' mean features (positives minus negatives).

    Tasks share their inputs when the median pair has at least 30 % of the smaller training set in common. In a suite
    with tasks of other kinds, all pairs are compared by `_correlation`, without a sign: of their labels on the training
    examples that they share (classes one-hot), or of how the features' means differ with them.
    """
    trains = training_membership(suite)
    share = suite.n_tasks < 2 or np.median(other_tasks(shared_training(trains))) >= UNRELIABLE_OVERLAP
    if suite.all_binary:
        return _jaccard(training_membership(suite, 1)) if share else _mean_feature_correlation(suite)
    dense = trains.toarray() > 0
    return _label_correlation(suite, dense) if share else _contrast_correlation(suite, dense)


def _jaccard(positive: csr_array) -> np.ndarray:
    both = (positive.T @ positive).toarray()
    counts = both.diagonal()
    return (both / (counts[:, None] + counts[None, :] - both)).astype(np.float64)


def _mean_feature_correlation(suite: TaskSuite) -> np.ndarray:
    from scipy.sparse import issparse

    features = _features(suite)
    contrast = np.zeros((suite.n_tasks, features.shape[1]))
    for label, sign in ((1, 1.0), (0, -1.0)):
        member = training_membership(suite, label)
        sums = member.T @ features
        contrast += sign * (sums.toarray() if issparse(sums) else sums) / member.sum(0)[:, None]
    contrast -= contrast.mean(axis=1, keepdims=True)
    contrast /= np.linalg.norm(contrast, axis=1, keepdims=True) + np.finfo(float).tiny
    return contrast @ contrast.T


def _features(suite: TaskSuite) -> Any:
    """Inputs as rows (E, columns); of texts, how often their words occur, hashed into some thousand columns."""
    if suite.modality != "text":
        return suite.inputs.reshape(len(suite.inputs), -1)
    from sklearn.feature_extraction.text import HashingVectorizer

    words = HashingVectorizer(n_features=HASHED_WORDS, alternate_sign=False)
    return words.transform(suite.inputs.tolist())


def _label_correlation(suite: TaskSuite, trains: np.ndarray) -> np.ndarray:
    targets = [_targets(suite, task) for task in range(suite.n_tasks)]

    def compare(first: int, second: int) -> float:
        shared = trains[:, first] & trains[:, second]
        return _correlation(targets[first][shared], targets[second][shared]) if shared.any() else 0.0

    return _of_pairs(suite.n_tasks, compare)


def _contrast_correlation(suite: TaskSuite, trains: np.ndarray) -> np.ndarray:
    features = _features(suite)
    slopes = []
    for task, own in enumerate(trains.T):
        targets = _targets(suite, task)[own]
        slopes.append(features[own].T.astype(np.float64) @ (targets - targets.mean(0)))
    return _of_pairs(suite.n_tasks, lambda first, second: _correlation(slopes[first], slopes[second]))


def _targets(suite: TaskSuite, task: int) -> np.ndarray:
    """Labels as columns (E, k): one per class of a multiclass task, else one."""
    labels = suite.labels[:, [task]].astype(np.float64)
    return labels == np.arange(suite.classes[task]) if suite.kinds[task] == "multiclass" else labels


def _of_pairs(n_tasks: int, compare: Callable[[int, int], float]) -> np.ndarray:
    found = np.zeros((n_tasks, n_tasks))
    for first in range(n_tasks):
        for second in range(first + 1):
            found[first, second] = found[second, first] = compare(first, second)
    return found


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """The root of the RV coefficient of two matrices with common rows (Robert and Escoufier 1976), in [0, 1]: the
    absolute correlation where both have one column."""
    one, other = (each - each.mean(0) for each in (first, second))
    size = np.linalg.norm(one.T @ one) * np.linalg.norm(other.T @ other)
    return float(np.linalg.norm(one.T @ other) / np.sqrt(size)) if size > 0 else 0.0
