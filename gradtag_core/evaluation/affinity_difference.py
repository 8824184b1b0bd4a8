"""Where two runs disagree on who helps whom, and whether that is more than the noise of both."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.config import Metric
from gradtag_core.errors import InvalidInput
from gradtag_core.evaluation.agreement import agreement

Array = np.ndarray

CLEAR = 2.0  # standard errors
CHANCE = 0.0455  # the share of normal draws further than `CLEAR` standard errors from their mean


@dataclass(frozen=True, eq=False)
class AffinityDifference:
    """`values` = `other` - `reference` over the tasks of both, in the reference's order; all arrays are (n, n).

    `reference` and `other` are relative to each task's mean over the cells known in both, so that a task which is
    easier for one run does not colour its whole row; the diagonal and other cells are NaN. `standard_errors` of the
    difference take the cells and the two runs as independent: runs that share subsets or seeds differ by less.
    `row_spearman`: how alike both rank the co-tasks of a task, with its standard error over tasks (None below four
    shared tasks). `share_clear`: the share of a task's cells that differ by more than `CLEAR` standard errors, mean
    over tasks with its standard error (None where no cell can be judged).
    """

    metric: Metric
    task_names: tuple[str, ...]
    only_in_reference: tuple[str, ...]
    only_in_other: tuple[str, ...]
    reference: Array
    other: Array
    standard_errors: Array
    row_spearman: float | None
    row_spearman_standard_error: float | None
    n_judged: int
    n_clear: int
    share_clear: float | None
    share_clear_standard_error: float | None

    @property
    def values(self) -> Array:
        return self.other - self.reference

    @property
    def in_standard_errors(self) -> Array:
        """(n, n) the difference over its standard error; 0 where both are 0."""
        size, errors = self.values, self.standard_errors
        return np.divide(size, errors, out=np.where(np.isfinite(errors), size, np.nan), where=errors > 0)

    @property
    def more_than_chance(self) -> bool | None:
        """Whether clear differences are more frequent than noise alone makes them; None where that is unknown.

        Cells of one row share subsets, so the tasks, not the cells, count as draws.
        """
        if self.share_clear is None or self.share_clear_standard_error is None:
            return None
        return self.share_clear - CLEAR * self.share_clear_standard_error > CHANCE

    def to_json(self) -> dict[str, Any]:
        return {
            "metric": self.metric, "shared_tasks": len(self.task_names),
            "only_in_reference": list(self.only_in_reference), "only_in_other": list(self.only_in_other),
            "row_spearman": self.row_spearman, "row_spearman_standard_error": self.row_spearman_standard_error,
            "judged_cells": self.n_judged, "clear_cells": self.n_clear, "share_clear": self.share_clear,
            "share_clear_standard_error": self.share_clear_standard_error, "share_by_chance": CHANCE,
            "more_than_chance": self.more_than_chance,
        }  # fmt: skip


def affinity_difference(reference: AffinityMatrix, other: AffinityMatrix) -> AffinityDifference:
    """Compare two affinities cell by cell, tasks matched by name; raises `InvalidInput` for two metrics."""
    if reference.metric != other.metric:
        raise InvalidInput(
            f"`other` must be in the metric of `reference`, {reference.metric}; found {other.metric}. Both runs store "
            "every metric: ask for one of them."
        )
    names = shared_tasks(reference.task_names, other.task_names)
    ours, theirs = (_on(matrix, names) for matrix in (reference, other))
    known = np.isfinite(ours[0]) & np.isfinite(theirs[0]) & ~np.eye(len(names), dtype=bool)
    first, second = (_relative(values, known) for values in (ours[0], theirs[0]))
    errors = _relative_errors(ours[1] ** 2 + theirs[1] ** 2, known)
    judged = np.isfinite(errors)
    clear = judged & (np.abs(second - first) > CLEAR * errors)
    shares = clear.sum(1)[judged.any(1)] / judged.sum(1)[judged.any(1)]
    ranked = known.sum(1).max(initial=0) >= 3
    found = agreement(second, first) if ranked else None
    return AffinityDifference(
        reference.metric, names,
        tuple(name for name in reference.task_names if name not in names),
        tuple(name for name in other.task_names if name not in names),
        first, second, errors,
        found and found.row_spearman, found and found.row_spearman_standard_error,
        int(judged.sum()), int(clear.sum()),
        float(shares.mean()) if len(shares) else None,
        float(shares.std(ddof=1) / len(shares) ** 0.5) if len(shares) > 1 else None,
    )  # fmt: skip


def shared_tasks(reference: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """The names that both have, in the order of the first."""
    theirs = set(other)
    return tuple(name for name in reference if name in theirs)


def _on(matrix: AffinityMatrix, names: tuple[str, ...]) -> tuple[Array, Array]:
    """The values and the standard errors of the named tasks, in that order."""
    number = {name: index for index, name in enumerate(matrix.task_names)}
    index = np.array([number[name] for name in names], dtype=np.int64)
    cells = np.ix_(index, index)
    return matrix.values[cells], matrix.standard_errors[cells]


def _relative(values: Array, known: Array) -> Array:
    """Each row less its mean over the known cells; NaN elsewhere."""
    n_known = np.maximum(known.sum(1, keepdims=True), 1)
    means = np.where(known, values, 0.0).sum(1, keepdims=True) / n_known
    return np.where(known, values - means, np.nan)


def _relative_errors(variances: Array, known: Array) -> Array:
    """The standard error of x_j - mean(x) in each row, from the variances of independent x; NaN where unknown.

    Var(x_j - mean(x)) = v_j (1 - 2 / c) + sum(v) / c² over the c known cells of the row; an unknown variance counts as
    the mean of the others in the sum.
    """
    judged = known & np.isfinite(variances)
    n_known = np.maximum(known.sum(1, keepdims=True), 1)
    n_judged = np.maximum(judged.sum(1, keepdims=True), 1)
    mean = np.where(judged, variances, 0.0).sum(1, keepdims=True) / n_judged
    spread = variances * (1 - 2 / n_known) + mean / n_known
    return np.where(judged, np.sqrt(np.maximum(spread, 0.0)), np.nan)
