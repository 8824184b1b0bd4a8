"""A proven upper limit on the density of any grouping into k groups."""

import sys

import numpy as np

from gradtag_core.grouping.density import Array, centre, expected_density


def upper_bound(affinity: Array, n_groups: int, dual: Array | None = None) -> float:
    """No grouping into `n_groups` groups, and no feasible X of equation (10), has a larger density.

    Weak duality: a feasible X is ee'/n + V with V e = 0 and, as X is non-negative with unit row sums,
    eigenvalues of V in [0, 1] that sum to k - 1. So for the centred affinity C and any symmetric N >= 0,
    <C, X> <= <C + N, X> <= e'Ne/n + the sum of the k - 1 largest eigenvalues of C + N orthogonal to e.
    `dual` is N, in units of the affinity (None: 0); a poor one loosens the limit and cannot break it. What
    floating point may lose is added.
    """
    n_tasks = len(affinity)
    nonnegative = np.zeros_like(affinity) if dual is None else np.maximum((dual + dual.T) / 2, 0)
    matrix = centre(affinity) + nonnegative
    means = matrix.mean(axis=1)
    norm = float(np.linalg.norm(matrix))
    # Entry by entry, -norm/n moves the eigenvalue of e to -norm, below all others.
    inside = matrix - (means[:, None] + means[None, :]) + means.mean() - norm / n_tasks
    largest = np.linalg.eigvalsh(inside)[::-1][: n_groups - 1]
    lost = sys.float_info.epsilon * n_tasks * (n_groups * norm + 8 * float(np.abs(affinity).max()))
    limit = float(nonnegative.sum()) / n_tasks + float(largest.sum()) + lost
    return expected_density(affinity, n_groups) + limit
