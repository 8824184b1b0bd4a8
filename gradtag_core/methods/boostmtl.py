"""BoostMTL: affinities from really trained random subsets, then spectral clustering (Li et al., KDD 2023, arXiv
2306.14009)."""

from dataclasses import replace

import numpy as np

from gradtag_core.affinity.matrix import average
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset, covering_subsets
from gradtag_core.config import make_config
from gradtag_core.cost import measure
from gradtag_core.grouping.spectral import spectral_clustering
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.methods.searched import search_subsets
from gradtag_core.methods.trained_groups import as_groups, train_groups

SMALLEST_SPREAD = 1e-3  # added to that of a task's scores, as in the published code


def sampled_subsets(setting: Setting) -> list[Subset]:
    """The random subsets that a run draws by default, one task smaller than the suite at most."""
    suite = setting.suite
    config = make_config(subset_size=min(5, suite.n_tasks - 1)).for_tasks(suite.n_tasks)
    return covering_subsets(
        suite.n_tasks, config.subset_size, config.n_subsets or 1, setting.search_seed, suite.task_names
    )


def standardised(scores: SubsetScores) -> SubsetScores:
    """Every task's scores less their mean, over their spread, so that no task that is easily helped rules."""
    values = scores.values.copy()
    for task in np.unique(scores.task):
        own = values[scores.task == task]
        values[scores.task == task] = (own - own.mean(0)) / (own.std(0) + SMALLEST_SPREAD)
    return replace(scores, values=values)


def boostmtl_affinity(setting: Setting, scores: SubsetScores) -> np.ndarray:
    """The symmetric mean of standardised scores over the subsets of each pair, with a diagonal of zeros."""
    affinity = average(standardised(scores), setting.metric).values
    np.fill_diagonal(affinity, 0.0)
    return (affinity + affinity.T) / 2


def run(setting: Setting) -> MethodResult:
    with measure() as meter:
        search = search_subsets(setting, sampled_subsets(setting), "Training random subsets", meter)
        affinity = boostmtl_affinity(setting, search.scores)
        labels = spectral_clustering(affinity, setting.n_groups, setting.search_seed)
        trained = train_groups(setting, as_groups(labels), meter)
    return trained.result(setting, "boostmtl", meter.cost + search.not_run, search.sample)
