"""Groups without a relaxation: eigenvectors of the affinity itself, then local search on the density."""

from typing import Any

import numpy as np

from gradtag_core.grouping.density import Array, centre
from gradtag_core.grouping.rounding import round_embedding

LANCZOS_TASKS = 800
LANCZOS_ACCURACY = 1e-4


def local_grouping(affinity: Array, n_groups: int, seed: int = 0) -> Array:
    """Exactly `n_groups` groups from the k - 1 top eigenvectors of the centred affinity and local search.

    These eigenvectors span the X of equation (10) that ignores X >= 0. Returns (n,) labels.
    """
    n_tasks = len(affinity)
    if n_groups in (1, n_tasks):
        return np.arange(n_tasks) % n_groups
    values, vectors = _top(centre(affinity), n_groups - 1)
    return round_embedding(vectors * np.sqrt(np.maximum(values, 0)), affinity, n_groups, seed)


def _top(centred: Array, count: int) -> tuple[Array, Array]:
    """The largest eigenvalues and their vectors; by Lanczos where only few of many are wanted."""
    n_tasks = len(centred)
    if n_tasks > LANCZOS_TASKS and count < n_tasks // 20:
        from scipy.sparse.linalg import ArpackNoConvergence, eigsh

        accuracy: Any = {"tol": LANCZOS_ACCURACY}
        start = np.random.RandomState(0).normal(size=n_tasks)
        try:
            found: Any = eigsh(centred, k=count, which="LA", v0=start, **accuracy)
            return found
        except ArpackNoConvergence as stopped:  # starting points need no more accuracy than it reached
            if len(stopped.eigenvalues):
                return stopped.eigenvalues, stopped.eigenvectors
    values, vectors = np.linalg.eigh(centred)
    return values[-count:], vectors[:, -count:]
