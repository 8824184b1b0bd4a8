"""The objective of a grouping, average density, and how moving one task changes it (Grad-TAG, section 4)."""

import numpy as np

Array = np.ndarray


def membership(labels: Array) -> Array:
    """The 0/1 matrix with a row per task and a column per group; `labels` run from 0 without holes."""
    return (labels[:, None] == np.arange(labels.max() + 1)).astype(float)


def group_densities(affinity: Array, labels: Array) -> Array:
    """Per group g, (v_g' T v_g) / (v_g' v_g): the sum of the affinities inside it over its size."""
    members = membership(labels)
    return (members * (affinity @ members)).sum(axis=0) / members.sum(axis=0)


def density(affinity: Array, labels: Array) -> float:
    """Average density D = sum over groups of (v_g' T v_g) / (v_g' v_g), the objective of equation (10)."""
    return float(group_densities(affinity, labels).sum())


def expected_density(affinity: Array, n_groups: int) -> float:
    """The mean density of a random grouping into `n_groups` groups.

    With tasks dealt at random, a group of s tasks has expected density (mean of the diagonal) + (s - 1) (mean
    off the diagonal), so only the number of groups counts, never their sizes.
    """
    n_tasks = len(affinity)
    if n_tasks == 1:
        return float(affinity[0, 0])
    diagonal = float(np.trace(affinity))
    rest = float(affinity.sum()) - diagonal
    return n_groups * diagonal / n_tasks + (n_tasks - n_groups) * rest / (n_tasks * (n_tasks - 1))


def centre(affinity: Array) -> Array:
    """The symmetric matrix C with zero row sums and zero trace that ranks groupings into k groups as T does.

    Adding r1' + 1c' or a multiple of the identity to T adds the same number to the density of every such
    grouping, and with X for the grouping, <T, X> = expected_density(T, k) + <C, X>.
    """
    n_tasks = len(affinity)
    if n_tasks == 1:
        return np.zeros((1, 1))
    symmetric = (affinity + affinity.T) / 2
    means = symmetric.mean(axis=1)
    centred = symmetric - (means[:, None] + means[None, :]) + means.mean()
    projector = np.eye(n_tasks) - 1 / n_tasks
    return centred - np.trace(centred) / (n_tasks - 1) * projector


def move_gains(affinity: Array, labels: Array) -> Array:
    """What moving task i to group b adds to the density (Hartigan's rule), as an (n tasks, n groups) matrix.

    Staying counts zero; moving the only task of a group counts minus infinity: it would empty the group.
    """
    symmetric = (affinity + affinity.T) / 2
    members = membership(labels)
    return _gains(symmetric, labels, symmetric @ members, members.sum(axis=0))


def local_search(affinity: Array, labels: Array) -> Array:
    """Make the best single move until none helps; the groups stay non-empty. Returns new labels.

    A move changes the gains of joining two groups and of leaving them, so only those are computed anew.
    """
    centred = centre(affinity)
    diagonal = np.diag(centred)
    labels = labels.copy()
    sums = centred @ membership(labels)
    joining, leaving = np.empty_like(sums), np.empty(len(labels))

    def refresh(group: int) -> None:
        inside = labels == group
        own, size = sums[:, group], int(inside.sum())
        total = float(own[inside].sum())
        joining[:, group] = (total + 2 * own + diagonal) / (size + 1) - total / size
        joining[inside, group] = -np.inf
        rest = (total - 2 * own[inside] + diagonal[inside]) / max(size - 1, 1)
        leaving[inside] = rest - total / size if size > 1 else -np.inf

    for group in range(sums.shape[1]):
        refresh(group)
    smallest_gain = 1e-12 * len(labels) * float(np.abs(centred).max())
    while True:
        gains = joining + leaving[:, None]
        task, target = (int(index) for index in np.unravel_index(int(gains.argmax()), gains.shape))
        if gains[task, target] <= smallest_gain:
            return labels
        source = int(labels[task])
        labels[task] = target
        sums[:, source] -= centred[:, task]
        sums[:, target] += centred[:, task]
        refresh(source)
        refresh(target)


def fill_groups(affinity: Array, labels: Array, n_groups: int) -> Array:
    """Split off the single task that costs least (or gains most) until there are `n_groups` groups."""
    centred = centre(affinity)
    labels = labels.copy()
    for new_group in range(int(labels.max()) + 1, n_groups):
        members = membership(labels)
        sums, sizes = centred @ members, members.sum(axis=0)
        leaving = _leaving_gains(centred, labels, sums, sizes) + np.diag(centred)
        labels[int(leaving.argmax())] = new_group
    return labels


def _gains(symmetric: Array, labels: Array, sums: Array, sizes: Array) -> Array:
    """`move_gains` from `sums` (affinity of each task with each group) and the group sizes."""
    totals = _totals(labels, sums, len(sizes))
    joining = (totals + 2 * sums + np.diag(symmetric)[:, None]) / (sizes + 1) - totals / sizes
    gains = joining + _leaving_gains(symmetric, labels, sums, sizes)[:, None]
    gains[np.arange(len(labels)), labels] = 0
    return gains


def _leaving_gains(symmetric: Array, labels: Array, sums: Array, sizes: Array) -> Array:
    """What each task's group gains when the task leaves; minus infinity where it is the only one."""
    total, size = _totals(labels, sums, len(sizes))[labels], sizes[labels]
    own = sums[np.arange(len(labels)), labels]
    rest = (total - 2 * own + np.diag(symmetric)) / np.maximum(size - 1, 1)
    return np.where(size > 1, rest - total / size, -np.inf)


def _totals(labels: Array, sums: Array, n_groups: int) -> Array:
    """Per group, the sum of all affinities inside it."""
    own = sums[np.arange(len(labels)), labels]
    return np.bincount(labels, weights=own, minlength=n_groups)
