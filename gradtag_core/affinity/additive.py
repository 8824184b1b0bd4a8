"""An additive model of subset scores, fitted by empirical Bayes: it joins a few real trainings with free hints.

For task i in subset S, in units of the spread of task i's scores,

    f(S, i) = level_i + sum over j in S, j != i of B[i, j] + noise,    noise ~ N(0, σ²)
    B[i, j] = helpfulness_j + sum over hints of weight_h · hint_h[i, j] + own_ij

with normal priors on `helpfulness` (shared by all tasks), on the weights and on the cells' `own` part, whose variances
maximise the marginal likelihood under a wide log-normal prior (MacKay 1992, "Bayesian interpolation"). With the
gradient estimate as a hint this is a ridge regression on subset indicators with the estimate as prior mean; without
hints it is the linear surrogate of task modelling (arXiv 2303.14582) with a shared column effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import Metric
from gradtag_core.errors import InvalidInput

MAX_EVALUATIONS = 60
START_VARIANCES = (0.8, 0.02, 0.02)  # noise, own, helpfulness; each hint starts like helpfulness
LOG_BOUNDS = (-12.0, 4.0)
LOG_SPREAD = 2.0  # of a variance about its start, before data: few data must not drive a variance to nothing
ROUNDING = 1e-12  # of a level: a smaller spread is none


@dataclass(frozen=True)
class AdditiveFit:
    """`effects[i, j]`: what co-task j adds to the score of task i, in the metric's unit, diagonal zero;
    `standard_errors`: the posterior's, of an effect relative to the mean of its row, which is what ranks co-tasks.
    `levels` (n,): the mean score of each task over its training subsets, and `presence[i, j]`: the share of those that
    held j. `noise` (n,): the spread of a score about the model. `variances`: of noise, own, helpfulness and each
    hint's weight, relative to the spread of a task's scores.
    """

    levels: np.ndarray
    presence: np.ndarray
    effects: np.ndarray
    standard_errors: np.ndarray
    noise: np.ndarray
    variances: dict[str, float]
    flops: float

    def predict(self, subsets: Sequence[Subset]) -> np.ndarray:
        """f(S, i) for each task of each subset, in order: (sum of sizes,)."""
        membership, task = _membership(subsets, len(self.levels))
        absent = np.einsum("ij,ij->i", self.presence, self.effects)
        return self.levels[task] - absent[task] + np.einsum("ej,ej->e", membership, self.effects[task])


def fit_additive(scores: SubsetScores, metric: Metric, hints: dict[str, np.ndarray]) -> AdditiveFit:
    """Fit the model to scores of trained subsets, averaged over their seeds; `hints` (n, n) by name, in any unit.

    Hints are centred and scaled row by row, since only the order of co-tasks matters; rows that do not vary say
    nothing. Raises `InvalidInput` when no task was scored twice.
    """
    table = scores.mean_over_seeds()
    task = table["task"].to_numpy()
    value = table[metric].to_numpy(dtype=np.float64)
    n_tasks = len(scores.task_names)
    members = np.zeros((len(scores.subsets), n_tasks))
    for index, subset in enumerate(scores.subsets):
        members[index, list(subset)] = 1.0
    membership = members[table["subset"].to_numpy()]
    membership[np.arange(len(task)), task] = 0.0

    counts = np.bincount(task, minlength=n_tasks)
    if counts.max(initial=0) < 2:
        raise InvalidInput(
            "The trained subsets must score some task twice or more; "
            f"found {len(scores.subsets)} subsets, no two with a task in common."
        )
    levels = np.array([value[task == i].mean() if counts[i] else value.mean() for i in range(n_tasks)])
    spread = np.array([value[task == i].std() if counts[i] > 1 else 0.0 for i in range(n_tasks)])
    spread[spread <= ROUNDING * np.abs(levels)] = 0.0  # a mean may miss its equal scores by a rounding
    presence = np.stack(
        [membership[task == i].mean(0) if counts[i] else np.zeros(n_tasks) for i in range(n_tasks)]
    )
    scale = np.where(spread > 0, spread, np.median(spread[spread > 0]) if (spread > 0).any() else 1.0)
    evidence = _Evidence.of(
        task, (value - levels[task]) / scale[task], membership - presence[task], _standard(hints, n_tasks)
    )
    variances, flops = evidence.maximise()
    effects, errors = evidence.posterior(variances)
    names = ("noise", "own", "helpfulness", *hints)
    return AdditiveFit(
        levels, presence, effects * scale[:, None], errors * scale[:, None],
        scale * float(variances[0]) ** 0.5, dict(zip(names, variances.tolist(), strict=True)), flops,
    )  # fmt: skip


@dataclass(frozen=True)
class _Evidence:
    """The data of every task in the eigenbasis of its own design X_i, at most r directions (the rest sees no data).

    With A_i = [identity, hints of task i] (n, q): `energy` (n, r) the eigenvalues of X_iᵀX_i, `basis` (n, n, r),
    `pull` (n, r) = basisᵀ X_iᵀ y_i, `size` (n,) scores, `square` = Σ y². Cells of a task that no data reach keep
    their prior.
    """

    energy: Tensor
    basis: Tensor
    pull: Tensor
    size: Tensor
    square: float
    hints: Tensor  # (n, n, h)

    @classmethod
    def of(cls, task: np.ndarray, y: np.ndarray, x: np.ndarray, hints: np.ndarray) -> "_Evidence":
        n_tasks = x.shape[1]
        sizes = np.bincount(task, minlength=n_tasks)
        rank = int(min(n_tasks, sizes.max()))
        energy, pull = np.zeros((n_tasks, rank)), np.zeros((n_tasks, rank))
        basis = np.zeros((n_tasks, n_tasks, rank))
        for i in range(n_tasks):
            own = task == i
            if not own.any():
                continue
            left, singular, right = np.linalg.svd(x[own], full_matrices=False)
            found = len(singular)
            energy[i, :found] = singular**2
            basis[i, :, :found] = right.T
            pull[i, :found] = singular * (left.T @ y[own])
        tensor = torch.from_numpy
        return cls(
            tensor(energy), tensor(basis), tensor(pull), tensor(sizes.astype(np.float64)), float(y @ y),
            tensor(hints),
        )  # fmt: skip

    @property
    def n_shared(self) -> int:
        """Unknowns that all tasks share: one helpfulness per task and one weight per hint."""
        return self.basis.shape[1] + self.hints.shape[2]

    def maximise(self) -> tuple[Tensor, float]:
        """The variances (noise, own, helpfulness, hints...) of largest marginal likelihood, and the FLOPs."""
        from scipy.optimize import minimize  # half a second to import, which pages must not wait for

        n_hints = self.hints.shape[2]
        start = np.log(np.array([*START_VARIANCES, *([START_VARIANCES[2]] * n_hints)]))

        def loss(log_variances: np.ndarray) -> tuple[float, np.ndarray]:
            point = torch.tensor(log_variances, dtype=torch.float64, requires_grad=True)
            surprise = ((point - torch.from_numpy(start)) / LOG_SPREAD).square().sum() / 2
            value = self._negative_log_evidence(point.exp()) + surprise
            value.backward()
            gradient = point.grad
            return float(value.detach()), np.zeros(len(start)) if gradient is None else gradient.numpy()

        found = minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=[LOG_BOUNDS] * len(start),
            options={"maxfun": MAX_EVALUATIONS},
        )  # fmt: skip
        n_tasks, rank = self.energy.shape
        per_evaluation = 6.0 * n_tasks * rank * self.n_shared**2 + self.n_shared**3
        return torch.from_numpy(np.exp(found.x)), found.nfev * per_evaluation

    def _shared(self, variances: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Design of the shared unknowns in the eigenbases (n, r, q), their posterior precision's factor, its right
        hand side, and their prior variances; each task's own part is integrated out."""
        noise, own, helpfulness, hints = variances[0], variances[1], variances[2], variances[3:]
        prior = torch.cat([helpfulness.expand(self.basis.shape[1]), hints])
        design = torch.cat([self.basis, self.basis.transpose(1, 2).bmm(self.hints).transpose(1, 2)], dim=1)
        weight = 1 / (noise + own * self.energy)
        scaled = (design * (self.energy.sqrt() * weight.sqrt())[:, None]).transpose(0, 1).flatten(1)
        factor = torch.linalg.cholesky(torch.diag(1 / prior) + scaled @ scaled.T)
        return design, factor, torch.einsum("iqb,ib->q", design, weight * self.pull), prior

    def _negative_log_evidence(self, variances: Tensor) -> Tensor:
        noise, own = variances[0], variances[1]
        _, factor, right, prior = self._shared(variances)
        weight = 1 / (noise + own * self.energy)
        fit = torch.linalg.solve_triangular(factor, right[:, None], upper=False).square().sum()
        misfit = (self.square - (own * weight * self.pull**2).sum()) / noise - fit
        volume = (
            self.size.sum() * noise.log()
            + torch.log1p(own * self.energy / noise).sum()
            + 2 * factor.diagonal().log().sum()
            + prior.log().sum()
        )
        return (misfit + volume) / 2

    def posterior(self, variances: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """The mean of every cell B[i, j] and the standard deviation of its distance from the mean of its row, diagonal
        zero and left out: (n, n) each."""
        noise, own = variances[0], variances[1]
        design, factor, right, _ = self._shared(variances)
        shared = torch.cholesky_solve(right[:, None], factor).squeeze(1)
        shrink = own * self.energy / (noise + own * self.energy)
        n_tasks = self.basis.shape[1]
        mean, deviation = torch.empty(n_tasks, n_tasks).double(), torch.empty(n_tasks, n_tasks).double()
        for i in range(n_tasks):
            basis, loads = self.basis[i], torch.cat([torch.eye(n_tasks).double(), self.hints[i]], dim=1)
            pulled = own / (noise + own * self.energy[i]) * self.pull[i]
            left = (
                loads - (basis * shrink[i]) @ design[i].T
            )  # what task i's own data leave to the shared part
            mean[i] = basis @ pulled + left @ shared
            spread = torch.linalg.solve_triangular(factor, left.T, upper=False).T
            basis, spread = (_less_mean_of_others(part, i) for part in (basis, spread))
            free = own * (1 - 1 / (n_tasks - 1)) - own * (basis.square() * shrink[i]).sum(1)
            deviation[i] = (free + spread.square().sum(1)).clamp(min=0).sqrt()
        mean.fill_diagonal_(0.0)
        deviation.fill_diagonal_(0.0)
        return mean.numpy(), deviation.numpy()


def _less_mean_of_others(rows: Tensor, task: int) -> Tensor:
    """Each row (n, ...) less the mean of the rows of all tasks but one."""
    return rows - (rows.sum(0) - rows[task]) / (len(rows) - 1)


def _standard(hints: dict[str, np.ndarray], n_tasks: int) -> np.ndarray:
    """Every hint with rows of mean zero and spread one off the diagonal, which is zero: (n, n, hints)."""
    standard = [np.zeros((n_tasks, n_tasks, 0))]
    for values in hints.values():
        others = np.where(np.eye(len(values), dtype=bool), np.nan, values)
        centred = others - np.nanmean(others, axis=1, keepdims=True)
        spread = np.nanstd(centred, axis=1, keepdims=True)
        scaled = np.nan_to_num(centred / np.where(spread > 1e-12, spread, np.inf))
        standard.append(scaled[:, :, None])
    return np.concatenate(standard, axis=-1)


def _membership(subsets: Sequence[Subset], n_tasks: int) -> tuple[np.ndarray, np.ndarray]:
    """For each task of each subset, its companions as indicators (E, n), and the task (E,)."""
    task = np.concatenate([np.asarray(subset) for subset in subsets])
    membership = np.zeros((len(task), n_tasks))
    start = 0
    for subset in subsets:
        membership[start : start + len(subset), list(subset)] = 1.0
        start += len(subset)
    membership[np.arange(len(task)), task] = 0.0
    return membership, task
