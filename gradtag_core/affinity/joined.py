"""Small models and gradient estimates joined: what both say of every subset, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradtag_core.affinity.additive import AdditiveDesign, predict
from gradtag_core.affinity.membership import Membership, pair_means
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import METRICS
from gradtag_core.cost import measure
from gradtag_core.errors import InvalidInput


@dataclass(frozen=True)
class JoinedEstimate:
    """`scores` of every subset; `standard_errors` (metrics, n, n) of the effect of each co-task on each task."""

    scores: SubsetScores
    standard_errors: np.ndarray


def join_estimates(
    proxies: SubsetScores, subsets: Sequence[Subset], gradients: SubsetScores | None,
    similarity: np.ndarray, train_sizes: np.ndarray, seed: int,
) -> JoinedEstimate:  # fmt: skip
    """Fit an additive model to the scores of small models, metric by metric, and predict every subset; a metric that
    some task does not have is NaN.

    Its hints are the affinity by gradients where there is one, `similarity` (n, n) of the tasks' labels and the
    logarithm of the co-task's `train_sizes` (n,); the fit decides what each is worth. `seed` labels the scores;
    their cost is that of the fit and the prediction alone, Σ |S|² FLOPs a metric. Levels are those of the small models:
    the order of co-tasks is meant. Raises `InvalidInput` for sizes below one, and for gradients that are not finite
    or of other tasks.
    """
    _require_sizes(train_sizes, proxies.task_names)
    n_tasks = len(proxies.task_names)
    free = {"label_similarity": similarity, "train_size": np.tile(np.log(train_sizes), (n_tasks, 1))}
    with measure() as meter:
        design = AdditiveDesign.of(proxies)
        meter.flops += design.flops
        columns = [METRICS.index(metric) for metric in proxies.metrics]
        affinity = None if gradients is None else _gradient_affinity(gradients, proxies.task_names, columns)
        fits = []
        for place, metric in enumerate(proxies.metrics):
            hints = free if affinity is None else {**free, "gradients": affinity[:, :, place]}
            fits.append(design.fit(metric, hints))
            meter.flops += fits[-1].flops
        values = np.full((sum(map(len, subsets)), len(METRICS)), np.nan)
        values[:, columns] = predict(fits, subsets)
        meter.flops += float(len(fits) * sum(len(subset) ** 2 for subset in subsets))
    scores = SubsetScores.of_seed(proxies.task_names, subsets, values, seed, "estimated", meter.cost)
    errors = np.full((len(METRICS), n_tasks, n_tasks), np.nan)
    errors[columns] = [fit.standard_errors for fit in fits]
    return JoinedEstimate(scores, errors)


def _gradient_affinity(
    gradients: SubsetScores, task_names: tuple[str, ...], columns: Sequence[int]
) -> np.ndarray:
    """The affinity by gradients off the diagonal, (n, n, columns), of some metrics; NaN where no subset holds both
    tasks."""
    if gradients.task_names != task_names:
        raise InvalidInput(
            f"`gradients` must be of the tasks of the small models in their order, {list(task_names[:5])}...; "
            f"found {list(gradients.task_names[:5])}..."
        )
    bad = ~np.isfinite(gradients.values[:, columns])
    if bad.any():
        raise InvalidInput(f"`gradients` must be finite numbers; {int(bad.sum())} scores are not.")
    table = gradients.mean_over_seeds()
    return pair_means(
        Membership.of(gradients.subsets, len(task_names)), table["task"].to_numpy(), table["subset"].to_numpy(),
        table[[METRICS[column] for column in columns]].to_numpy(dtype=np.float64),
    )  # fmt: skip


def _require_sizes(train_sizes: np.ndarray, task_names: tuple[str, ...]) -> None:
    found = np.asarray(train_sizes, dtype=np.float64)
    if found.shape != (len(task_names),) or not (found >= 1).all():
        raise InvalidInput(
            f"`train_sizes` must be {len(task_names)} numbers of training examples, one per task and each 1 or more; "
            f"found the shape {found.shape}, the smallest {found.min(initial=np.inf):g}."
        )
