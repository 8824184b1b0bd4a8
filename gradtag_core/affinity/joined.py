"""Small models and gradient estimates joined: what both say of every subset, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradtag_core.affinity.additive import fit_additive
from gradtag_core.affinity.matrix import average
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import METRICS
from gradtag_core.cost import measure


@dataclass(frozen=True)
class JoinedEstimate:
    """`scores` of every subset; `standard_errors` (metrics, n, n) of the effect of each co-task on each task."""

    scores: SubsetScores
    standard_errors: np.ndarray


def join_estimates(
    proxies: SubsetScores, subsets: Sequence[Subset], gradients: SubsetScores | None,
    similarity: np.ndarray, train_sizes: np.ndarray, seed: int,
) -> JoinedEstimate:  # fmt: skip
    """Fit an additive model to the scores of small models, metric by metric, and predict every subset.

    Its hints are the affinity by gradients where there is one, `similarity` (n, n) of the tasks' labels and the
    logarithm of the co-task's `train_sizes` (n,); the fit decides what each is worth. `seed` labels the scores;
    their cost is that of the fit alone. Levels are those of the small models: the order of co-tasks is meant.
    """
    n_tasks = len(proxies.task_names)
    free = {"label_similarity": similarity, "train_size": np.tile(np.log(train_sizes), (n_tasks, 1))}
    columns, errors = [], []
    with measure() as meter:
        for metric in METRICS:
            hints = dict(free)
            if gradients is not None:
                hints["gradients"] = average(gradients, metric).values
            fit = fit_additive(proxies, metric, hints)
            columns.append(fit.predict(subsets))
            errors.append(fit.standard_errors)
            meter.flops += fit.flops
    values = np.stack(columns, axis=1)
    scores = SubsetScores.of_seed(proxies.task_names, subsets, values, seed, "estimated", meter.cost)
    return JoinedEstimate(scores, np.stack(errors))
