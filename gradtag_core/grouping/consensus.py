"""How firmly any grouping holds under resampling, from how often two tasks share a group (Monti et al. 2003)."""

import numpy as np

from gradtag_core.grouping.density import Array, membership


def item_consensus(consensus: Array, labels: Array) -> Array:
    """(n,) mean consensus of each task with the others of its group; NaN for a task alone.

    `consensus`: (n, n) share of resamples in which two tasks share a group, as in `stability.Stability`;
    `labels` may be those of any grouping, such as one made by hand.
    """
    members = membership(labels)
    others = members.sum(axis=0)[labels] - 1
    shared = (consensus @ members)[np.arange(len(labels)), labels] - np.diag(consensus)
    return np.divide(shared, others, out=np.full(len(labels), np.nan), where=others > 0)


def group_consensus(consensus: Array, labels: Array) -> Array:
    """(k,) mean consensus of the pairs inside each group; NaN for a group of one."""
    items = item_consensus(consensus, labels)
    return membership(labels).T @ np.nan_to_num(items) / _sizes_or_nan(labels)


def _sizes_or_nan(labels: Array) -> Array:
    sizes = np.bincount(labels).astype(float)
    return np.where(sizes > 1, sizes, np.nan)
