"""Lloyd's k-means on the rows of an affinity matrix, one of the two comparisons of Grad-TAG, section 4."""

import warnings
from typing import Any

import numpy as np

from gradtag_core.grouping.density import Array, fill_groups

RESTARTS = 10


def lloyd_clustering(affinity: Array, n_groups: int, seed: int = 0) -> Array:
    """k-means++ and Lloyd's steps on the rows of T, by scikit-learn, best of ten restarts.

    Groups that come out empty are filled with the tasks that the density misses least. Returns (n,) labels.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    restarts: Any = RESTARTS  # the annotation of scikit-learn knows only "auto"
    rows = affinity / max(float(np.abs(affinity).max()), np.finfo(float).tiny)  # squares must not overflow
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than groups: filled below
        labels = KMeans(n_groups, n_init=restarts, random_state=seed).fit_predict(rows)
    return fill_groups(affinity, np.unique(labels, return_inverse=True)[1], n_groups)
