"""Gradients of one logit per row, from one batched forward and backward pass.

For a layer y = W x + b the gradient of a row is the outer product of its output gradient and its input, so two
short vectors per row and layer hold all of it. Hooks collect them; nothing of size (rows, parameters) is made.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradtag_core.errors import InvalidInput
from gradtag_core.models.multitask import MultitaskModel


@dataclass(frozen=True)
class LayerPieces:
    """What a layer saw for each row: its inputs (R, in) and the gradient at its outputs (R, out); its parameters
    start at `offset` in the flattened parameter vector (`named_parameters` order)."""

    layer: nn.Module
    offset: int
    inputs: Tensor
    output_gradients: Tensor

    @property
    def is_linear(self) -> bool:
        """Whether the layer is linear; the other kind is a single-slope PReLU."""
        return isinstance(self.layer, nn.Linear)

    @property
    def has_bias(self) -> bool:
        return isinstance(self.layer, nn.Linear) and self.layer.bias is not None

    def inputs_with_one(self) -> Tensor:
        """The inputs of a linear layer, with a column of ones where it has a bias."""
        return nn.functional.pad(self.inputs, (0, 1), value=1.0) if self.has_bias else self.inputs

    def slope_gradients(self) -> Tensor:
        """The gradient of a PReLU's slope: (R, 1)."""
        return (self.output_gradients * self.inputs.clamp(max=0)).sum(dim=1, keepdim=True)

    def squared_norms(self) -> Tensor:
        """‖g‖² of each row over the layer's parameters: (R,)."""
        if not self.is_linear:
            return self.slope_gradients().square().squeeze(1)
        return self.inputs_with_one().square().sum(1) * self.output_gradients.square().sum(1)


@dataclass(frozen=True)
class RowGroups:
    """Which rows belong to one example: `group` (R,) numbers the examples, `slot` (R,) the rows within each,
    `first` (G,) is one row of each example."""

    group: Tensor
    slot: Tensor
    first: Tensor

    @classmethod
    def of(cls, examples: Tensor) -> "RowGroups":
        """Rows must be sorted by example."""
        _, group, sizes = torch.unique_consecutive(examples, return_inverse=True, return_counts=True)
        first = sizes.cumsum(0) - sizes
        return cls(group, torch.arange(len(examples), device=examples.device) - first[group], first)

    @property
    def shape(self) -> tuple[int, int]:
        """Examples, and rows of the example that has most."""
        return len(self.first), int(self.slot.max()) + 1


def logits_and_pieces(
    model: MultitaskModel, inputs: Tensor, tasks: Tensor
) -> tuple[Tensor, list[LayerPieces]]:
    """The logit of task `tasks[r]` for each row r, and the pieces of its gradient at every layer.

    `inputs` (R, ...), `tasks` (R,) -> logits (R,). The model must be in evaluation mode: rows do not mix.
    Raises `InvalidInput` for a layer kind whose gradient has no such form here.
    """
    layers = parameter_layers(model)
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def keep(layer: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        seen[layer] = (arguments[0], output)

    handles = [layer.register_forward_hook(keep) for layer in layers]
    try:
        with torch.enable_grad():
            logits = model(inputs).gather(1, tasks[:, None]).squeeze(1)
            gradients = torch.autograd.grad(logits.sum(), [seen[layer][1] for layer in layers])
    finally:
        for handle in handles:
            handle.remove()
    pieces = [
        LayerPieces(layer, offset, seen[layer][0].detach(), gradient)
        for (layer, offset), gradient in zip(layers.items(), gradients, strict=True)
    ]
    return logits.detach(), pieces


def parameter_layers(model: nn.Module) -> dict[nn.Module, int]:
    """Each layer that owns parameters, and the offset of its first one in the flattened vector."""
    layers: dict[nn.Module, int] = {}
    offset = 0
    for name, layer in model.named_modules():
        own = list(layer.parameters(recurse=False))
        if not own:
            continue
        single_slope = isinstance(layer, nn.PReLU) and own[0].numel() == 1
        if not (isinstance(layer, nn.Linear) or single_slope):
            raise InvalidInput(
                "`model` must be made of Linear and single-slope PReLU layers for its gradients per example; "
                f"layer `{name}` is {type(layer).__name__}."
            )
        layers[layer] = offset
        offset += sum(parameter.numel() for parameter in own)
    return layers
