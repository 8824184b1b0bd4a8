"""Which groups to train when each task is served by its best one: the last step of TAG, HOA and ETAP."""

from collections.abc import Callable, Sequence
from math import ceil

import numpy as np

from gradtag_core.affinity.subsets import Subset
from gradtag_core.grouping.cluster import cluster
from gradtag_core.grouping.selection import Selection, all_groups, pair_scores, select_groups

EXACT_TASKS = 12  # up to here every group is a candidate: 4,095 of them
LARGEST_SHARE = 2  # beyond, groups are grown to at most this many times the mean size
SECONDS = 30.0

GroupScores = Callable[[Sequence[Subset]], list[np.ndarray]]  # of each task of each group


def choose_groups(
    affinity: np.ndarray, n_groups: int, task_names: Sequence[str], *, singletons: bool, seed: int,
    score: GroupScores | None = None,
) -> Selection:  # fmt: skip
    """At most `n_groups` groups, which may overlap, with the largest sum of the tasks' mean affinities T[i, j] to the
    others of the group that serves them.

    Exact among all groups up to `EXACT_TASKS` tasks. Beyond that, where the published searches cannot run, exact among
    candidates only: groups grown greedily from every task, and those of the densest partition. `singletons`: whether
    a task may be alone, its score being the diagonal. `score` stands in for the mean affinities.
    """
    n_tasks = len(affinity)
    least = 1 if singletons or n_tasks == 1 else 2
    if n_tasks <= EXACT_TASKS:
        candidates = all_groups(n_tasks, least)
    else:
        candidates = _grown(affinity, least, ceil(LARGEST_SHARE * n_tasks / n_groups))
        candidates |= _partition(affinity, n_groups, least, seed)
        candidates = sorted(candidates, key=lambda group: (len(group), group))
    scores = score(candidates) if score else [pair_scores(affinity, group) for group in candidates]
    return select_groups(candidates, scores, task_names, max_groups=n_groups, seconds=SECONDS)


def _grown(affinity: np.ndarray, least: int, largest: int) -> set[Subset]:
    """From each task, the groups that arise by adding the task with the best mean score of all members."""
    n_tasks = len(affinity)
    both = affinity + affinity.T
    found: set[Subset] = set()
    for start in range(n_tasks):
        members, ties = [start], both[start].copy()
        for size in range(1, min(largest, n_tasks) + 1):
            if size >= least:
                found.add(tuple(sorted(members)))
            ties[members] = -np.inf
            nearest = int(np.argmax(ties))
            members.append(nearest)
            ties = ties + both[nearest]
    return found


def _partition(affinity: np.ndarray, n_groups: int, least: int, seed: int) -> set[Subset]:
    """The groups of the densest partition, which hold every task; a lone one that may not be gets its best partner."""
    labels = cluster(affinity, n_groups, method="local", seed=seed).labels
    found: set[Subset] = set()
    for label in range(int(labels.max()) + 1):
        members = np.flatnonzero(labels == label).tolist()
        if len(members) < least:
            towards = affinity[members[0]].copy()
            towards[members[0]] = -np.inf
            members.append(int(np.argmax(towards)))
        found.add(tuple(sorted(members)))
    return found
