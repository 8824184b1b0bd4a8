"""Several models of one architecture as one: every product of theirs becomes one batched product."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gradtag_core.errors import InvalidInput
from gradtag_core.models.mlp import MLP
from gradtag_core.models.sign import SIGN

Tasks = Sequence[int]
Weights = dict[str, Tensor]


class StackedModel:
    """S models of one architecture side by side, with the heads of each one's tasks only (equally many).

    `parameters` are leaves that autograd follows, models along the first axis. Linear weights are held as (in, out):
    their gradients then come out of the product in that layout, without a copy.
    """

    def __init__(
        self, encoder: nn.Module, weights: Sequence[Weights], subsets: Sequence[Tasks], device: torch.device
    ):  # fmt: skip
        self.encoder = encoder
        self.parameters: Weights = {}
        for name, first in weights[0].items():
            members = [each[name] for each in weights]
            if name.startswith("head."):
                members = [member[list(tasks)] for member, tasks in zip(members, subsets, strict=True)]
            stacked = torch.stack(members).to(device)
            stacked = stacked.transpose(1, 2) if first.ndim == 2 else stacked.unsqueeze(1)
            self.parameters[name] = stacked.contiguous().requires_grad_()

    def __len__(self) -> int:
        return len(self.parameters["head.bias"])

    def logits(self, inputs: Float[Tensor, "models batch ..."]) -> Float[Tensor, "models batch tasks"]:
        """The logits of each model's tasks on its own batch."""
        return self._linear("head", self._encode(inputs))

    def weights_of(self, model: int, tasks: Tasks, initial: Weights) -> Weights:
        """The weights of one model as a single one holds them; heads of other tasks are those of `initial`."""
        weights: Weights = {}
        for name, stacked in self.parameters.items():
            own = stacked.detach()[model].cpu()
            own = own.T if initial[name].ndim == 2 else own.squeeze(0)
            weights[name] = initial[name].clone()
            if name.startswith("head."):
                weights[name][list(tasks)] = own
            else:
                weights[name].copy_(own)
        return weights

    def _encode(self, inputs: Tensor) -> Tensor:
        encoder = self.encoder
        if isinstance(encoder, MLP):
            return self._sequence("encoder.layers", encoder.layers, inputs.flatten(2))
        if isinstance(encoder, SIGN):
            per_hop = inputs.unsqueeze(2) if inputs.ndim == 3 else inputs
            hidden = [
                self._sequence(f"encoder.hops.{index}", hop, per_hop[:, :, index])
                for index, hop in enumerate(encoder.hops)
            ]
            return self._sequence("encoder.joint", encoder.joint, torch.cat(hidden, dim=-1))
        raise InvalidInput(
            f"`model` must be an encoder of linear and PReLU layers, SIGN or MLP, to train many at once; found "
            f"{type(encoder).__name__}. Train it one subset at a time."
        )

    def _sequence(self, prefix: str, layers: nn.Module, hidden: Tensor) -> Tensor:
        for name, layer in layers.named_children():
            if isinstance(layer, nn.Linear):
                hidden = self._linear(f"{prefix}.{name}", hidden)
            elif isinstance(layer, nn.PReLU):
                hidden = _PReLU.apply(hidden, self.parameters[f"{prefix}.{name}.weight"])
            else:
                raise InvalidInput(
                    f"`model` must be of linear and PReLU layers to train many at once; found a "
                    f"{type(layer).__name__}. Train it one subset at a time."
                )
        return hidden

    def _linear(self, name: str, hidden: Tensor) -> Tensor:
        return torch.baddbmm(self.parameters[f"{name}.bias"], hidden, self.parameters[f"{name}.weight"])


class _PReLU(torch.autograd.Function):
    """PReLU with a backward pass free of branches: torch's own takes as long as the products of a small model."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(inputs, slope)
        return torch.ops.aten._prelu_kernel(inputs, slope)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        inputs, slope = ctx.saved_tensors
        (gradient,) = gradients
        where_positive = torch.ops.aten.threshold_backward(gradient, inputs, 0.0)
        slope_gradient = inputs.clamp(max=0).mul_(gradient).sum_to_size(slope.shape)
        return where_positive.lerp_(gradient, slope), slope_gradient
