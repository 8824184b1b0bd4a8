"""From a solution X of the relaxation to groups: by its eigenvectors, or by the paper's threshold."""

import numpy as np

from gradtag_core.grouping.density import Array, density, fill_groups, local_search

STARTS = 5
KICKS = 30
KICKED_SHARE = 0.25
KICKED_TASKS = 15_000  # kicks times tasks: at most this
ENTRY_ACCURACY = 0.01  # in units of 1/n: how far a solver may leave an entry of X from its exact place


def spectral_rounding(X: Array, affinity: Array, n_groups: int, seed: int = 0) -> Array:
    """Exactly `n_groups` groups from the top eigenvectors of X, scaled by the roots of their eigenvalues.

    Returns (n,) labels; how they are found from the eigenvectors: `round_embedding`.
    """
    n_tasks = len(X)
    if n_groups in (1, n_tasks):
        return np.arange(n_tasks) % n_groups
    values, vectors = np.linalg.eigh(X)
    embedding = vectors[:, -n_groups:] * np.sqrt(np.maximum(values[-n_groups:], 0))
    return round_embedding(embedding, affinity, n_groups, seed)


def round_embedding(embedding: Array, affinity: Array, n_groups: int, seed: int = 0) -> Array:
    """Exactly `n_groups` groups of tasks, given as points, by several starts and a local search on the density.

    k-means++ draws tasks as centres, the nearest centre gives each task its group, and local search on the
    density takes the place of Lloyd's steps. The best of a few such starts is then moved on by iterated local
    search: deal a share of the tasks anew, search again, keep what is better. The larger the problem, the
    fewer such kicks. `embedding`: (n, dimensions). Returns (n,) labels.
    """
    from sklearn.cluster import kmeans_plusplus

    n_tasks = len(embedding)
    random = np.random.RandomState(seed)

    def improved(labels: Array) -> tuple[float, Array]:
        filled = fill_groups(affinity, np.unique(labels, return_inverse=True)[1], n_groups)
        found = local_search(affinity, filled)
        return density(affinity, found), found

    best = (-np.inf, np.zeros(0))
    for _ in range(STARTS):
        centres, _ = kmeans_plusplus(embedding, n_groups, random_state=random)
        distances = (centres**2).sum(axis=1) - 2 * embedding @ centres.T
        best = max(best, improved(distances.argmin(axis=1)), key=_density)
    kicked = max(2, round(KICKED_SHARE * n_tasks))
    for _ in range(min(KICKS, KICKED_TASKS // n_tasks)):
        labels = best[1].copy()
        labels[random.choice(n_tasks, kicked, replace=False)] = random.randint(n_groups, size=kicked)
        best = max(best, improved(labels), key=_density)
    return best[1]


def threshold_rounding(X: Array, threshold: float) -> Array:
    """Tasks u and v share a group if X[u, v] >= threshold (Grad-TAG, section 4); so do chains of such pairs.

    An entry that misses the threshold by less than the solver's accuracy counts as reaching it. The number of
    groups follows from X and the threshold. Returns (n,) labels.
    """
    from scipy.sparse.csgraph import connected_components

    return connected_components(threshold - ENTRY_ACCURACY / len(X) <= X, directed=False)[1]


def search_threshold(X: Array, n_groups: int) -> float:
    """The threshold in [1/n, 10/n] (at most 1) whose number of groups is `n_groups` or else the closest.

    The number of groups rises with the threshold and changes only where single linkage merges: between two
    such values of X it is constant, so trying the middle of each stretch tries all there is. Stretches
    shorter than the solver's accuracy are its noise and come last. Of two equally close counts, the smaller
    is taken.
    """
    from scipy.cluster.hierarchy import linkage

    n_tasks = len(X)
    accuracy = ENTRY_ACCURACY / n_tasks
    lowest, highest = 1 / n_tasks, min(1.0, 10 / n_tasks)
    if n_tasks == 1:
        return highest
    similarity = X[np.triu_indices(n_tasks, 1)]
    top = float(similarity.max())
    merges = np.sort(top - linkage(top - similarity, "single")[:, 2])
    edges = np.concatenate([[-np.inf], merges + accuracy, [np.inf]])
    starts, ends = np.maximum(edges[:-1], lowest), np.minimum(edges[1:], highest)
    # A threshold above as many merges as the index of its stretch leaves one group more than that.
    possible = np.flatnonzero(starts <= ends)
    clear = possible[np.diff(edges)[possible] > accuracy]
    stretches = clear if len(clear) else possible
    closest = stretches[np.abs(stretches + 1 - n_groups).argmin()]
    return float(starts[closest] + ends[closest]) / 2


def _density(found: tuple[float, Array]) -> float:
    return found[0]
