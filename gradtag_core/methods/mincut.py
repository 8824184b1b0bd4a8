"""MinCutPool: soft clusters of small normalised cut and equal size (Bianchi et al., ICML 2020)."""

import torch
from jaxtyping import Float
from torch import Tensor

from gradtag_core.cost import measure
from gradtag_core.methods.linear_probe import fit_probe
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.methods.soft_assignment import Graph, fit_assignment

SMALLEST = 1e-12


def mincut_loss(assignment: Float[Tensor, "nodes clusters"], graph: Graph) -> Float[Tensor, ""]:
    """Minus the share of edge ends that stay inside, tr(SᵀAS) / tr(SᵀDS), plus ‖SᵀS/‖SᵀS‖ - I/√k‖ (equation 9)."""
    ends = (graph.degree * assignment.square().sum(1)).sum().clamp(min=SMALLEST)
    return orthogonality(assignment) - graph.kept(assignment) / ends


def orthogonality(assignment: Float[Tensor, "nodes clusters"]) -> Float[Tensor, ""]:
    """0 for hard clusters of equal size."""
    overlap = assignment.T @ assignment
    n_clusters = len(overlap)
    equal = torch.eye(n_clusters, device=overlap.device, dtype=overlap.dtype) / n_clusters**0.5
    return (overlap / overlap.norm() - equal).norm()


def run(setting: Setting) -> MethodResult:
    """The assignment of each node is what a logistic regression per task reads."""
    with measure() as meter:
        assignment = fit_assignment(setting, mincut_loss, "Training MinCutPool", meter)
        found = fit_probe(setting, assignment, meter)
    return found.result(setting, "mincut", meter.cost)
