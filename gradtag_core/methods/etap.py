"""ETAP: gains of groups predicted from gradient affinities and some really trained groups (arXiv 2602.18591).

Gains are differences of the setting's metric to the task alone, in place of shares of the loss. The fits to a few
hundred numbers are too small to count among the FLOPs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, comb
from typing import Any

import numpy as np

from gradtag_core.affinity.subsets import Subset, random_subsets
from gradtag_core.cost import Meter, measure
from gradtag_core.grouping.selection import pair_scores
from gradtag_core.methods.group_choice import LARGEST_SHARE, choose_groups
from gradtag_core.methods.lookahead import Lookahead, filled, mean_over_probes
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.methods.searched import Search, search_subsets
from gradtag_core.methods.trained_groups import train_groups

PROBES = 20
FEWEST_GROUPS, GROUPS_PER_TASK = 50, 12
FEWEST_POINTS = 6  # of a task, for a curve; with fewer its mean gain is taken
DEGREES, KNOTS, CURVE_RIDGES = (2, 3), (2, 3, 5), (1e-3, 1e-1, 1.0)
RESIDUAL_RIDGES = np.logspace(-6, 2, 20)


def gradient_affinity(lookahead: Lookahead) -> np.ndarray:
    """z[i, j] = ⟨∇L_j, Δ_i⟩ / L_j, Δ_i being what a step on task i's loss takes off the shared parameters: TAG's Z to
    first order, without forward passes. NaN where the batch has no rows of i or j."""
    updates = lookahead.updates(lookahead.gradients)
    slopes = lookahead.gradients / lookahead.sizes[:, None]
    lookahead.flops += 2.0 * updates.numel() * len(updates)
    z = (-(updates @ slopes.T) / lookahead.losses).double().cpu().numpy()
    absent = ~lookahead.present.cpu().numpy()
    z[absent, :] = z[:, absent] = np.nan
    return z


def training_groups(n_tasks: int, n_groups: int, seed: int) -> list[Subset]:
    """Random groups of two tasks up to twice the mean size of the groups that are asked for, enough of them that most
    tasks are in a dozen."""
    largest = min(n_tasks - 1, max(2, ceil(LARGEST_SHARE * n_tasks / n_groups)))
    sizes = range(2, largest + 1)
    wanted = max(FEWEST_GROUPS, ceil(GROUPS_PER_TASK * n_tasks / np.mean(sizes)))
    each = ceil(wanted / len(sizes))
    return [
        group
        for size in sizes
        for group in random_subsets(n_tasks, size, min(each, comb(n_tasks, size)), seed + size)
    ]


@dataclass(frozen=True, eq=False)
class TaskPredictor:
    """The gain of one task in a group: a curve of the group's affinity, then a linear function of its members."""

    curve: Any
    residual: Any

    @classmethod
    def fit(cls, affinity: np.ndarray, members: np.ndarray, gains: np.ndarray) -> "TaskPredictor":
        """From (N,) affinities, (N, n) indicators and (N,) gains of the trained groups that hold the task."""
        from sklearn.dummy import DummyRegressor
        from sklearn.linear_model import RidgeCV

        if len(gains) < FEWEST_POINTS:
            none = DummyRegressor().fit(members, gains)
            return cls(none, DummyRegressor(strategy="constant", constant=0.0).fit(members, gains))
        curve = best_curve(affinity, gains)
        left = gains - curve.predict(affinity[:, None])
        return cls(curve, RidgeCV(RESIDUAL_RIDGES).fit(members, left))

    def predict(self, affinity: np.ndarray, members: np.ndarray) -> np.ndarray:
        return self.curve.predict(affinity[:, None]) + self.residual.predict(members)


def best_curve(affinity: np.ndarray, gains: np.ndarray) -> Any:
    """The spline with a ridge penalty that predicts each group best from the others; knots are at most a third of the
    points. Where the affinity does not vary, the mean gain."""
    from sklearn.dummy import DummyRegressor
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer, StandardScaler

    column = affinity[:, None]
    if np.ptp(affinity) == 0:
        return DummyRegressor().fit(column, gains)
    curves = []
    for degree, knots in product(DEGREES, (knots for knots in KNOTS if 3 * knots <= len(gains))):
        ridge, spline = RidgeCV(CURVE_RIDGES), SplineTransformer(knots, degree, extrapolation="linear")
        curve = make_pipeline(StandardScaler(), spline, ridge).fit(column, gains)
        curves.append((ridge.best_score_, curve))
    return max(curves, key=lambda found: found[0])[1]


class GainPredictor:
    """Predicted gains of any groups, from the trained ones."""

    def __init__(self, setting: Setting, affinity: np.ndarray, search: Search):
        self._affinity, n_tasks = affinity, len(affinity)
        scores, values = search.scores, search.scores.of(setting.metric)
        sizes = np.array([len(subset) for subset in scores.subsets])
        alone = np.full(n_tasks, np.nan)
        single = sizes[scores.subset] == 1
        alone[scores.task[single]] = values[single]
        self._tasks = []
        for task in range(n_tasks):
            own = ~single & (scores.task == task)
            groups = [scores.subsets[index] for index in scores.subset[own]]
            gains = values[own] - alone[task]
            self._tasks.append(TaskPredictor.fit(*self._inputs(task, groups), gains))

    def __call__(self, groups: Sequence[Subset]) -> list[np.ndarray]:
        """The gain of each task of each group; 0 alone."""
        found = [np.zeros(len(group)) for group in groups]
        for task, predictor in enumerate(self._tasks):
            places = [index for index, group in enumerate(groups) if task in group and len(group) > 1]
            if not places:
                continue
            predicted = predictor.predict(*self._inputs(task, [groups[index] for index in places]))
            for index, value in zip(places, predicted, strict=True):
                found[index][groups[index].index(task)] = value
        return found

    def _inputs(self, task: int, groups: Sequence[Subset]) -> tuple[np.ndarray, np.ndarray]:
        """The mean affinity of the others in each group for the task, and who they are."""
        members = np.zeros((len(groups), len(self._affinity)))
        for row, group in enumerate(groups):
            members[row, list(group)] = 1.0
        affinity = np.array([pair_scores(self._affinity, group)[group.index(task)] for group in groups])
        return affinity, members


def etap_affinity(setting: Setting, meter: Meter) -> np.ndarray:
    """T[i, j], the transpose of the mean of z over the probes of one joint training."""
    return filled(mean_over_probes(setting, "shared", PROBES, gradient_affinity, meter)).T


def run(setting: Setting) -> MethodResult:
    suite = setting.suite
    with measure() as meter:
        affinity = etap_affinity(setting, meter)
        groups = [(task,) for task in setting.everything]
        groups += training_groups(suite.n_tasks, setting.n_groups, setting.search_seed)
        search = search_subsets(setting, groups, "Training groups to learn gains from", meter)
        chosen = choose_groups(
            affinity, setting.n_groups, suite.task_names, singletons=True, seed=setting.search_seed,
            score=GainPredictor(setting, affinity, search),
        )  # fmt: skip
        trained = train_groups(setting, chosen.groups, meter, chosen.served_by)
    return trained.result(setting, "etap", meter.cost + search.not_run, search.sample)
