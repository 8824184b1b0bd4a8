"""Regressions on projected gradients, all subsets of tasks at once (paper, section 3.2, algorithm 1).

The Hessians differ between subsets, but at one common point they are sums of one matrix per task. That point is
near the minimum over all tasks; the sums are factored once per subset and precondition a quasi-Newton method, which
then needs about six passes over the rows of each subset. No subset costs a loop.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradtag_core.affinity.objective import Expansion, Membership, SubsetObjectives, Tasks
from gradtag_core.affinity.quasi_newton import minimise
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import Weighting
from gradtag_core.errors import GradTagError
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.progress import Reporter

START_TOLERANCE = 0.3  # of the common start; a better one saves no passes
BLOCK_BYTES = 2**28
MAX_SHIFTS = 6
MAX_HESSIANS, STEPS_PER_HESSIAN = 30, 4
MAX_SUBSETS_AT_ONCE = 512  # more would leave the processor's cache


@dataclass(frozen=True)
class Regressions:
    """`weights` (d, m): one column per subset; `gradient_norms` (m,) at the solution, relative to those at w = 0;
    `converged` (m,): whether that reached the tolerance; `flops`."""

    weights: Tensor
    gradient_norms: Tensor
    converged: Tensor
    flops: float


def fit_subsets(
    features: GradientFeatures, subsets: Sequence[Subset], penalty: float, weighting: Weighting,
    tolerance: float = 1e-4, device: torch.device | None = None, reporter: Reporter | None = None,
) -> Regressions:  # fmt: skip
    """Fit every subset to a gradient norm of `tolerance` times that at w = 0, each task with the loss of its kind.

    `penalty` > 0 is absolute; features in float64 give answers in float64. Subsets of numeric targets alone take one
    step, which solves them in closed form.
    """
    common = Common.of(features, penalty, weighting, device)
    fits = fit_from(common, subsets, tolerance, reporter)
    return replace(fits, flops=common.flops + fits.flops)


def fit_from(
    common: "Common", subsets: Sequence[Subset], tolerance: float = 1e-4, reporter: Reporter | None = None
) -> Regressions:
    """`fit_subsets`, from what all subsets share; `flops` are those of these subsets alone."""
    before = common.tasks.flops.total
    size = _subsets_at_once(common.tasks, subsets)
    weights, norms = [], []
    for first in range(0, len(subsets), size):
        (reporter or Reporter()).check()
        found, relative = _fit_block(common, subsets[first : first + size], tolerance)
        weights.append(common.basis @ found.T)
        norms.append(relative)
    relative = torch.cat(norms)
    flops = common.tasks.flops.total - before
    return Regressions(torch.cat(weights, 1).cpu(), relative.cpu(), (relative <= tolerance).cpu(), flops)


def _fit_block(common: "Common", subsets: Sequence[Subset], tolerance: float) -> tuple[Tensor, Tensor]:
    """The weights in the common coordinates, (m, d), and the gradient norms relative to those at zero."""
    objectives = common.objectives(subsets)
    at_zero = objectives.norms(objectives.gradient_of(common.zero)).clamp(
        min=torch.finfo(common.ridge.dtype).tiny
    )
    precondition = common.solver(objectives.members.total(common.curvatures.flatten(1)))
    found = minimise(objectives, common.start, precondition, tolerance * at_zero)
    points, norms = found.points, found.gradient_norms
    if points.dtype == torch.float64:  # in single precision a fit stops at rounding, which no step can mend
        for index in torch.nonzero(norms > tolerance * at_zero).flatten().tolist():
            points[index], norms[index] = _refine(
                common, subsets[index], points[index], tolerance * at_zero[index]
            )
    return points, norms / at_zero


def _refine(common: "Common", subset: Subset, point: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Go on with one subset whose curvature is far from that at the start: its own Hessian, every few steps anew."""
    alone = common.only(subset)
    objectives = alone.objectives([tuple(range(len(subset)))])
    for _ in range(MAX_HESSIANS):
        here = alone.tasks.expand(point)
        precondition = common.solver(objectives.members.total(alone.tasks.curvatures(here).flatten(1)))
        found = minimise(objectives, here, precondition, target[None], STEPS_PER_HESSIAN)
        point = found.points[0]
        if found.gradient_norms <= target:
            break
    return point, found.gradient_norms[0]


def _subsets_at_once(tasks: Tasks, subsets: Sequence[Subset]) -> int:
    rows = max(sum(len(tasks.rows[task].logits) for task in subset) for subset in subsets)
    bytes_each = tasks.like.element_size() * (3 * tasks.dim**2 + 5 * rows)
    return int(min(MAX_SUBSETS_AT_ONCE, max(1, BLOCK_BYTES // bytes_each)))


@dataclass(frozen=True)
class Common:
    """What the subsets share, made once at the cost of `flops`: coordinates in which the mean Hessian at w = 0 is the
    identity (so that single precision suffices however small the penalty), the expansions at zero and at the start, and
    each task's curvature there."""

    tasks: Tasks
    weighting: Weighting
    flops: float
    basis: Tensor
    ridge: Tensor
    scale: Tensor
    zero: Expansion
    start: Expansion
    curvatures: Tensor

    @classmethod
    def of(
        cls, features: GradientFeatures, penalty: float, weighting: Weighting,
        device: torch.device | None = None,
    ) -> "Common":  # fmt: skip
        tasks = Tasks.of(features, device)
        like = tasks.like
        held = tuple(task for task, rows in enumerate(tasks.rows) if len(rows))
        everything = Membership.of([held], tasks.sizes, weighting, like)
        at_zero = tasks.curvatures(tasks.expand(like.new_zeros(tasks.dim)))
        mean = everything.total(at_zero.flatten(1)).view(tasks.dim, tasks.dim)
        del at_zero  # as large as what is kept of the start
        values, vectors = torch.linalg.eigh(mean.double())
        values = values.clamp(min=0) + penalty
        basis = (vectors / values.sqrt()).to(like)
        tasks = tasks.rotated(basis)
        ridge, scale = (penalty / values).to(like), values.sqrt().to(like)
        zero = tasks.expand(like.new_zeros(tasks.dim))
        together = SubsetObjectives(tasks, everything, ridge, scale)
        target = START_TOLERANCE * together.norms(together.gradient_of(zero))
        start = tasks.expand(minimise(together, zero, lambda gradient: gradient, target).points[0])
        curvatures = tasks.curvatures(start)
        return cls(tasks, weighting, tasks.flops.total, basis, ridge, scale, zero, start, curvatures)

    def objectives(self, subsets: Sequence[Subset]) -> SubsetObjectives:
        members = Membership.of(subsets, self.tasks.sizes, self.weighting, self.tasks.like)
        return SubsetObjectives(self.tasks, members, self.ridge, self.scale)

    def only(self, subset: Subset) -> "Common":
        """The same for the tasks of one subset, renumbered from zero."""
        rows = [self.tasks.rows[task] for task in subset]
        return replace(self, tasks=replace(self.tasks, rows=rows))

    def solver(self, curvatures: Tensor) -> Callable[[Tensor], Tensor]:
        """Solves with Hessians, given without the penalty as (m, d²): rows of (m, d) to rows of (m, d)."""
        dim, flops = self.tasks.dim, self.tasks.flops
        hessians = curvatures.view(-1, dim, dim)
        hessians.diagonal(dim1=1, dim2=2).add_(self.ridge)
        factors = _factors(hessians)
        flops.total += len(hessians) * (dim**3 / 3 + 2 * dim**2)

        def solve(gradient: Tensor) -> Tensor:
            flops.total += 2 * len(gradient) * dim**2
            half = torch.linalg.solve_triangular(factors, gradient[..., None], upper=False)
            return torch.linalg.solve_triangular(factors.mT, half, upper=True).squeeze(-1)

        return solve


def _factors(hessians: Tensor) -> Tensor:
    """Cholesky factors, (m, d, d); what rounding leaves indefinite is moved, in place, until it has one.

    That only happens to a tiny penalty, and a preconditioner need not be exact.
    """
    dim = hessians.shape[-1]
    shift = torch.finfo(hessians.dtype).eps * dim * hessians.diagonal(dim1=1, dim2=2).amax(1)
    for _ in range(MAX_SHIFTS):
        factors, failed = torch.linalg.cholesky_ex(hessians)
        if not failed.any():
            return factors
        hessians.diagonal(dim1=1, dim2=2).add_((shift * (failed > 0))[:, None])
        shift = 10 * shift
    raise GradTagError(
        "The curvature of a regression has no Cholesky factor: its features are too large or not finite."
    )
