"""An estimate against real training, beside the lines that tell what the figures are worth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from gradtag_core.affinity.matrix import AffinityMatrix, average
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import METRICS, Metric
from gradtag_core.errors import InvalidInput
from gradtag_core.evaluation.agreement import Agreement, agreement, noise_ceiling, spearman_by_row

RANDOM_DRAWS = 20


@dataclass(frozen=True)
class Line:
    """One line of an accuracy table: agreement with the truth, as a fraction of the ceiling, and what it costs
    relative to training every subset of the run for real."""

    agreement: Agreement
    row_spearman_fraction: float | None
    flops_ratio: float

    def to_json(self) -> dict[str, float | None]:
        return {
            **self.agreement.to_json(),
            "row_spearman_fraction": self.row_spearman_fraction,
            "flops_ratio": self.flops_ratio,
        }


@dataclass(frozen=True)
class Comparison:
    """The estimate and its reference lines, each against the truth averaged over its seeds.

    Estimate and truth are averaged over the same subsets, those that were really trained, so that the figures
    judge the estimator and not the draw of subsets. `lines` holds `constant` (the base models' own scores, which
    say nothing about transfer), `random` (the estimate with the co-tasks of each row shuffled),
    `label_similarity`, `train_size` (co-tasks ranked by their number of training examples, which costs nothing),
    of an estimate that joins two sources each alone (`gradients`, `proxies`), and `equal_flops` (real training with
    the FLOPs of the estimate, on one seed, against the truth of another). `by_task` (n,) is each task's Spearman.
    """

    metric: Metric
    n_truth_subsets: int
    truth_seeds: tuple[int, ...]
    estimate: Line
    lines: dict[str, Line]
    repeat_spearman: float | None
    ceiling: float | None
    by_task: np.ndarray
    estimated: AffinityMatrix
    trained: AffinityMatrix
    equal_flops_subsets: int

    def to_json(self) -> dict:
        """Flat figures of the estimate, then one object per reference line."""
        return {
            "metric": self.metric,
            **self.estimate.to_json(),
            "row_spearman_ceiling": self.ceiling,
            "repeat_row_spearman": self.repeat_spearman,
            "truth_subsets": self.n_truth_subsets,
            "truth_seeds": list(self.truth_seeds),
            "equal_flops_subsets": self.equal_flops_subsets,
            **{name: line.to_json() for name, line in self.lines.items()},
        }


@dataclass(frozen=True)
class Evidence:
    """What a comparison needs beside the two tables of scores.

    `base_scores` (n, metrics): the base models' own validation scores; `similarity` (n, n): label similarity;
    `train_sizes` (n,) examples; `gradients` and `proxies`: the scores that the estimate joins, if it joins any;
    `estimate_flops`, `base_flops` (its training part) and `full_flops` (training every subset for real, once).
    """

    base_scores: np.ndarray
    similarity: np.ndarray
    estimate_flops: float
    base_flops: float
    full_flops: float
    train_sizes: np.ndarray
    gradients: SubsetScores | None = None
    proxies: SubsetScores | None = None


def compare(estimated: SubsetScores, trained: SubsetScores, evidence: Evidence, metric: Metric) -> Comparison:
    """Judge `estimated` by `trained`, whose subsets must be among the estimated ones."""
    if trained.source != "trained" or not len(trained.values):
        raise InvalidInput(
            "A comparison needs scores of really trained subsets; launch the run with `truth` above 0."
        )
    matched = estimated.of_subsets(trained.subsets)
    missing = set(trained.subsets) - set(matched.subsets)
    if missing:
        raise InvalidInput(
            f"{len(missing)} of the trained subsets were not estimated: {sorted(missing)[:3]}."
        )
    ours, truth = average(matched, metric), average(trained, metric)
    per_seed = [average(trained.of_seed_only(seed), metric).values for seed in trained.seeds]
    repeat, ceiling = noise_ceiling(per_seed)
    line = partial(_line, ceiling=ceiling, full_flops=evidence.full_flops)

    base = evidence.base_scores[:, METRICS.index(metric)]
    constant = np.repeat(base[:, None], len(base), axis=1)
    budget, n_equal = _equal_flops(trained, evidence.estimate_flops, metric)
    lines = {
        "constant": line(agreement(constant, truth.values), flops=evidence.base_flops),
        "random": line(_shuffled(ours.values, truth.values), flops=0.0),
        "label_similarity": line(
            agreement(_on_scale_of(ours.values, evidence.similarity), truth.values), flops=0.0
        ),
        "train_size": line(
            agreement(_on_scale_of(ours.values, _by_size(evidence.train_sizes)), truth.values), flops=0.0
        ),
        **_parts(evidence, trained.subsets, truth.values, metric, line),
        "equal_flops": line(
            agreement(budget, per_seed[-1]), flops=n_equal * trained.cost.flops / _n_trainings(trained)
        ),
    }
    return Comparison(
        metric, len(set(trained.subset.tolist())), trained.seeds,
        line(agreement(ours.values, truth.values), flops=evidence.estimate_flops), lines,
        repeat, ceiling, spearman_by_row(ours.values, truth.values), ours, truth, n_equal,
    )  # fmt: skip


def _parts(
    evidence: Evidence,
    subsets: Sequence[Subset],
    truth: np.ndarray,
    metric: Metric,
    line: Callable[..., Line],
) -> dict[str, Line]:
    """What each source of a joined estimate says alone: gradients on the same subsets, small models on their own."""
    found: dict[str, Line] = {}
    if evidence.gradients is not None and evidence.proxies is not None:
        values = average(evidence.gradients.of_subsets(subsets), metric).values
        found["gradients"] = line(agreement(values, truth), flops=evidence.gradients.cost.flops)
    if evidence.proxies is not None:
        values = _filled(average(evidence.proxies, metric).values)
        found["proxies"] = line(agreement(values, truth), flops=evidence.proxies.cost.flops)
    return found


def _by_size(train_sizes: np.ndarray) -> np.ndarray:
    return np.tile(train_sizes.astype(np.float64), (len(train_sizes), 1))


def _line(found: Agreement, *, flops: float, ceiling: float | None, full_flops: float) -> Line:
    return Line(found, found.row_spearman / ceiling if ceiling else None, flops / full_flops)


def _n_trainings(trained: SubsetScores) -> int:
    return len(np.unique(np.stack([trained.subset, trained.seed]), axis=1).T)


def _equal_flops(trained: SubsetScores, budget: float, metric: Metric) -> tuple[np.ndarray, int]:
    """The matrix of as many really trained subsets of the first seed as `budget` pays for (at least one), and how
    many those are. Cells that no such subset fills take the mean of their row, or of the matrix."""
    first = trained.of_seed_only(trained.seeds[0])
    ids = np.unique(first.subset)
    per_training = trained.cost.flops / _n_trainings(trained)
    affordable = int(np.clip(budget // per_training, 1, len(ids)))
    values = average(first.only(np.isin(first.subset, ids[:affordable])), metric).values
    return _filled(values), affordable


def _filled(values: np.ndarray) -> np.ndarray:
    """Empty cells take the mean of their row, or of the matrix."""
    known = np.isfinite(values)
    row_sums = np.where(known, values, 0.0).sum(1)
    row_means = np.where(known.any(1), row_sums / np.maximum(known.sum(1), 1), values[known].mean())
    return np.where(known, values, row_means[:, None])


def _shuffled(estimate: np.ndarray, truth: np.ndarray) -> Agreement:
    """The mean agreement over draws that shuffle the off-diagonal cells of each row."""
    generator = np.random.default_rng(0)
    n_tasks = len(estimate)
    others = ~np.eye(n_tasks, dtype=bool)
    draws = []
    for _ in range(RANDOM_DRAWS):
        drawn = estimate.copy()
        for row in range(n_tasks):
            drawn[row, others[row]] = generator.permutation(estimate[row, others[row]])
        draws.append(agreement(drawn, truth))
    squared = [draw.distance_squared for draw in draws if draw.distance_squared is not None]
    distance = [draw.distance for draw in draws if draw.distance is not None]
    return Agreement(
        float(np.mean([draw.row_spearman for draw in draws])),
        float(np.mean([draw.row_spearman_standard_error for draw in draws])),
        float(np.mean([draw.column_spearman for draw in draws])),
        float(np.mean(squared)) if squared else None,
        float(np.mean(distance)) if distance else None,
    )


def _on_scale_of(estimate: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """The similarities moved to the mean and spread of the estimate, row by row: they have no unit of their own."""
    others = np.where(np.eye(len(estimate), dtype=bool), np.nan, 1.0)
    (target_mean, target_spread), (mean, spread) = map(_by_row, (estimate * others, similarity * others))
    standard = (similarity * others - mean) / np.where(spread > 0, spread, 1.0)
    return target_mean + standard * target_spread


def _by_row(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the standard deviation of the known cells of each row, (n, 1) each; NaN where none is known."""
    known = np.isfinite(values)
    counts = known.sum(axis=1, keepdims=True)
    unknown = np.full(counts.shape, np.nan)
    mean = np.divide(
        np.where(known, values, 0.0).sum(axis=1, keepdims=True), counts, out=unknown, where=counts > 0
    )
    squares = np.where(known, values - mean, 0.0) ** 2
    return mean, np.sqrt(squares.sum(axis=1, keepdims=True) / np.maximum(counts, 1))
