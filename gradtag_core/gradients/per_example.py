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
