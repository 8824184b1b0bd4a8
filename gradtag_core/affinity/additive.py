"""An additive model of subset scores, fitted by empirical Bayes: it joins a few real trainings with free hints.

For task i in subset S, in units of the spread of task i's scores,

    f(S, i) = level_i + sum over j in S, j != i of B[i, j] + noise,    noise ~ N(0, σ²)
    B[i, j] = helpfulness_j + sum over hints of weight_h · hint_h[i, j] + own_ij

with normal priors on `helpfulness` (shared by all tasks), on the weights and on the cells' `own` part, whose variances
maximise the marginal likelihood under a wide log-normal prior (MacKay 1992, "Bayesian interpolation"). With the
gradient estimate as a hint this is a ridge regression on subset indicators with the estimate as prior mean; without
hints it is the linear surrogate of task modelling (arXiv 2303.14582) with a shared column effect.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from gradtag_core.affinity.additive_evidence import Evidence
from gradtag_core.affinity.membership import Membership
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import METRICS, Metric
from gradtag_core.errors import InvalidInput, quoted

ROUNDING = 1e-12  # of a level, or of a hint's largest value: a smaller spread is none
MODEL_VARIANCES = ("noise", "own", "helpfulness")


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
        return predict([self], subsets)[:, 0]


def predict(fits: Sequence[AdditiveFit], subsets: Sequence[Subset]) -> np.ndarray:
    """What every fit says of each task of each subset, in order: (sum of sizes, fits)."""
    members = Membership.of(subsets, len(fits[0].levels))
    without = [fit.levels - np.einsum("ij,ij->i", fit.presence, fit.effects) for fit in fits]
    effects, found = np.stack([fit.effects for fit in fits], -1), np.stack(without, -1)[members.members]
    for places, companions in members.blocks(np.repeat(np.arange(len(subsets)), members.sizes)):
        total, task = found[places], members.members[places]
        for companion in companions.T:  # the task itself is among them, with an effect of zero
            total += effects[task, companion]
        found[places] = total
    return found


def fit_additive(scores: SubsetScores, metric: Metric, hints: Mapping[str, np.ndarray]) -> AdditiveFit:
    """`AdditiveDesign.fit` of one metric alone, whose FLOPs are those of the design too."""
    design = AdditiveDesign.of(scores)
    fit = design.fit(metric, hints)
    return replace(fit, flops=design.flops + fit.flops)


@dataclass(frozen=True)
class AdditiveDesign:
    """Who was trained with whom, factored once for all metrics, and the scores averaged over seeds.

    Entries (E,) are in the order of their `task`, whose first is at `start`. Of the directions in which task i's scores
    can tell co-tasks apart, from `bounds[i]` to `bounds[i + 1]`: `energy` (N,) and `basis` (n, N), the eigenvalues and
    eigenvectors of X_iᵀX_i, with X_i the indicators of co-tasks less their mean, `presence[i]`.
    """

    scores: SubsetScores
    membership: Membership
    task: np.ndarray
    subset: np.ndarray
    values: np.ndarray
    start: np.ndarray
    presence: np.ndarray
    bounds: np.ndarray
    energy: np.ndarray
    basis: np.ndarray
    flops: float

    @classmethod
    def of(cls, scores: SubsetScores) -> "AdditiveDesign":
        """Raises `InvalidInput` for fewer than two tasks, when no task was scored twice, and for subsets that repeat a
        task or were not trained with the task that they score. A singular value decomposition of a by b, a ≥ b, is
        charged 6 a b² + 20 b³ FLOPs (Golub and Van Loan, section 8.6)."""
        n_tasks = len(scores.task_names)
        if n_tasks < 2:
            raise InvalidInput(f"`scores` must be of two tasks or more, to have co-tasks; found {n_tasks}.")
        membership = Membership.of(scores.subsets, n_tasks)
        table = scores.mean_over_seeds()
        task, subset = table["task"].to_numpy(), table["subset"].to_numpy()
        order = np.argsort(task, kind="stable")
        task, subset = task[order], subset[order]
        _require_repeats(task, subset)
        start = np.searchsorted(task, np.arange(n_tasks + 1))
        presence = np.zeros((n_tasks, n_tasks))
        energies, bases, flops = [], [], 0.0
        for i in range(n_tasks):
            own = np.zeros((start[i + 1] - start[i], n_tasks))
            for places, members in membership.blocks(subset[start[i] : start[i + 1]]):
                own[places[:, None], members] = 1.0
            _require_membership(own[:, i], scores.task_names[i])
            own[:, i] = 0.0
            presence[i] = own.mean(0) if len(own) else 0.0
            _, singular, right = np.linalg.svd(own - presence[i], full_matrices=False)
            energies.append(singular**2)
            bases.append(right.T)
            flops += 6.0 * max(own.shape) * min(own.shape) ** 2 + 20.0 * min(own.shape) ** 3
        return cls(
            scores, membership, task, subset, table[list(METRICS)].to_numpy(dtype=np.float64)[order], start,
            presence, np.cumsum([0, *map(len, energies)]), np.concatenate(energies),
            np.concatenate(bases, axis=1), flops,
        )  # fmt: skip

    def fit(self, metric: Metric, hints: Mapping[str, np.ndarray]) -> AdditiveFit:
        """The model of one metric; `hints` (n, n) by name, in any unit; its FLOPs are without the design's.

        Hints are centred and scaled row by row, since only the order of co-tasks matters; rows that do not vary say
        nothing, nor do cells that are NaN. Raises `InvalidInput` for scores that are not finite and for hints that
        are infinite, of another shape or named like a variance of the model.
        """
        value = self.values[:, METRICS.index(metric)]
        if not np.isfinite(self.scores.of(metric)).all():
            bad = np.unique(self.scores.task[~np.isfinite(self.scores.of(metric))])
            names = [self.scores.task_names[int(task)] for task in bad]
            raise InvalidInput(
                f"The scores of `{metric}` must be finite numbers; some of {quoted(names)} are not. "
                "Leave these trainings out, or repeat them with a lower `learning_rate`."
            )
        levels, scale = self._levels_and_scale(value)
        y = (value - levels[self.task]) / scale[self.task]
        evidence = Evidence(
            self.bounds, self.energy, self.basis, self._pull(y), float(len(y)), float(y @ y),
            _standard(hints, len(levels)),
        )  # fmt: skip
        variances, flops = evidence.maximise()
        effects, errors, more_flops = evidence.posterior(variances)
        return AdditiveFit(
            levels, self.presence, effects * scale[:, None], errors * scale[:, None], scale * variances[0] ** 0.5,
            dict(zip((*MODEL_VARIANCES, *hints), variances.tolist(), strict=True)), flops + more_flops,
        )  # fmt: skip

    def _levels_and_scale(self, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean of every task's scores, and their spread or, where there is none, that of a typical task."""
        own = [value[first:last] for first, last in pairwise(self.start)]
        levels = np.array([each.mean() if len(each) else value.mean() for each in own])
        spread = np.array([each.std() if len(each) else 0.0 for each in own])
        spread[spread <= ROUNDING * np.abs(levels)] = 0.0  # a mean may miss its equal scores by a rounding
        typical = np.median(spread[spread > 0]) if (spread > 0).any() else 1.0
        return levels, np.where(spread > 0, spread, typical)

    def _pull(self, y: np.ndarray) -> np.ndarray:
        """basisᵀ X_iᵀ y_i of every task, (N,); its y_i sum to zero, so that the design need not be centred."""
        toward = self.membership.sums(self.task, self.subset, y[:, None])[:, :, 0]
        return np.einsum("jd,dj->d", self.basis, np.repeat(toward, np.diff(self.bounds), axis=0))


def _require_repeats(task: np.ndarray, subset: np.ndarray) -> None:
    if np.bincount(task).max(initial=0) < 2:
        raise InvalidInput(
            "The trained subsets must score some task twice or more; "
            f"found {len(np.unique(subset))} subsets, no two with a task in common."
        )


def _require_membership(held: np.ndarray, name: str) -> None:
    if not held.all():
        raise InvalidInput(
            f"Every subset must hold the task whose score it gives; {int((held == 0).sum())} that score `{name}` "
            "do not. Correct the table of scores."
        )


def _standard(hints: Mapping[str, np.ndarray], n_tasks: int) -> np.ndarray:
    """Every hint with rows of mean zero and spread one off the diagonal, which is zero: (n, n, hints)."""
    standard = np.zeros((n_tasks, n_tasks, len(hints)))
    for index, (name, values) in enumerate(hints.items()):
        _require_usable_hint(name, np.asarray(values), n_tasks)
        said = np.isfinite(values) & ~np.eye(n_tasks, dtype=bool)
        others = np.where(said, values, 0.0)
        largest = np.abs(others).max(1, keepdims=True)
        others = others / np.where(largest > 0, largest, 1.0)
        count = np.maximum(said.sum(1, keepdims=True), 1)
        centred = np.where(said, others - others.sum(1, keepdims=True) / count, 0.0)
        spread = np.sqrt((centred**2).sum(1, keepdims=True) / count)
        standard[:, :, index] = centred / np.where(spread > ROUNDING, spread, np.inf)
    return standard


def _require_usable_hint(name: str, values: np.ndarray, n_tasks: int) -> None:
    if name in MODEL_VARIANCES:
        raise InvalidInput(
            f"A hint must not be named like a variance of the model, {MODEL_VARIANCES}; found `{name}`."
        )
    off_diagonal = ~np.eye(n_tasks, dtype=bool)
    if values.shape != (n_tasks, n_tasks):
        raise InvalidInput(
            f"The hint `{name}` must be a table of {n_tasks} by {n_tasks} tasks; found the shape {values.shape}."
        )
    if np.isinf(values[off_diagonal]).any():
        raise InvalidInput(
            f"The hint `{name}` must not be infinite; {int(np.isinf(values[off_diagonal]).sum())} cells are. "
            "Give NaN where nothing is known."
        )
