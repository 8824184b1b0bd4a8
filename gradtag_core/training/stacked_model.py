"""Several models of one architecture as one: every product of theirs becomes one batched product.

Gradients are computed here, layer by layer into memory that is used again at each step: the models of a stack are so
small that autograd and fresh memory would cost as much as their products.
"""

from collections.abc import Sequence
from typing import Protocol

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

    `parameters` hold (branches, S, ...), each with its gradient in `grad`: the hops of SIGN, alike and reading each its
    own part of the inputs, are branches of one layer, and so are the parts of the layer that joins them; all else has
    one branch. Weights are held as (in, out), those of the few heads as (tasks, in): products with a long last axis are
    several times faster.
    """

    def __init__(
        self, encoder: nn.Module, weights: Sequence[Weights], subsets: Sequence[Tasks], device: torch.device
    ):  # fmt: skip
        self.encoder = encoder
        self.branches = _branches(encoder)
        parts: dict[str, list[Tensor]] = {}
        for name in weights[0]:
            own = [each[name] for each in weights]
            if _is_head(name):
                own = [member[list(tasks)] for member, tasks in zip(own, subsets, strict=True)]
            packed = [_packed(name, member, self.branches) for member in own]
            parts.setdefault(_shared_name(name)[0], []).append(torch.stack(packed, dim=1))
        self.set_parameters({name: torch.cat(branches).to(device) for name, branches in parts.items()})

    def __len__(self) -> int:
        return self.parameters["head.bias"].shape[1]

    def set_parameters(self, parameters: Weights) -> None:
        """Go on with other parameters, of as many models as these have."""
        self.parameters = parameters
        for parameter in parameters.values():
            parameter.grad = torch.empty_like(parameter)
        self._layers = self._build()

    def logits(
        self, inputs: Float[Tensor, "branches models batch features"]
    ) -> Float[Tensor, "models tasks batch"]:
        """The logits of each model's tasks on its own batch; they and all between are overwritten by the next call."""
        hidden = inputs
        for layer in self._layers:
            hidden = layer.forward(hidden)
        self._hidden = hidden[0]
        weight, bias = (self.parameters[f"head.{part}"][0] for part in ("weight", "bias"))
        return torch.baddbmm(bias, weight, self._hidden.mT)

    def backward(self, logit_gradients: Float[Tensor, "models tasks batch"]) -> None:
        """Fill the gradient of every parameter, given those of the logits that were computed last."""
        weight, bias = (self.parameters[f"head.{part}"] for part in ("weight", "bias"))
        torch.bmm(logit_gradients, self._hidden, out=_gradient(weight)[0])
        torch.sum(logit_gradients, 2, keepdim=True, out=_gradient(bias)[0])
        gradient = torch.bmm(logit_gradients.mT, weight[0])[None]
        for layer in reversed(self._layers):
            gradient = layer.backward(gradient)

    def weights_of(self, model: int, tasks: Tasks, initial: Weights) -> Weights:
        """The weights of one model as a single one holds them; heads of other tasks are those of `initial`."""
        weights: Weights = {}
        for name, before in initial.items():
            shared, branch = _shared_name(name)
            stacked = self.parameters[shared][:, model].cpu()
            weights[name] = before.clone()
            if _is_head(name):
                weights[name][list(tasks)] = stacked[0].reshape(len(tasks), *before.shape[1:])
            else:
                own = stacked.flatten(0, 1) if branch is None else stacked[branch]
                weights[name].copy_(own.T.reshape(before.shape))
        return weights

    def _build(self) -> list["_Layer"]:
        encoder = self.encoder
        if isinstance(encoder, MLP):
            chains = {"encoder.layers": encoder.layers}
        elif isinstance(encoder, SIGN):
            chains = {"encoder.hops": encoder.hops[0], "encoder.joint": encoder.joint}
        else:
            raise _no_stacked_form(encoder)
        layers: list[_Layer] = []
        for prefix, chain in chains.items():
            for index, layer in chain.named_children():
                if not isinstance(layer, nn.Linear | nn.PReLU):
                    raise _no_stacked_form(layer)
                weight = self.parameters[f"{prefix}.{index}.weight"]
                if isinstance(layer, nn.PReLU):
                    layers.append(_PReLU(weight))
                else:
                    layers.append(_Linear(weight, self.parameters[f"{prefix}.{index}.bias"], not layers))
        return layers


class _Layer(Protocol):
    def forward(self, inputs: Tensor) -> Tensor: ...

    def backward(self, gradient: Tensor) -> Tensor:
        """Fill the gradients of the parameters; return that of the inputs, for which `gradient` may be changed."""
        ...


class _Linear:
    """Weights (branches, S, in, out) and biases (branches, S, 1, out), or (1, S, 1, out): then it adds up branches."""

    def __init__(self, weight: Tensor, bias: Tensor, is_first: bool):
        self._adds_up = len(bias) < len(weight)
        self._weights = self._parts(weight)
        self._weight_gradients = self._parts(_gradient(weight))
        self._bias, self._bias_gradient = bias.flatten(0, 1), _gradient(bias).flatten(0, 1)
        self._out_branches = len(bias)
        self._is_first = is_first
        self._outputs = self._input_gradient = weight.new_empty(0)

    def _parts(self, tensor: Tensor) -> list[Tensor]:
        """One product per branch that is added up, else all branches in one."""
        return list(tensor) if self._adds_up else [tensor.flatten(0, 1)]

    def forward(self, inputs: Tensor) -> Tensor:
        self._inputs = inputs
        shape = (self._out_branches, *inputs.shape[1:3], self._bias.shape[-1])
        self._outputs = _of_shape(self._outputs, shape)
        outputs = self._outputs.flatten(0, 1)
        (first, *others) = zip(self._parts(inputs), self._weights, strict=True)
        torch.baddbmm(self._bias, *first, out=outputs)
        for part, weight in others:
            outputs.baddbmm_(part, weight)
        return self._outputs

    def backward(self, gradient: Tensor) -> Tensor:
        flat = gradient.flatten(0, 1)
        torch.sum(flat, 1, keepdim=True, out=self._bias_gradient)
        for part, weight_gradient in zip(self._parts(self._inputs), self._weight_gradients, strict=True):
            torch.bmm(part.mT, flat, out=weight_gradient)
        if self._is_first:
            return self._input_gradient  # nobody asks for it
        self._input_gradient = _of_shape(self._input_gradient, self._inputs.shape)
        for part, weight in zip(self._parts(self._input_gradient), self._weights, strict=True):
            torch.bmm(flat, weight.mT, out=part)
        return self._input_gradient


class _PReLU:
    """Slopes (branches, S, 1, 1), or (1, S, 1, 1) for all branches; the backward pass is free of torch's branches on
    signs, which take as long as the products of a small model."""

    def __init__(self, slope: Tensor):
        self._slope = slope
        self._input_gradient = slope.new_empty(0)

    def forward(self, inputs: Tensor) -> Tensor:
        self._inputs = inputs
        return torch.ops.aten._prelu_kernel(inputs, self._slope)

    def backward(self, gradient: Tensor) -> Tensor:
        inputs, found = self._inputs, _of_shape(self._input_gradient, gradient.shape)
        torch.ops.aten.threshold_backward.grad_input(gradient, inputs, 0.0, grad_input=found)
        below = inputs.clamp_(max=0).mul_(gradient)  # the inputs are not needed any more
        _gradient(self._slope).copy_(below.sum_to_size(self._slope.shape))
        self._input_gradient = found.lerp_(gradient, self._slope)
        return found


def _branches(encoder: nn.Module) -> int:
    return len(encoder.hops) if isinstance(encoder, SIGN) else 1


def _is_head(name: str) -> bool:
    return name.startswith("head.")


def _shared_name(name: str) -> tuple[str, int | None]:
    """The name that a parameter of a hop shares with those of the other hops, and which hop it is of."""
    parts = name.split(".")
    return (".".join(parts[:2] + parts[3:]), int(parts[2])) if parts[1] == "hops" else (name, None)


def _packed(name: str, parameter: Tensor, branches: int) -> Tensor:
    """One model's parameter as a stack holds it: (branches, in, out)."""
    matrix = parameter if parameter.ndim == 2 else parameter[:, None]
    if _is_head(name):
        return matrix[None]
    joins = name.startswith("encoder.joint.") and parameter.ndim == 2
    return matrix.T.unflatten(0, (branches if joins else 1, -1))


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def _of_shape(space: Tensor, shape: Sequence[int]) -> Tensor:
    return space if space.shape == tuple(shape) else space.new_empty(tuple(shape))


def _no_stacked_form(module: nn.Module) -> InvalidInput:
    return InvalidInput(
        "`model` must be SIGN or MLP, made of linear and PReLU layers, to train many at once; found "
        f"{type(module).__name__}. Train it one subset at a time."
    )
