"""What stands behind one cell of an affinity matrix: its rank in its row, and the subsets it averages."""

from dataclasses import dataclass

import numpy as np

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import Metric
from gradtag_core.errors import InvalidInput


@dataclass(frozen=True)
class PairEffect:
    """What a co-task does for an evaluated task: T[i, j], and `effect`, the same against the mean of the row.

    `rank`: 1 + how many co-tasks of the row do more, among the `n_ranked` known ones; None where the cell is unknown,
    whose other figures are NaN. `standard_error` is NaN where it is unknown.
    """

    affinity: float
    effect: float
    standard_error: float
    count: int
    rank: int | None
    n_ranked: int

    @property
    def errors_from_mean(self) -> float:
        """How many standard errors the effect is above zero; NaN without a standard error above zero."""
        return self.effect / self.standard_error if self.standard_error > 0 else float("nan")


def pair_effect(matrix: AffinityMatrix, task: int, co_task: int) -> PairEffect:
    """The cell of a pair of different tasks, against its row without the diagonal."""
    _require_pair(matrix.n_tasks, task, co_task)
    row = np.delete(matrix.values[task], task)
    known = row[np.isfinite(row)]
    affinity = float(matrix.values[task, co_task])
    error, count = float(matrix.standard_errors[task, co_task]), int(matrix.counts[task, co_task])
    if not np.isfinite(affinity):
        return PairEffect(affinity, float("nan"), error, count, None, len(known))
    rank = 1 + int((known > affinity).sum())
    return PairEffect(affinity, affinity - float(known.mean()), error, count, rank, len(known))


@dataclass(frozen=True)
class PairEvidence:
    """The scores of an evaluated task in every subset that holds it, averaged over seeds; all arrays are (S,).

    `with_co_task` tells the subsets behind the affinity, whose mean `estimated` is the cell T[i, j] (equation 1), from
    those without the co-task. `trained` is NaN where a subset was not really trained.
    """

    subsets: tuple[Subset, ...]
    with_co_task: np.ndarray
    estimated: np.ndarray
    trained: np.ndarray


def pair_evidence(
    estimated: SubsetScores, trained: SubsetScores | None, task: int, co_task: int, metric: Metric
) -> PairEvidence:
    """Gather the subsets of `task`, estimated and, where there are some, really trained."""
    _require_pair(len(estimated.task_names), task, co_task)
    ours = _scores_of(estimated, task, metric)
    truth = {} if trained is None else _scores_of(trained, task, metric)
    subsets = tuple(dict.fromkeys([*ours, *truth]))
    missing = float("nan")
    return PairEvidence(
        subsets,
        np.array([co_task in subset for subset in subsets], dtype=bool),
        np.array([ours.get(subset, missing) for subset in subsets], dtype=np.float64),
        np.array([truth.get(subset, missing) for subset in subsets], dtype=np.float64),
    )


def _scores_of(scores: SubsetScores, task: int, metric: Metric) -> dict[Subset, float]:
    """{subset: score of the task}, averaged over seeds."""
    table = scores.only(scores.task == task).mean_over_seeds()
    return {
        scores.subsets[index]: float(score)
        for index, score in zip(table["subset"], table[metric], strict=True)
    }


def _require_pair(n_tasks: int, task: int, co_task: int) -> None:
    if task == co_task or not (0 <= task < n_tasks and 0 <= co_task < n_tasks):
        raise InvalidInput(
            f"`task` and `co_task` must be two different tasks, from 0 to {n_tasks - 1}; found {task} and {co_task}."
        )
