"""How much a grouping owes to the subsets and initialisations behind it: a bootstrap, and a sweep over k."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtag_core.affinity.matrix import AffinityMatrix, average
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.config import Metric
from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.cluster import cluster
from gradtag_core.grouping.local import local_grouping
from gradtag_core.grouping.result import Grouping
from gradtag_core.grouping.validation import check_n_groups
from gradtag_core.progress import Reporter

RESAMPLES = 50
CLEAR = 0.5


@dataclass(frozen=True, eq=False)
class Stability:
    """`consensus`: (n, n) share of resamples in which two tasks share a group. `task_stability`: (n,) share in
    which a task stays in its group, groups being matched so that as many tasks as possible stay.

    `agreement`: mean adjusted Rand index with `grouping`, 1 for the same groups and 0 for chance;
    `standard_error`: the standard deviation of one resample's index over the root of their number.
    """

    grouping: Grouping
    consensus: np.ndarray
    task_stability: np.ndarray
    agreement: float
    standard_error: float
    n_resamples: int

    def to_json(self) -> dict[str, Any]:
        return {
            "task_names": list(self.grouping.task_names), "groups": self.grouping.groups,
            "consensus": self.consensus.tolist(), "task_stability": self.task_stability.tolist(),
            "agreement": self.agreement, "standard_error": self.standard_error, "n_resamples": self.n_resamples,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sweep:
    """One `Stability` per number of groups tried, the number suggested and why, in words."""

    points: tuple[Stability, ...]
    suggested: int
    reason: str

    def to_rows(self) -> list[dict[str, float]]:
        """Per k: density, gap to the bound, agreement and its standard error."""
        return [
            {
                "n_groups": point.grouping.n_groups, "density": point.grouping.density, "gap": point.grouping.gap,
                "agreement": point.agreement, "standard_error": point.standard_error,
            }
            for point in self.points
        ]  # fmt: skip


class Bootstrap:
    """Affinity matrices from resampled subsets and seeds (Efron 1979), without averaging table after table.

    Subsets are drawn with replacement, and so are the seeds of the initialisations. A cell without a subset in
    a resample takes its value from all of them. Raises `InvalidInput` when a cell has none at all.
    """

    def __init__(self, scores: SubsetScores, metric: Metric):
        self.full = average(scores, metric).values
        missing = np.argwhere(np.isnan(self.full))
        if len(missing):
            first, second = (scores.task_names[index] for index in missing[0])
            raise InvalidInput(
                f"`scores` must hold a subset for every pair of tasks; found none for `{first}` with `{second}`. "
                "Sample more subsets."
            )
        self._seeds, self._seed = np.unique(scores.seed, return_inverse=True)
        pairs = np.stack([scores.subset, scores.task])
        keys, self._key = np.unique(pairs, axis=1, return_inverse=True)
        self._subset, self._task = keys
        center = np.diag(self.full)
        self._center, self._values = center, scores.of(metric) - center[scores.task]
        self._members = np.zeros((len(scores.subsets), len(center)))
        for index, subset in enumerate(scores.subsets):
            self._members[index, list(subset)] = 1
        self._alone = self._members.sum(axis=1) == 1
        self._scored = np.unique(scores.subset)  # of the subsets named, those with scores

    def matrix(self, subset_counts: np.ndarray, seed_counts: np.ndarray) -> np.ndarray:
        """(n, n) affinities with each subset and each seed counted so often."""
        weight = seed_counts[self._seed].astype(float)
        total, present = (np.bincount(self._key, weights=row) for row in (weight * self._values, weight))
        score = total / np.maximum(present, 1)  # the mean over seeds comes first, as in equation (1)
        times = subset_counts[self._subset] * (present > 0)
        sums, counts = (self._spread(row) for row in (times * score, times))
        single = self._alone[self._subset]
        alone_sums, alone_counts = (
            np.bincount(self._task[single], weights=row[single], minlength=len(self.full))
            for row in (times * score, times)
        )
        rows = np.flatnonzero(alone_counts)
        sums[rows, rows], counts[rows, rows] = alone_sums[rows], alone_counts[rows]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(counts > 0, sums / counts + self._center[:, None], self.full)

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        subsets = np.zeros(len(self._members), dtype=int)
        np.add.at(subsets, generator.choice(self._scored, len(self._scored)), 1)
        seeds = generator.multinomial(len(self._seeds), np.full(len(self._seeds), 1 / len(self._seeds)))
        return self.matrix(subsets, seeds)

    def _spread(self, row: np.ndarray) -> np.ndarray:
        """Sum over subsets: the value of (subset, task) for each member of the subset."""
        table = np.zeros((len(self._members), len(self.full)))
        table[self._subset, self._task] = row
        return table.T @ self._members


class NormalDraws:
    """Affinity matrices drawn about one with standard errors, each cell for itself: a parametric bootstrap, for an
    affinity that was fitted by a model rather than averaged over subsets."""

    def __init__(self, affinity: AffinityMatrix):
        known = np.isfinite(affinity.values) & np.isfinite(affinity.standard_errors)
        missing = np.argwhere(~known & ~np.eye(affinity.n_tasks, dtype=bool))
        if len(missing):
            first, second = (affinity.task_names[index] for index in missing[0])
            raise InvalidInput(
                f"`affinity` must have a value and a standard error in every cell; found none for `{first}` with "
                f"`{second}`."
            )
        self.full = affinity.values
        self._errors = np.nan_to_num(affinity.standard_errors)

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        return self.full + self._errors * generator.standard_normal(self.full.shape)


Resampling = Bootstrap | NormalDraws


def _resampling(source: SubsetScores | AffinityMatrix, metric: Metric) -> Resampling:
    return NormalDraws(source) if isinstance(source, AffinityMatrix) else Bootstrap(source, metric)


def bootstrap_stability(
    source: SubsetScores | AffinityMatrix,
    metric: Metric,
    n_groups: int,
    *,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
    reporter: Reporter | None = None,
) -> Stability:
    """Group resampled affinities again and again and see what stays of the grouping of the full table.

    Scores are resampled; of an affinity with standard errors, cells are drawn about their values. The full table
    is grouped by `cluster`, resamples by its fast path. Raises `InvalidInput` as `Bootstrap`, `NormalDraws` and
    `cluster` do.
    """
    resampling = _resampling(source, metric)
    return _stability(resampling, source.task_names, n_groups, n_resamples, seed, reporter)


def sweep_groups(
    source: SubsetScores | AffinityMatrix,
    metric: Metric,
    n_groups: Sequence[int],
    *,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
    reporter: Reporter | None = None,
) -> Sweep:
    """Density, gap and stability for several numbers of groups, and the number to take.

    Suggested is the largest k whose agreement is within a standard error of the best, so that finer groups are
    preferred only where they are as reproducible; k = 1 and k = n, which no resample can change, do not count
    where others were tried.
    """
    if not n_groups:
        raise InvalidInput("`n_groups` must hold at least one number of groups to try; found none.")
    resampling = _resampling(source, metric)
    for asked in n_groups:
        check_n_groups(asked, len(source.task_names))
    points = tuple(
        _stability(resampling, source.task_names, asked, n_resamples, seed, reporter)
        for asked in sorted(set(n_groups))
    )
    return Sweep(points, *_suggestion(points))


def _stability(
    resampling: Resampling, task_names: Sequence[str], n_groups: int, n_resamples: int, seed: int,
    reporter: Reporter | None,
) -> Stability:  # fmt: skip
    from sklearn.metrics import adjusted_rand_score

    if n_resamples < 2:
        raise InvalidInput(f"`n_resamples` must be at least 2; found {n_resamples}.")
    grouping = cluster(resampling.full, n_groups, task_names=task_names, seed=seed)
    generator = np.random.default_rng(seed)
    consensus, stays = np.zeros_like(resampling.full), np.zeros(len(resampling.full))
    indices = []
    draws = (reporter or Reporter()).track(f"Resampling for k = {n_groups}", range(n_resamples), n_resamples)
    for number in draws:
        labels = local_grouping(resampling.draw(generator), n_groups, seed=number)
        consensus += labels[:, None] == labels
        stays += _matched(labels, grouping.labels) == grouping.labels
        indices.append(float(adjusted_rand_score(grouping.labels, labels)))
    error = float(np.std(indices, ddof=1)) / n_resamples**0.5
    return Stability(
        grouping, consensus / n_resamples, stays / n_resamples, float(np.mean(indices)), error, n_resamples
    )


def _matched(labels: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """`labels` renamed to those of the reference groups, so that as many tasks as possible keep theirs."""
    from scipy.optimize import linear_sum_assignment

    size = int(max(labels.max(), reference.max())) + 1
    overlap = np.zeros((size, size))
    np.add.at(overlap, (labels, reference), 1)
    return linear_sum_assignment(overlap, maximize=True)[1][labels]


def _suggestion(points: tuple[Stability, ...]) -> tuple[int, str]:
    n_tasks = len(points[0].task_stability)
    choices = [point for point in points if 1 < point.grouping.n_groups < n_tasks] or list(points)
    best = max(choices, key=lambda point: point.agreement)
    near = [point for point in choices if point.agreement >= best.agreement - best.standard_error]
    chosen = max(near, key=lambda point: point.grouping.n_groups)
    k = chosen.grouping.n_groups
    words = f"k = {k}: resampling the subsets changes its groups "
    words += (
        "least" if chosen is best else f"hardly more than the most reproducible, k = {best.grouping.n_groups}"
    )
    words += (
        f" (agreement {chosen.agreement:.2f} ± {chosen.standard_error:.2f}; 1 is the same groups, 0 chance)"
    )
    if chosen.agreement < CLEAR:
        words += ". No number of groups tried is reproducible: more subsets or initialisations are needed"
    return k, words + "."
