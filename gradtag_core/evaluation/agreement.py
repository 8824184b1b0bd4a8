"""How well one affinity matrix agrees with another, diagonals left out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np


@dataclass(frozen=True)
class Agreement:
    """`row_spearman` is the headline: how well co-tasks are ranked for each evaluated task, averaged over tasks,
    with its standard error over tasks. `column_spearman` and the distances are the paper's figures; task
    difficulty dominates both. `distance_squared` = ‖T - T*‖_F² / ‖T*‖_F² (paper, section 5.2), `distance` its
    root; both are None where the truth is zero everywhere, as F1 is for models that find no positive.
    """

    row_spearman: float
    row_spearman_standard_error: float
    column_spearman: float
    distance_squared: float | None
    distance: float | None

    def to_json(self) -> dict[str, float | None]:
        return asdict(self)


def agreement(estimate: np.ndarray, truth: np.ndarray) -> Agreement:
    """Compare two (n, n) matrices on the off-diagonal cells that are finite in both."""
    estimate, truth = _shared_cells(estimate, truth)
    rows = spearman_by_row(estimate, truth)
    columns = spearman_by_row(estimate.T, truth.T)
    n_known = max(1, int(np.isfinite(rows).sum()))
    size = float(np.nansum(truth**2))
    squared = float(np.nansum((estimate - truth) ** 2)) / size if size else None
    return Agreement(
        row_spearman=_mean(rows),
        row_spearman_standard_error=float(np.nanstd(rows) / np.sqrt(n_known)) if n_known > 1 else 0.0,
        column_spearman=_mean(columns),
        distance_squared=squared,
        distance=None if squared is None else squared**0.5,
    )


def spearman_by_row(estimate: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The rank correlation of each row, diagonal left out: (n,).

    A row that is constant on either side ranks nothing and counts as 0; one with fewer than three cells is NaN.
    """
    estimate, truth = _shared_cells(estimate, truth)
    return np.array([_spearman(first, second) for first, second in zip(estimate, truth, strict=True)])


def noise_ceiling(truths: Sequence[np.ndarray]) -> tuple[float | None, float | None]:
    """(r, ceiling): the mean row Spearman between truths of different seeds, and the best that an estimate can
    reach against their average.

    With R seeds the average has reliability ρ = R r / (1 + (R - 1) r) (Spearman-Brown); the ceiling is √ρ.
    (None, None) with one seed; the ceiling is None where the seeds do not agree at all (r <= 0).
    """
    if len(truths) < 2:
        return None, None
    repeat = float(
        np.mean([_mean(spearman_by_row(first, second)) for first, second in combinations(truths, 2)])
    )
    if repeat <= 0:
        return repeat, None
    return repeat, float(np.sqrt(len(truths) * repeat / (1 + (len(truths) - 1) * repeat)))


def _shared_cells(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(first) & np.isfinite(second) & ~np.eye(len(first), dtype=bool)
    return np.where(known, first, np.nan), np.where(known, second, np.nan)


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    from scipy.stats import rankdata  # half a second to import, which a page's first paint must not wait for

    known = np.isfinite(first)
    if known.sum() < 3:
        return np.nan
    ranks = np.stack([rankdata(first[known]), rankdata(second[known])])
    ranks -= ranks.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(ranks, axis=1)
    return float(ranks[0] @ ranks[1] / lengths.prod()) if lengths.all() else 0.0


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else 0.0
