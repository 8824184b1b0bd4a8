"""What a step of the optimiser would do to the losses of all tasks, without making it."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call

from gradtag_core.cost import Meter
from gradtag_core.methods.joint import Batch, JointTraining, gradients, gradients_flops, task_losses
from gradtag_core.methods.protocol import Setting
from gradtag_core.models.encoder import EncoderArchitecture

SMALLEST_LOSS = 1e-8  # keeps ratios finite

Moved = Literal["shared", "all"]


class Lookahead:
    """The losses and gradients of a joint training on its next batch, and what other steps would lead to.

    `losses` (n,): mean loss of each task in the batch; `present` (n,): whether it has rows there; `sizes` (n,): the
    weights of these means in the training loss; `gradients` (n, p): of each task's part of the training loss at the
    parameters that are `moved`, the shared ones or all. Reads the model and the optimiser and changes neither, nor any
    random state.
    """

    def __init__(
        self, training: JointTraining, batch: Batch, moved: Moved, architecture: EncoderArchitecture
    ):
        self.present = (batch.weights > 0).any(0)
        self._training, self._batch = training, batch
        self._forward_flops = architecture.forward_flops(sum(architecture.outputs))
        named = training.model.named_parameters()
        chosen = [(name, part) for name, part in named if moved == "all" or not name.startswith("head.")]
        self._names, self._parameters = zip(*chosen, strict=True)
        parts = task_losses(training.model(batch.inputs), batch)
        self.gradients = gradients(parts, self._parameters)
        self.sizes = batch.weights.sum(0).clamp(min=torch.finfo(parts.dtype).tiny)
        self.losses = parts.detach() / self.sizes
        of_heads = self._forward_flops - architecture.forward_flops(0)
        self.flops = len(batch.inputs) * (gradients_flops(architecture) + (moved == "all") * of_heads)

    def updates(self, gradients: Float[Tensor, "steps size"]) -> Float[Tensor, "steps size"]:
        """What Adam, in its present state, would add to the parameters for each of these gradients."""
        group = self._training.optimiser.param_groups[0]
        (beta1, beta2), rate, eps = group["betas"], group["lr"], group["eps"]
        states = [self._training.optimiser.state.get(part, {}) for part in self._parameters]
        mean, square = (
            torch.cat([
                state[name].flatten() if state else torch.zeros_like(part).flatten()
                for state, part in zip(states, self._parameters, strict=True)
            ])
            for name in ("exp_avg", "exp_avg_sq")
        )  # fmt: skip
        step = 1 + (float(states[0]["step"]) if states[0] else 0.0)
        mean = (beta1 * mean + (1 - beta1) * gradients) / (1 - beta1**step)
        square = (beta2 * square + (1 - beta2) * gradients.square()) / (1 - beta2**step)
        return -rate * mean / (square.sqrt() + eps)

    def losses_after(self, update: Float[Tensor, "size"]) -> Float[Tensor, "tasks"]:
        """The mean losses on the same batch after one such update."""
        with torch.no_grad():
            pieces = update.split([part.numel() for part in self._parameters])
            values = {
                name: part + piece.view_as(part)
                for name, part, piece in zip(self._names, self._parameters, pieces, strict=True)
            }
            logits = functional_call(self._training.model, values, (self._batch.inputs,))
            losses = task_losses(logits, self._batch) / self.sizes
        self.flops += len(self._batch.inputs) * self._forward_flops
        return losses


def mean_over_probes(
    setting: Setting, moved: Moved, n_probes: int, look: Callable[[Lookahead], np.ndarray], meter: Meter
) -> np.ndarray:
    """The mean of what `look` sees, (n, n) with NaN for nothing, at about `n_probes` evenly spaced steps of one joint
    training; NaN where no probe saw anything. Training and probes go to `meter`."""
    training = JointTraining(setting, setting.search_seed)
    every = max(1, training.data.n_steps // n_probes)
    n_tasks = setting.suite.n_tasks
    total, count = np.zeros((n_tasks, n_tasks)), np.zeros((n_tasks, n_tasks))
    for step, batch in enumerate(training.batches()):
        if step % every == 0:
            lookahead = Lookahead(training, batch, moved, setting.architecture)
            seen = look(lookahead)
            total += np.nan_to_num(seen)
            count += np.isfinite(seen)
            meter.flops += lookahead.flops
    meter.flops += training.flops
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def filled(affinity: np.ndarray) -> np.ndarray:
    """NaN replaced by the mean of the other entries off the diagonal: what no probe saw is neither good nor bad."""
    seen = affinity[np.isfinite(affinity) & ~np.eye(len(affinity), dtype=bool)]
    return np.where(np.isfinite(affinity), affinity, seen.mean() if len(seen) else 0.0)


def gain(before: Tensor, after: Tensor) -> Tensor:
    """The share of a loss that a step takes away: 1 - after / before; higher is better."""
    return (before - after) / (before + SMALLEST_LOSS)
