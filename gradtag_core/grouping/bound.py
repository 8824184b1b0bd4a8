"""A proven upper limit on the density of any grouping, into a given number of groups or at a price per group."""

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
    eigenvalues, total, lost = _inside_spectrum(affinity, dual)
    largest = float(eigenvalues[::-1][: n_groups - 1].sum())
    return expected_density(affinity, n_groups) + total + largest + n_groups * lost


def penalised_bound(affinity: Array, penalty: float, dual: Array | None = None) -> float:
    """No grouping into any number k of groups has a larger (density - `penalty` k).

    As `upper_bound`, but with k free each eigenvalue orthogonal to e counts where it exceeds its price; the
    density of a random grouping is affine in k and enters that price.
    """
    eigenvalues, total, lost = _inside_spectrum(affinity, dual)
    first = expected_density(affinity, 1)
    price = penalty - group_worth(affinity)
    worth_it = float(np.maximum(eigenvalues - price, 0).sum())
    return first - penalty + total + worth_it + len(affinity) * (lost + sys.float_info.epsilon * abs(price))


def group_worth(affinity: Array) -> float:
    """What one more group adds to the density of a random grouping: its slope in the number of groups."""
    return 0.0 if len(affinity) == 1 else expected_density(affinity, 2) - expected_density(affinity, 1)


def _inside_spectrum(affinity: Array, dual: Array | None) -> tuple[Array, float, float]:
    """The n - 1 eigenvalues of C + N orthogonal to e, ascending; e'Ne/n; rounding errors per eigenvalue."""
    n_tasks = len(affinity)
    nonnegative = np.zeros_like(affinity) if dual is None else np.maximum((dual + dual.T) / 2, 0)
    matrix = centre(affinity) + nonnegative
    means = matrix.mean(axis=1)
    norm = float(np.linalg.norm(matrix))
    # Entry by entry, -norm/n moves the eigenvalue of e to -norm, below all others.
    inside = matrix - (means[:, None] + means[None, :]) + means.mean() - norm / n_tasks
    lost = sys.float_info.epsilon * n_tasks * (norm + 8 * float(np.abs(affinity).max()))
    return np.linalg.eigvalsh(inside)[1:], float(nonnegative.sum()) / n_tasks, lost
