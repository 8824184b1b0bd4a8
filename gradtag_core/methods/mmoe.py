"""MMoE: experts shared by all tasks, mixed for each task by a gate of its own (Ma et al., KDD 2018)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gradtag_core.cost import measure
from gradtag_core.methods.joint import (
    JointData,
    adam,
    best_on_validation,
    n_validation_examples,
    score_network,
    task_losses,
)
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.models.encoder import EncoderArchitecture

EXPERTS = (2, 4)  # tried; the better on validation is kept
EXPERT_SEED_STEP = 7_919


class MMoE(nn.Module):
    """Experts are copies of the suite's encoder; each task has its gate and its tower, a linear one like the heads of
    the other methods.

    A gate reads the example's inputs, for a graph the node's own features, before propagation.
    """

    def __init__(self, architecture: EncoderArchitecture, n_experts: int, seed: int):
        super().__init__()
        self.n_experts, self.n_tasks = n_experts, architecture.n_tasks
        self._task_of_output = [task for task, count in enumerate(architecture.outputs) for _ in range(count)]
        self._reads_own_features = architecture.kind == "sign" and len(architecture.input_shape) == 2
        self.experts = nn.ModuleList(
            architecture.build(seed + EXPERT_SEED_STEP * expert).encoder for expert in range(n_experts)
        )
        self.towers = architecture.build(seed).head
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.gates = nn.Linear(gate_inputs(architecture), self.n_tasks * n_experts)

    def mixtures(self, inputs: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch tasks experts"]:
        """How much each task takes of each expert; sums to one over the experts."""
        own = inputs[:, 0] if self._reads_own_features else inputs.flatten(1)
        return self.gates(own).view(-1, self.n_tasks, self.n_experts).softmax(-1)

    def forward(self, inputs: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch outputs"]:
        """The outputs of all tasks."""
        seen = torch.stack([expert(inputs) for expert in self.experts], dim=1)
        mixed = (self.mixtures(inputs) @ seen)[:, self._task_of_output]
        return (mixed * self.towers.weight).sum(-1) + self.towers.bias


def gate_inputs(architecture: EncoderArchitecture) -> int:
    """How many numbers a gate reads."""
    shape = architecture.input_shape
    return shape[-1] if architecture.kind == "sign" else int(torch.Size(shape).numel())


def forward_flops(architecture: EncoderArchitecture, n_experts: int) -> float:
    """One example through experts, gates, mixtures and towers."""
    n_tasks, width = architecture.n_tasks, architecture.width
    gates, mixtures = gate_inputs(architecture) * n_tasks * n_experts, n_tasks * n_experts * width
    towers = sum(architecture.outputs) * width
    return n_experts * architecture.forward_flops(0) + 2.0 * (gates + mixtures + towers)


def step_flops(architecture: EncoderArchitecture, n_experts: int) -> float:
    """One example of a training step: forward, the gradients of weights or factors, those of what they multiply."""
    towers_and_mixtures = sum(architecture.outputs) + architecture.n_tasks * n_experts
    back = n_experts * architecture.backward_flops(0) + 2.0 * towers_and_mixtures * architecture.width
    return 2 * forward_flops(architecture, n_experts) + back


def fit_mmoe(setting: Setting, n_experts: int) -> tuple[MMoE, float]:
    """A network trained on all tasks, in evaluation mode, and the FLOPs."""
    data = JointData(setting)
    network = MMoE(setting.architecture, n_experts, setting.seed).to(setting.device).train()
    optimiser = adam(setting, network)
    for batch in data.batches(setting.seed):
        optimiser.zero_grad(set_to_none=True)
        task_losses(network(batch.inputs), batch).sum().backward()
        optimiser.step()
    flops = setting.recipe.epochs * data.n_examples * step_flops(setting.architecture, n_experts)
    return network.eval(), flops


def run(setting: Setting) -> MethodResult:
    """Train with each number of experts, keep the best on validation; all of them cost."""
    networks: dict[int, MMoE] = {}
    with measure() as meter:
        for n_experts in setting.reporter.track("Training MMoE", EXPERTS, len(EXPERTS)):
            networks[n_experts], flops = fit_mmoe(setting, n_experts)
            scoring = n_validation_examples(setting) * forward_flops(setting.architecture, n_experts)
            meter.flops += flops + scoring
        best = best_on_validation(setting, networks)
    return MethodResult(
        "mmoe", setting.suite.task_names, score_network(networks[best], setting, "validation"),
        score_network(networks[best], setting, "test"), meter.cost, choices={"n_experts": best},
    )  # fmt: skip
