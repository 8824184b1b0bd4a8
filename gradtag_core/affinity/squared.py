"""Ridge regressions on projected gradients, for tasks with real targets, in closed form (paper, section 3.2)."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from gradtag_core.affinity.losses import SquaredLoss
from gradtag_core.affinity.objective import Membership, Tasks
from gradtag_core.affinity.regression import Regressions
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import Weighting
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.progress import Reporter

BLOCK_BYTES = 2**28


def fit_subsets_squared(
    features: GradientFeatures, subsets: Sequence[Subset], penalty: float, weighting: Weighting,
    device: torch.device | None = None, reporter: Reporter | None = None,
) -> Regressions:  # fmt: skip
    """Minimise Σ_i c_i (z_i + φ_i · w - y_i)² + penalty / 2 ‖w‖² for every subset: one factorisation each.

    Labels are the targets. Hessians and gradients are sums of one per task. Double precision throughout.
    """
    tasks = Tasks.of(replace(features, projected=features.projected.double()), SquaredLoss(), device)
    dim = tasks.dim
    at_zero = tasks.expand(tasks.like.new_zeros(dim))
    curvatures = tasks.curvatures(at_zero).flatten(1)
    weights, norms = [], []
    size = max(1, BLOCK_BYTES // (2 * 8 * dim**2))
    for first in range(0, len(subsets), size):
        (reporter or Reporter()).check()
        members = Membership.of(subsets[first : first + size], tasks.sizes, weighting, tasks.like)
        hessians = members.total(curvatures).view(-1, dim, dim)
        hessians.diagonal(dim1=1, dim2=2).add_(penalty)
        slopes = members.total(at_zero.slopes)[..., None]
        solution = torch.cholesky_solve(-slopes, torch.linalg.cholesky(hessians))
        left = (hessians @ solution + slopes).norm(dim=(1, 2))
        norms.append(left / slopes.norm(dim=(1, 2)).clamp(min=torch.finfo(left.dtype).tiny))
        weights.append(solution.squeeze(-1).T)
        tasks.flops.total += len(members) * (dim**3 / 3 + 4 * dim**2) + 2 * len(members.task) * dim**2
    relative = torch.cat(norms).cpu()
    return Regressions(torch.cat(weights, 1).cpu(), relative, relative <= 1e-6, tasks.flops.total)
