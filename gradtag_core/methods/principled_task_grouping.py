"""Principled Task Grouping: transfer gains of pairs of tasks that step together, probed while one model trains on all
(Wang, Pan and Yu, arXiv 2402.15328).

The formula of the gain is reconstructed from the paper's public code. Groups are a partition:
the published program lets groups overlap and then favours near copies of one group.
"""

import numpy as np

from gradtag_core.cost import Meter, measure
from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.cluster import cluster
from gradtag_core.methods.lookahead import Lookahead, filled, gain, mean_over_probes
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.methods.trained_groups import as_groups, train_groups

PROBES = 20  # of a training, evenly spaced; fewer is lazier
TASKS_PER_PROBE = 20  # whose pairs are probed, where there are more
EXACT_TASKS = 12  # up to here the grouping is exact


def pair_gains(lookahead: Lookahead, tasks: np.ndarray) -> np.ndarray:
    """S[i, j] = 1 - L_j after a step on the losses of i and j / L_j after a step on twice that of j, heads included;
    NaN for tasks not among `tasks` and for those without rows in the batch.

    The gradients of tasks are taken once: that of a pair is their sum. S[j, j] = 0.
    """
    found = np.full((len(lookahead.losses),) * 2, np.nan)
    present = [task for task in tasks.tolist() if lookahead.present[task]]
    rows = lookahead.gradients
    alone = {}
    for task, update in zip(present, lookahead.updates(2 * rows[present]), strict=True):
        alone[task] = lookahead.losses_after(update)[task]
        found[task, task] = 0.0
    for place, first in enumerate(present[:-1]):
        others = present[place + 1 :]
        for second, update in zip(others, lookahead.updates(rows[first] + rows[others]), strict=True):
            after = lookahead.losses_after(update)
            for helper, target in ((first, second), (second, first)):
                found[helper, target] = float(gain(alone[target], after[target]))
    return found


class TaskDraws:
    """Which tasks each probe looks at: all, or `n_drawn`, those drawn rarely so far being likelier."""

    def __init__(self, n_tasks: int, n_drawn: int, seed: int):
        self.counts = np.zeros(n_tasks)
        self._n_drawn, self._generator = n_drawn, np.random.default_rng(seed)

    def draw(self) -> np.ndarray:
        share = self.counts / max(1.0, self.counts.sum())
        likely = np.exp(-share * len(share))  # in units of an even share
        chosen = self._generator.choice(len(share), self._n_drawn, replace=False, p=likely / likely.sum())
        self.counts[chosen] += 1
        return np.sort(chosen)


def transfer_gains(setting: Setting, probes: int, tasks_per_probe: int, meter: Meter) -> np.ndarray:
    """T[i, j], the gain of task i from co-task j, over the probes of one joint training."""
    draws = TaskDraws(setting.suite.n_tasks, tasks_per_probe, setting.search_seed)
    seen = mean_over_probes(
        setting, "all", probes, lambda lookahead: pair_gains(lookahead, draws.draw()), meter
    )
    np.fill_diagonal(seen, 0.0)
    return filled(seen).T


def run(setting: Setting, probes: int = PROBES, tasks_per_probe: int | None = None) -> MethodResult:
    """`tasks_per_probe` None: all, up to `TASKS_PER_PROBE`."""
    n_tasks = setting.suite.n_tasks
    drawn = min(n_tasks, TASKS_PER_PROBE) if tasks_per_probe is None else tasks_per_probe
    if probes < 1 or not 2 <= drawn <= n_tasks:
        raise InvalidInput(
            f"`probes` must be at least 1 and `tasks_per_probe` between 2 and the {n_tasks} tasks; found {probes} and "
            f"{drawn}."
        )
    with measure() as meter:
        gains = transfer_gains(setting, probes, drawn, meter)
        method = "milp" if n_tasks <= EXACT_TASKS else "auto"
        labels = cluster(gains, setting.n_groups, method=method, seed=setting.search_seed).labels
        trained = train_groups(setting, as_groups(labels), meter)
    return trained.result(setting, "principled_task_grouping", meter.cost)
