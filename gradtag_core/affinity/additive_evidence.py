"""The marginal likelihood of the additive model, its largest point, and the posterior there (see `additive`)."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

MAX_EVALUATIONS = 60
START_VARIANCES = (0.8, 0.02, 0.02)  # noise, own, helpfulness; each hint starts like helpfulness
LOG_BOUNDS = (-12.0, 4.0)
LOG_SPREAD = 2.0  # of a variance about its start, before data: few data must not drive a variance to nothing
DIRECTIONS_AT_ONCE = 4096  # whose scaled copy is held


@dataclass(frozen=True)
class Evidence:
    """The data of every task in the eigenbasis of its own design X_i (scores, n), all tasks' directions side by side.

    Task i has the directions from `bounds[i]` to `bounds[i + 1]`, N in all: `energy` (N,) the eigenvalues of X_iᵀX_i,
    `basis` (n, N) its eigenvectors, `pull` (N,) = basisᵀ X_iᵀ y_i. `size`: how many scores, `square`: Σ y²;
    `hints` (n, n, h). What no direction reaches keeps its prior.
    """

    bounds: np.ndarray
    energy: np.ndarray
    basis: np.ndarray
    pull: np.ndarray
    size: float
    square: float
    hints: np.ndarray

    @property
    def n_shared(self) -> int:
        """Unknowns that all tasks share: one helpfulness per task and one weight per hint."""
        return len(self.basis) + self.hints.shape[2]

    def maximise(self) -> tuple[np.ndarray, float]:
        """The variances (noise, own, helpfulness, hints...) of largest marginal likelihood, and the FLOPs.

        An evaluation takes two symmetric products of all directions (q² N each, of q shared unknowns), a Cholesky
        factor (q³ / 3) and an inverse (2 q³).
        """
        from scipy.optimize import minimize  # half a second to import, which pages must not wait for

        start = np.log([*START_VARIANCES, *([START_VARIANCES[2]] * self.hints.shape[2])])

        def loss(log_variances: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = self.negative_log(np.exp(log_variances))
            distance = (log_variances - start) / LOG_SPREAD
            return value + float(distance @ distance) / 2, gradient + distance / LOG_SPREAD

        found = minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=[LOG_BOUNDS] * len(start),
            options={"maxfun": MAX_EVALUATIONS},
        )  # fmt: skip
        per_evaluation = 2.0 * self.n_shared**2 * len(self.energy) + 7 / 3 * self.n_shared**3
        return np.exp(found.x), found.nfev * per_evaluation

    def negative_log(self, variances: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the log density of the scores, without its constant, and the gradient by the variances' logarithms."""
        from scipy.linalg import cho_solve

        noise, own = variances[:2]
        weight = 1 / (noise + own * self.energy)
        gram = self._gram(weight)
        factor, right, prior = self._shared(variances, weight, gram)
        shared = cho_solve((factor, True), right)
        covariance = cho_solve((factor, True), np.eye(len(right)))

        explained = float(np.sum(weight * self.pull**2))
        misfit = (self.square - own * explained) / noise - float(right @ shared)
        volume = (
            self.size * np.log(noise)
            + np.log1p(own * self.energy / noise).sum()
            + 2 * np.log(np.diagonal(factor)).sum()
            + np.log(prior).sum()
        )
        # By the noise and by the own part, whose share of the Gram matrix is what the noise's share leaves.
        by_precision = covariance + np.outer(shared, shared)
        toward, steep = self._load(shared), weight**2
        of_noise = noise * np.sum(by_precision * self._gram(steep))
        of_own = np.sum(by_precision * gram) - of_noise
        by_noise = (
            self.size - np.sum(own * self.energy * weight) - of_noise
            - (self.square - own * explained) / noise
            + np.sum(steep * self.pull * (own * self.pull + 2 * noise * toward))
        )  # fmt: skip
        by_own = (
            np.sum(own * self.energy * weight) - of_own
            - own * np.sum(steep * self.pull * (self.pull - 2 * self.energy * toward))
        )  # fmt: skip
        by_prior = 1 - np.diagonal(by_precision) / prior
        n_tasks = len(self.basis)
        gradient = np.array([by_noise, by_own, by_prior[:n_tasks].sum(), *by_prior[n_tasks:]])
        return float(misfit + volume) / 2, gradient / 2

    def posterior(self, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """The mean of every cell B[i, j] and the standard deviation of its distance from the mean of its row, diagonal
        zero and left out, (n, n) each; and the FLOPs: q² N + q³ / 3 + 2 n q N + n² q²."""
        from scipy.linalg import cho_solve, solve_triangular

        own, weight = variances[1], 1 / (variances[0] + variances[1] * self.energy)
        factor, right, _ = self._shared(variances, weight, self._gram(weight))
        shared = cho_solve((factor, True), right)
        shrink = own * self.energy * weight
        n_tasks, n_shared = len(self.basis), self.n_shared
        mean, deviation = np.empty((n_tasks, n_tasks)), np.empty((n_tasks, n_tasks))
        for i, part in enumerate(self._directions()):
            basis = self.basis[:, part]
            # What task i's own data leave to the shared part.
            left = np.concatenate([np.eye(n_tasks), self.hints[i]], axis=1)
            shrunk = basis * shrink[part]
            left[:, :n_tasks] -= shrunk @ basis.T
            left[:, n_tasks:] -= shrunk @ self._hint_basis[:, part].T
            mean[i] = basis @ (own * weight * self.pull)[part] + left @ shared
            spread = solve_triangular(factor, _less_mean_of_others(left, i).T, lower=True)
            free = own * (1 - 1 / (n_tasks - 1))
            free = free - own * (_less_mean_of_others(basis, i) ** 2 @ shrink[part])
            deviation[i] = np.sqrt(np.maximum(free + (spread**2).sum(0), 0.0))
        np.fill_diagonal(mean, 0.0)
        np.fill_diagonal(deviation, 0.0)
        products = (n_shared**2 + 2.0 * n_tasks * n_shared) * len(self.energy)
        return mean, deviation, products + n_shared**3 / 3 + float(n_tasks * n_shared) ** 2

    def _shared(
        self, variances: np.ndarray, weight: np.ndarray, gram: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The factor of the posterior precision of the shared unknowns (q, q), its right hand side and their prior
        variances (q,); each task's own part is integrated out."""
        prior = np.concatenate([np.full(len(self.basis), variances[2]), variances[3:]])
        precision = gram.copy()
        precision[np.diag_indices_from(precision)] += 1 / prior
        pulled = weight * self.pull
        right = np.concatenate([self.basis @ pulled, self._hint_basis @ pulled])
        return np.linalg.cholesky(precision), right, prior

    def _gram(self, weight: np.ndarray) -> np.ndarray:
        """D diag(energy · weight) Dᵀ of the loads D (q, N) of the shared unknowns on all directions."""
        gram = np.zeros((self.n_shared, self.n_shared))
        scale = np.sqrt(self.energy * weight)
        for start in range(0, len(self.energy), DIRECTIONS_AT_ONCE):
            part = slice(start, start + DIRECTIONS_AT_ONCE)
            scaled = np.concatenate([self.basis[:, part], self._hint_basis[:, part]])
            scaled *= scale[part]
            gram += scaled @ scaled.T  # half the work of a general product: NumPy sees the symmetry
        return gram

    @cached_property
    def _hint_basis(self) -> np.ndarray:
        """What every hint puts on every direction: (h, N)."""
        projected = np.empty((self.hints.shape[2], len(self.energy)))
        for task, own in enumerate(self._directions()):
            projected[:, own] = self.hints[task].T @ self.basis[:, own]
        return projected

    def _load(self, shared: np.ndarray) -> np.ndarray:
        """What the shared unknowns put on every direction: (N,)."""
        n_tasks = len(self.basis)
        return shared[:n_tasks] @ self.basis + shared[n_tasks:] @ self._hint_basis

    def _directions(self) -> list[slice]:
        return [slice(*pair) for pair in pairwise(self.bounds.tolist())]


def _less_mean_of_others(rows: np.ndarray, task: int) -> np.ndarray:
    """Each row (n, ...) less the mean of the rows of all tasks but one."""
    return rows - (rows.sum(0) - rows[task]) / (len(rows) - 1)
