"""Networks that assign nodes to clusters softly and learn from the graph alone, by any loss of the assignment."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gradtag_core.cost import Meter
from gradtag_core.methods.node_scores import graph_of
from gradtag_core.methods.protocol import Setting

EPOCHS = 100


class Graph(NamedTuple):
    """`first`, `second` (E,): the ends of each edge; `degree` (N,)."""

    first: Int[Tensor, "edges"]
    second: Int[Tensor, "edges"]
    degree: Float[Tensor, "nodes"]

    @classmethod
    def of(cls, edges: np.ndarray, n_nodes: int, device: torch.device | None = None) -> "Graph":
        ends = torch.from_numpy(edges).to(device)
        degree = torch.bincount(ends.flatten(), minlength=n_nodes).float()
        return cls(ends[:, 0], ends[:, 1], degree)

    def kept(self, assignment: Float[Tensor, "nodes clusters"]) -> Float[Tensor, ""]:
        """tr(SᵀAS), twice the weight of edges that stay inside a cluster, without the matrix A."""
        return 2 * (assignment[self.first] * assignment[self.second]).sum()


def fit_assignment(
    setting: Setting,
    loss: Callable[[Float[Tensor, "nodes clusters"], Graph], Tensor],
    stage: str,
    meter: Meter,
) -> Float[np.ndarray, "nodes clusters"]:
    """The softmax of the outputs of the suite's model, trained by full-batch Adam; one cluster per task.

    The model reads the inputs of the suite, which for a graph are propagated already. Counted FLOPs of each epoch:
    `step_flops` of all nodes, 6Ek for the edges that stay inside and 6Nk² for SᵀS, each with its gradient, where E
    counts edges, N nodes and k clusters.
    """
    suite, architecture = setting.suite, setting.architecture
    graph = Graph.of(graph_of(setting), suite.n_examples, setting.device)
    inputs = setting.trainer.inputs[torch.arange(suite.n_examples)].to(setting.device)
    network = architecture.build(setting.seed).to(setting.device).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=setting.recipe.learning_rate, fused=True)
    for _ in setting.reporter.track(stage, range(EPOCHS), EPOCHS):
        optimiser.zero_grad(set_to_none=True)
        loss(network(inputs).softmax(-1), graph).backward()
        optimiser.step()
    n_nodes, k = suite.n_examples, suite.n_tasks
    epoch = n_nodes * architecture.step_flops(k) + 6.0 * len(graph.first) * k + 6.0 * n_nodes * k**2
    meter.flops += EPOCHS * epoch + n_nodes * architecture.forward_flops(k)
    with torch.no_grad():
        return network.eval()(inputs).softmax(-1).cpu().numpy()
