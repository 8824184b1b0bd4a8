"""Limited-memory BFGS with a preconditioner, for many strictly convex objectives side by side (Nocedal, 1980)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gradtag_core.affinity.line_search import step_to_flat
from gradtag_core.affinity.objective import Expansion, SubsetObjectives

MAX_STEPS = 100
MEMORY = 8
PATIENCE = 10  # steps without a new smallest gradient after which rounding has won


@dataclass(frozen=True)
class Minimum:
    """`points` (m, d) and the `gradient_norms` (m,) there."""

    points: Tensor
    gradient_norms: Tensor


@dataclass(frozen=True)
class _State:
    """Where all objectives stand: points, gradients (m, d), and logits and residuals per task."""

    points: Tensor
    logits: list[Tensor]
    residuals: list[Tensor]


def minimise(
    objectives: SubsetObjectives, start: Expansion, precondition: Callable[[Tensor], Tensor], target: Tensor,
    max_steps: int = MAX_STEPS,
) -> Minimum:  # fmt: skip
    """Minimise each objective from the common `start` to a gradient norm of `target` (m,).

    `precondition` applies an approximate inverse of each Hessian to the rows of a matrix (m, d). A gradient that
    stops falling is left where it is.
    """
    gradient = objectives.gradient_of(start)
    state = _State(
        start.point.expand_as(gradient),
        [
            logit.expand(len(holders), -1)
            for logit, holders in zip(start.logits, objectives.members.holders, strict=True)
        ],
        [],
    )
    history = _History(precondition)
    norms = objectives.norms(gradient)
    best, since_best = norms.clone(), torch.zeros_like(norms)
    for _ in range(max_steps):
        active = (norms > target) & (since_best < PATIENCE)
        if not active.any():
            break
        direction = -history.apply(gradient) * active[:, None]
        state, sizes = _search(objectives, state, direction, (gradient * direction).sum(1))
        moved_gradient = objectives.gradient(state.points, state.residuals)
        history.add(sizes[:, None] * direction, moved_gradient - gradient)
        gradient = moved_gradient
        norms = objectives.norms(gradient)
        since_best = torch.where(norms < best, 0.0, since_best + 1)
        best = torch.minimum(best, norms)
    return Minimum(state.points, norms)


def _search(
    objectives: SubsetObjectives, state: _State, direction: Tensor, slope: Tensor
) -> tuple[_State, Tensor]:
    """Step along each direction to where the slope is small; returns the new state and the step sizes (m,)."""
    changes = objectives.scores(direction)
    moved = state

    def slope_at(size: Tensor) -> Tensor:
        nonlocal moved
        points = state.points + size[:, None] * direction
        logits = [
            torch.addcmul(logit, change, size[holders, None])
            for logit, change, holders in zip(state.logits, changes, objectives.members.holders, strict=True)
        ]
        moved = _State(points, logits, objectives.residuals(logits))
        return objectives.along(moved.residuals, changes) + (objectives.ridge * points * direction).sum(1)

    size = step_to_flat(slope_at, slope)
    return moved, size


class _History:
    """The last `MEMORY` steps and changes of gradient, each (m, d)."""

    def __init__(self, precondition: Callable[[Tensor], Tensor]):
        self._precondition = precondition
        self._pairs: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, step: Tensor, change: Tensor) -> None:
        """Pairs without curvature, as of an objective that stood still, count as none."""
        product = (step * change).sum(1, keepdim=True)
        enough = product > torch.finfo(step.dtype).eps * change.square().sum(1, keepdim=True)
        inverse = torch.where(enough, 1 / product, 0.0)
        self._pairs = [*self._pairs[1 - MEMORY :], (step, change, inverse)]

    def apply(self, gradient: Tensor) -> Tensor:
        """The approximate inverse Hessians times the rows of `gradient` (two-loop recursion)."""
        shares = []
        for step, change, inverse in reversed(self._pairs):
            share = inverse * (step * gradient).sum(1, keepdim=True)
            gradient = gradient - share * change
            shares.append(share)
        result = self._precondition(gradient)
        for (step, change, inverse), share in zip(self._pairs, reversed(shares), strict=True):
            result = result + step * (share - inverse * (change * result).sum(1, keepdim=True))
        return result
