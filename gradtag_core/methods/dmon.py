"""DMoN: soft clusters of high modularity that do not collapse (Tsitsulin et al., JMLR 2023)."""

from jaxtyping import Float
from torch import Tensor

from gradtag_core.cost import measure
from gradtag_core.methods.linear_probe import fit_probe
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.methods.soft_assignment import Graph, fit_assignment


def dmon_loss(assignment: Float[Tensor, "nodes clusters"], graph: Graph) -> Float[Tensor, ""]:
    """Minus the modularity, plus √k/N ‖Σ_i S_i‖ - 1, which is 0 for clusters of equal size (equation 9)."""
    n_nodes, n_clusters = assignment.shape
    ends = graph.degree.sum().clamp(min=1)
    by_chance = (graph.degree @ assignment).square().sum() / ends
    collapse = n_clusters**0.5 / n_nodes * assignment.sum(0).norm() - 1
    return collapse - (graph.kept(assignment) - by_chance) / ends


def run(setting: Setting) -> MethodResult:
    """The assignment of each node is what a logistic regression per task reads."""
    with measure() as meter:
        assignment = fit_assignment(setting, dmon_loss, "Training DMoN", meter)
        found = fit_probe(setting, assignment, meter)
    return found.result(setting, "dmon", meter.cost)
