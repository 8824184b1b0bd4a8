"""The task-affinity matrix: the average of subset scores (paper, equation 1)."""

from dataclasses import dataclass

import numpy as np

from gradtag_core.affinity.membership import Membership
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.config import Metric


@dataclass(frozen=True)
class AffinityMatrix:
    """T[i, j]: the affinity of co-task j for the evaluated task i; higher is better. All arrays are (n, n).

    `values` is NaN where `counts`, the number of subsets behind a cell, is zero. `standard_errors` are over
    subsets (NaN below two).
    """

    task_names: tuple[str, ...]
    values: np.ndarray
    counts: np.ndarray
    standard_errors: np.ndarray
    metric: Metric

    @property
    def n_tasks(self) -> int:
        return len(self.task_names)


def average(scores: SubsetScores, metric: Metric) -> AffinityMatrix:
    """T[i, j] = mean of f(S, i) over the subsets S that hold i and j (equation 1), scores averaged over seeds first.

    The diagonal is f({i}, i) where that was scored, else the mean over all subsets that hold i.
    """
    n_tasks = len(scores.task_names)
    table = scores.mean_over_seeds()
    subset, task, score = table["subset"].to_numpy(), table["task"].to_numpy(), table[metric].to_numpy()
    n_scores = np.bincount(task, minlength=n_tasks)
    center = np.bincount(task, score, minlength=n_tasks) / np.maximum(n_scores, 1)
    centred = score - center[task]  # sums of squares of centred scores keep their digits
    weights = np.stack([np.ones_like(score), centred, centred**2], axis=1)
    membership = Membership.of(scores.subsets, n_tasks)
    totals = membership.sums(task, subset, weights)
    alone = membership.sizes[subset] == 1
    on_diagonal = np.zeros((n_tasks, weights.shape[1]))
    np.add.at(on_diagonal, task[alone], weights[alone])
    own = np.unique(task[alone])
    totals[own, own] = on_diagonal[own]
    counts, sums, squares = np.moveaxis(totals, -1, 0)

    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums / counts
        variance = np.maximum(squares / counts - mean**2, 0.0) * counts / (counts - 1)
        errors = np.where(counts > 1, np.sqrt(variance / counts), np.nan)
    return AffinityMatrix(scores.task_names, mean + center[:, None], counts.astype(np.int64), errors, metric)
