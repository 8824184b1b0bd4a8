"""Groups of equal size drawn at random: what a grouping method must beat, at the cost of its last step alone."""

import numpy as np

from gradtag_core.affinity.subsets import Subset
from gradtag_core.cost import measure
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.methods.trained_groups import train_groups


def random_groups(n_tasks: int, n_groups: int, seed: int) -> list[Subset]:
    """A uniform partition into `n_groups` groups whose sizes differ by one at most."""
    order = np.random.default_rng(seed).permutation(n_tasks)
    return [tuple(sorted(part.tolist())) for part in np.array_split(order, n_groups)]


def run(setting: Setting) -> MethodResult:
    with measure() as meter:
        groups = random_groups(setting.suite.n_tasks, setting.n_groups, setting.search_seed)
        trained = train_groups(setting, groups, meter)
    return trained.result(setting, "random_groups", meter.cost)
