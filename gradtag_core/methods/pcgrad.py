"""PCGrad: gradients of tasks that conflict lose their conflicting part (Yu et al. 2020, arXiv 2001.06782)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from gradtag_core.cost import measure
from gradtag_core.methods.joint import JointData, adam, gradients, gradients_flops, score_network, task_losses
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.models.multitask import MultitaskModel


def projected_weights(
    gramian: Float[Tensor, "tasks tasks"], generator: torch.Generator
) -> Float[Tensor, "tasks"]:
    """The weights w with which Σ w_j g_j is the sum of the projected gradients, from inner products of the g_j alone.

    Each task's gradient meets those of the others in an order of its own, drawn from `generator`, and loses its part
    along each original one that it conflicts with (algorithm 1). All tasks step at once: O(n³) in n vector operations.
    """
    n_tasks = len(gramian)
    keys = torch.rand(n_tasks, n_tasks, generator=generator)
    orders = keys.argsort(dim=1).to(gramian.device)
    task = torch.arange(n_tasks, device=gramian.device)
    combined = torch.eye(n_tasks, dtype=gramian.dtype, device=gramian.device)
    for other in orders.T:
        inner = (combined * gramian[other]).sum(1)
        conflicts = (inner < 0) & (other != task)
        combined[task, other] -= torch.where(conflicts, inner / gramian[other, other], 0.0)
    return combined.sum(0)


def run(setting: Setting) -> MethodResult:
    """Shared parameters step along the sum of the projected gradients, each head along its own task's."""
    architecture, data = setting.architecture, JointData(setting)
    model: MultitaskModel = architecture.build(setting.seed).to(setting.device).train()
    optimiser = adam(setting, model)
    shared, heads = list(model.encoder.parameters()), list(model.head.parameters())
    generator = torch.Generator().manual_seed(setting.search_seed)
    n_shared, n_tasks = sum(part.numel() for part in shared), setting.suite.n_tasks
    with measure() as meter:
        for batch in data.batches(setting.seed):
            losses = task_losses(model(batch.inputs), batch)
            rows = gradients(losses, shared)
            for parameter, gradient in zip(heads, torch.autograd.grad(losses.sum(), heads), strict=True):
                parameter.grad = gradient
            weights = projected_weights(rows @ rows.T, generator)
            for parameter, gradient in zip(shared, _unflattened(weights @ rows, shared), strict=True):
                parameter.grad = gradient
            optimiser.step()
            of_heads = architecture.forward_flops(sum(architecture.outputs)) - architecture.forward_flops(0)
            meter.flops += len(batch.inputs) * (gradients_flops(architecture) + of_heads)
            meter.flops += 2.0 * n_shared * n_tasks * (n_tasks + 1) + 3.0 * n_tasks**3
    model.eval()
    return MethodResult(
        "pcgrad", setting.suite.task_names, score_network(model, setting, "validation"),
        score_network(model, setting, "test"), meter.cost,
    )  # fmt: skip


def _unflattened(flat: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    parts = flat.split([part.numel() for part in like])
    return [part.view_as(parameter) for part, parameter in zip(parts, like, strict=True)]
