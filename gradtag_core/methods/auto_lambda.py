"""Auto-λ: the weights of the tasks' losses learned by looking one step ahead (Liu et al., TMLR 2022, arXiv 2202.03091).

The weights should make a step on the weighted loss lower the sum of the primary tasks' losses on other data. All tasks
are primary here. The virtual step is one of plain gradient descent, as in the published code, although the model itself
is trained with Adam; the other data are training batches drawn in another order, so that validation stays unseen.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call

from gradtag_core.cost import measure
from gradtag_core.methods.joint import (
    Batch,
    JointData,
    adam,
    best_on_validation,
    n_validation_examples,
    score_network,
    task_losses,
)
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.models.multitask import MultitaskModel

INITIAL_WEIGHT = 0.1
WEIGHT_RATES = (0.001, 0.01)  # Adam's step sizes for the weights, tried; the better on validation is kept
FINITE_STEP = 0.01  # length of the step along the gradient that the finite difference takes to both sides

Losses = Callable[[Sequence[Tensor]], Tensor]


def hypergradient(
    losses: Losses, other_losses: Losses, parameters: Sequence[Tensor], weights: Float[Tensor, "tasks"],
    primary: Float[Tensor, "tasks"], step_size: float,
) -> Float[Tensor, "tasks"]:  # fmt: skip
    """How Σ primary · `other_losses` after a step of `step_size` on Σ weights · `losses` changes with the weights.

    The mixed second derivative is a finite difference of first order losses along the gradient after the step
    (equation 5). Both losses map parameters to one number per task; nothing is changed in place.
    """
    here = [parameter.detach().requires_grad_() for parameter in parameters]
    slopes = torch.autograd.grad(weights.detach() @ losses(here), here)
    moved = [
        (part - step_size * slope).detach().requires_grad_() for part, slope in zip(here, slopes, strict=True)
    ]
    ahead = torch.autograd.grad(primary @ other_losses(moved), moved)
    length = torch.sqrt(sum((part.square().sum() for part in ahead), torch.zeros((), device=weights.device)))
    if length == 0:
        return torch.zeros_like(weights)
    epsilon = FINITE_STEP / length
    with torch.no_grad():
        above, below = (
            losses([part + side * epsilon * slope for part, slope in zip(here, ahead, strict=True)])
            for side in (1, -1)
        )
    return -step_size * (above - below) / (2 * epsilon)


def fit_auto_lambda(setting: Setting, weight_rate: float) -> tuple[MultitaskModel, Tensor, float]:
    """A model trained with weights that learn at `weight_rate`, the weights (n,) at the end, and the FLOPs."""
    data, n_tasks = JointData(setting), setting.suite.n_tasks
    model = setting.architecture.build(setting.seed).to(setting.device).train()
    optimiser = adam(setting, model)
    weights = torch.full((n_tasks,), INITIAL_WEIGHT, device=setting.device, requires_grad=True)
    weight_optimiser = torch.optim.Adam([weights], lr=weight_rate)
    primary, rate = torch.ones_like(weights), setting.recipe.learning_rate
    names, parameters = zip(*model.named_parameters(), strict=True)

    def losses_of(batch: Batch) -> Losses:
        return lambda values: task_losses(
            functional_call(model, dict(zip(names, values, strict=True)), (batch.inputs,)), batch
        )

    n_outputs = sum(setting.architecture.outputs)
    step, forward = setting.architecture.step_flops(n_outputs), setting.architecture.forward_flops(n_outputs)
    flops = 0.0
    others = data.batches(setting.search_seed)
    for batch, other in zip(data.batches(setting.seed), others, strict=True):
        weights.grad = hypergradient(
            losses_of(batch), losses_of(other), parameters, weights, primary, rate
        ).detach()
        weight_optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        (weights.detach() @ task_losses(model(batch.inputs), batch)).backward()
        optimiser.step()
        flops += len(batch.inputs) * (2 * step + 2 * forward) + len(other.inputs) * step
    return model.eval(), weights.detach(), flops


def run(setting: Setting) -> MethodResult:
    """Train with each rate of the weights, keep the best on validation; all of them cost."""
    models: dict[float, MultitaskModel] = {}
    weights: dict[float, Tensor] = {}
    forward = setting.architecture.forward_flops(sum(setting.architecture.outputs))
    with measure() as meter:
        for rate in setting.reporter.track("Training Auto-λ", WEIGHT_RATES, len(WEIGHT_RATES)):
            models[rate], weights[rate], flops = fit_auto_lambda(setting, rate)
            meter.flops += flops + n_validation_examples(setting) * forward
        best = best_on_validation(setting, models)
    return MethodResult(
        "auto_lambda", setting.suite.task_names, score_network(models[best], setting, "validation"),
        score_network(models[best], setting, "test"), meter.cost,
        task_weights=weights[best].cpu().numpy(), choices={"weight_rate": best},
    )  # fmt: skip
