"""Spectral clustering of an affinity matrix, one of the two comparisons of Grad-TAG, section 4."""

import warnings

import numpy as np

from gradtag_core.grouping.density import Array, fill_groups

SMALLEST_SHARE = 1e-9


def spectral_clustering(affinity: Array, n_groups: int, seed: int = 0) -> Array:
    """Normalised-cut spectral clustering of sym(T) by scikit-learn (Shi and Malik 2000).

    It is not defined for negative affinities: where there are any, the smallest one is subtracted from all.
    A negligible number on top keeps the graph connected. Groups that come out empty are filled with the tasks
    that the density misses least. Returns (n,) labels.
    """
    from sklearn.cluster import SpectralClustering
    from sklearn.exceptions import ConvergenceWarning

    n_tasks = len(affinity)
    if n_groups in (1, n_tasks):
        return np.arange(n_tasks) % n_groups
    similarity = (affinity + affinity.T) / 2
    similarity = similarity - min(0.0, float(similarity.min()))
    similarity = similarity / max(float(similarity.max()), np.finfo(float).tiny) + SMALLEST_SHARE
    method = SpectralClustering(n_groups, affinity="precomputed", random_state=seed, assign_labels="kmeans")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than groups: filled below
        labels = method.fit_predict(similarity)
    return fill_groups(affinity, np.unique(labels, return_inverse=True)[1], n_groups)
