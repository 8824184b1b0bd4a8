"""The relaxation of grouping by a first-order method made for it: two-block ADMM with a proven gap."""

import time
from dataclasses import dataclass

import numpy as np

from gradtag_core.grouping.bound import penalised_bound, upper_bound
from gradtag_core.grouping.density import Array
from gradtag_core.grouping.feasible import mean_grouping, nearest_feasible

OVER_RELAXATION = 1.6
FIRST_STEP = 4.0
CHECK_EVERY = 20
SMALLEST_LEAD = 1e-4  # of the spectral norm: a smaller lead over a random grouping counts as this much
PARTIAL_SHARE = 0.1  # below this share of wanted eigenvectors, computing only those is faster
SINGLE_PRECISION_TASKS = 50
SINGLE_PRECISION_TOLERANCE = 5e-4


@dataclass(frozen=True, eq=False)
class AdmmSolution:
    """`X`: (n, n) feasible to rounding errors. `dual`: (n, n) multiplier N >= 0 of X >= 0.

    `gap`: (bound from N - value of X) / that bound, both counted from the mean over random groupings.
    """

    X: Array
    dual: Array
    gap: float
    iterations: int


def solve_admm(
    centred: Array,
    n_groups: int | None,
    *,
    penalty: float,
    tolerance: float,
    max_iterations: int,
    seconds: float = float("inf"),
) -> AdmmSolution:
    """Maximise <C, X> over X e = e, tr X = k, X >= 0, X psd, until the proven gap is at most `tolerance`.

    The psd block projects eigenvalues of J/n + V, V e = 0, onto [0, 1] with sum k - 1; the other block clips
    at 0 (Boyd et al. 2011, sections 3 and 5). `centred`: C of spectral norm 1 with zero row sums and trace.
    `n_groups` None: k is free and <C, X> - `penalty` tr X is maximised. Large problems whose tolerance allows
    it run in single precision; bound and X are always in double. Stops early after `max_iterations` or `seconds`.
    """
    n_tasks, deadline = len(centred), time.perf_counter() + seconds
    single = n_tasks > SINGLE_PRECISION_TASKS and tolerance >= SINGLE_PRECISION_TOLERANCE
    objective = centred.astype(np.float32 if single else np.float64)
    clipped = mean_grouping(n_tasks, 2 if n_groups is None else n_groups).astype(objective.dtype)
    multiplier = np.zeros_like(objective)
    step, wanted, best, iteration = FIRST_STEP, n_tasks, _Best(centred, n_groups, penalty), 0
    for iteration in range(1, max_iterations + 1):
        point = clipped - multiplier + objective / objective.dtype.type(step)
        X, wanted = _project(point, n_groups, penalty / step, wanted)
        previous = clipped
        moved = OVER_RELAXATION * X + (1 - OVER_RELAXATION) * clipped + multiplier
        clipped = np.maximum(moved, 0)
        multiplier = moved - clipped
        late = time.perf_counter() > deadline
        if iteration % CHECK_EVERY and iteration < max_iterations and not late:
            continue
        best.look(X.astype(np.float64), -step * np.minimum(multiplier, 0).astype(np.float64))
        if best.gap <= tolerance or late:
            break
        factor = _step_factor(X - clipped, clipped - previous, X, multiplier)
        step *= factor
        multiplier /= objective.dtype.type(factor)
    return AdmmSolution(best.X, best.dual, best.gap, iteration)


class _Best:
    """The feasible X of highest value and the multiplier of lowest bound so far."""

    def __init__(self, centred: Array, n_groups: int | None, penalty: float):
        self.centred, self.n_groups, self.penalty = centred, n_groups, penalty
        self.X = mean_grouping(len(centred), n_groups or 1)
        self.dual = np.zeros_like(centred)
        self.value, self.bound = 0.0, np.inf  # both without the constant penalty of the first group

    def look(self, X: Array, dual: Array) -> None:
        if self.n_groups is None:
            bound = penalised_bound(self.centred, self.penalty, dual) + self.penalty
        else:
            bound = upper_bound(self.centred, self.n_groups, dual)
        if bound < self.bound:
            self.bound, self.dual = bound, dual
        for feasible in nearest_feasible(X, self.n_groups):
            value = float((self.centred * feasible).sum()) - self.penalty * (float(np.trace(feasible)) - 1)
            if value > self.value:
                self.value, self.X = value, feasible

    @property
    def gap(self) -> float:
        return max(0.0, self.bound - self.value) / max(self.bound, SMALLEST_LEAD)


def _project(point: Array, n_groups: int | None, penalty: float, wanted: int) -> tuple[Array, int]:
    """The nearest J/n + V with V psd, V e = 0 and eigenvalues as asked, and how many to want next time."""
    from scipy.linalg import eigh

    n_tasks = len(point)
    # Double centring, and the eigenvalue of e moved below all others: not further, which would cost digits.
    below = (float(np.linalg.norm(point)) + 1) / n_tasks
    means = point.mean(axis=1)
    shift = means - (means.mean() - below) / 2
    point -= shift[:, None]
    point -= shift[None, :]
    partial = wanted <= PARTIAL_SHARE * n_tasks
    if partial:
        subset = (n_tasks - wanted, n_tasks - 1)
        values, vectors = eigh(point, subset_by_index=subset, driver="evr", check_finite=False)
        eigenvalues = _onto_spectrum(values.astype(np.float64), n_groups, penalty)
        partial = eigenvalues[0] <= 0  # otherwise more may survive than were computed
    if not partial:
        values, vectors = eigh(point, driver="evd", check_finite=False)
        eigenvalues = _onto_spectrum(values[1:].astype(np.float64), n_groups, penalty)
        vectors = vectors[:, 1:]
    kept = np.asarray(eigenvalues > 0)
    root = vectors[:, kept] * np.sqrt(eigenvalues[kept]).astype(point.dtype)
    X = root @ root.T
    X += point.dtype.type(1 / n_tasks)
    return X, int(kept.sum()) + 5


def _onto_spectrum(values: Array, n_groups: int | None, penalty: float) -> Array:
    """The nearest numbers in [0, 1] with sum k - 1, or with k free those of the penalised problem."""
    if n_groups is None:
        return np.clip(values - penalty, 0, 1)
    total = n_groups - 1
    ends = np.sort(np.concatenate([values, values - 1]))
    low, high = 0, len(ends) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if np.clip(values - ends[middle], 0, 1).sum() >= total:
            low = middle
        else:
            high = middle
    at_low, at_high = (float(np.clip(values - ends[end], 0, 1).sum()) for end in (low, high))
    share = (at_low - total) / (at_low - at_high) if at_low > at_high else 0.0
    return np.clip(values - (ends[low] + share * (ends[high] - ends[low])), 0, 1)


def _step_factor(primal: Array, dual: Array, X: Array, multiplier: Array) -> float:
    """Double the step where X >= 0 lags behind, halve it where the bound does (Boyd et al. 2011, section 3.4.1)."""
    violation = float(np.linalg.norm(primal) / np.linalg.norm(X))
    change = float(np.linalg.norm(dual)) / max(float(np.linalg.norm(multiplier)), 1e-12)
    if violation > change:  # X lags behind the bound, so it comes first
        return 2.0
    return 0.5 if change > 8 * violation else 1.0
