"""How each kind of layer turns its inputs and the gradient at its outputs into gradients of its own parameters."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from gradtag_core.gradients.pieces import CHUNK_ENTRIES, EmbeddingPieces, ExplicitPieces, OuterPieces, Pieces

CHANNELS_SECOND = (nn.Conv1d, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.PReLU)


def is_supported(layer: nn.Module) -> bool:
    """Whether the layer's parameters are `weight` and `bias` as its kind uses them: a subclass may differ."""
    return type(layer) in _WEIGHT_PIECES and not getattr(layer, "scale_grad_by_freq", False)


def layer_pieces(
    layer: nn.Module, inputs: Tensor, output_gradients: Tensor, names: Sequence[str]
) -> dict[str, Pieces]:
    """One call's part of the gradient of each parameter in `names` (`weight`, `bias`), as pieces at offset 0.

    `inputs` and `output_gradients` (R, ...) are those of the call. A bias comes as outer products without inputs.
    """
    at_positions = _by_position(layer, output_gradients)
    pieces: dict[str, Pieces] = {}
    for name in names:
        if name == "bias":
            nothing = at_positions.new_empty(*at_positions.shape[:2], 0)
            pieces[name] = OuterPieces(0, nothing, at_positions, has_bias=True)
        else:
            pieces[name] = _WEIGHT_PIECES[type(layer)](layer, inputs, at_positions)
    return pieces


def add(parts: Sequence[Pieces]) -> Pieces:
    """The gradient of one parameter that was used several times."""
    if len(parts) == 1:
        return parts[0]
    kinds = {type(part) for part in parts}
    # An embedding seen as a linear map has the task's gradient for its input, but projections share inputs among the
    # rows of an example.
    if ExplicitPieces in kinds or len(kinds) > 1:
        return ExplicitPieces(0, torch.stack([part.gradients() for part in parts]).sum(0))
    embeddings = [part for part in parts if isinstance(part, EmbeddingPieces)]
    if len(embeddings) == len(parts):
        # Padding is zero in the output gradients already, and may differ between the parts.
        ids = torch.cat([part.ids for part in embeddings], dim=1)
        gradients = torch.cat([part.output_gradients for part in embeddings], dim=1)
        return EmbeddingPieces(0, ids, gradients, embeddings[0].n_embeddings)
    outers = [cast(OuterPieces, part) for part in parts]
    return OuterPieces(
        0,
        torch.cat([part.inputs for part in outers], dim=1),
        torch.cat([part.output_gradients for part in outers], dim=1),
        outers[0].has_bias,
    )


def join_bias(weight: Sequence[Pieces], bias: Sequence[Pieces]) -> Pieces | None:
    """Weight and bias of one linear map as one, where both were used in the same calls and nowhere else."""
    if len(weight) != len(bias) or not weight or not all(map(_share_calls, weight, bias)):
        return None
    return replace(cast(OuterPieces, add(weight)), has_bias=True)


def _share_calls(weight: Pieces, bias: Pieces) -> bool:
    if not (isinstance(weight, OuterPieces) and isinstance(bias, OuterPieces)):
        return False
    return weight.output_gradients is bias.output_gradients and not weight.has_bias


def shortest(pieces: Pieces) -> Pieces:
    """The same gradients written out where that takes no more numbers; a single position stays as it is."""
    if isinstance(pieces, OuterPieces):
        _, positions, n_in = pieces.inputs.shape
        written_out = (positions > 1 or n_in == 0) and _is_long(
            positions, n_in, pieces.output_gradients.shape[2]
        )
    else:
        written_out = isinstance(pieces, EmbeddingPieces) and pieces.ids.shape[1] >= pieces.n_embeddings
    return ExplicitPieces(pieces.offset, pieces.gradients()) if written_out else pieces


def _is_long(positions: int, n_in: int, n_out: int) -> bool:
    return positions * (n_in + n_out) >= n_in * n_out


def _by_position(layer: nn.Module, values: Tensor) -> Tensor:
    """Inputs or outputs (R, ...) of a layer as (R, T, n), where a parameter vector spans the n: a view if it can be."""
    if isinstance(layer, CHANNELS_SECOND):
        channels = 1 if isinstance(layer, nn.PReLU) and layer.num_parameters == 1 else values.shape[1]
        return values.reshape(len(values), channels, -1).transpose(1, 2)
    width = prod(layer.normalized_shape) if isinstance(layer, nn.LayerNorm | nn.RMSNorm) else values.shape[-1]
    return values.reshape(len(values), -1, width)


def _linear(layer: nn.Linear, inputs: Tensor, gradients: Tensor) -> Pieces:
    return OuterPieces(0, _by_position(layer, inputs), gradients, has_bias=False)


def _embedding(layer: nn.Embedding, inputs: Tensor, gradients: Tensor) -> Pieces:
    return EmbeddingPieces(
        0, inputs.reshape(len(inputs), -1), gradients, layer.num_embeddings, layer.padding_idx
    )


def _convolution(layer: nn.Conv1d | nn.Conv2d, inputs: Tensor, gradients: Tensor) -> Pieces:
    """A linear map of patches. Written out row by row, if that is shorter, so that few patches exist at a time."""
    weight, (n_rows, positions, _) = layer.weight, gradients.shape
    n_in = weight[0].numel()
    if layer.groups == 1 and not _is_long(positions, n_in, len(weight)):
        return OuterPieces(0, _patches(layer, inputs).transpose(1, 2), gradients, has_bias=False)
    values = inputs.new_empty(n_rows, weight.numel())
    step = max(1, CHUNK_ENTRIES // (layer.groups * n_in * positions))
    for start in range(0, n_rows, step):
        rows = slice(start, start + step)
        patches = _patches(layer, inputs[rows]).unflatten(1, (layer.groups, n_in))
        outputs = gradients[rows].transpose(1, 2).unflatten(1, (layer.groups, -1))
        values[rows] = (outputs @ patches.transpose(2, 3)).flatten(1)
    return ExplicitPieces(0, values)


def _patches(layer: nn.Conv1d | nn.Conv2d, inputs: Tensor) -> Tensor:
    """What the kernel sees: (R, in * kernel, T), channels outermost as in the weight."""
    padding = layer._reversed_padding_repeated_twice  # `same` resolved, and of every padding mode
    if any(padding):
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        inputs = functional.pad(inputs, padding, mode)
    kernel, dilation, stride = layer.kernel_size, layer.dilation, layer.stride
    if isinstance(layer, nn.Conv1d):
        inputs = inputs.unsqueeze(2)
        kernel, dilation, stride = (1, *kernel), (1, *dilation), (1, *stride)
    return functional.unfold(inputs, kernel, dilation=dilation, stride=stride)


def _scale(normalise: Callable[[Any, Tensor], Tensor]) -> Callable[[Any, Tensor, Tensor], Pieces]:
    """For a parameter that multiplies `normalise(layer, inputs)` elementwise, per feature or channel."""

    def pieces(layer: nn.Module, inputs: Tensor, gradients: Tensor) -> Pieces:
        return ExplicitPieces(0, (_by_position(layer, normalise(layer, inputs)) * gradients).sum(1))

    return pieces


def _layer_norm(layer: nn.LayerNorm, inputs: Tensor) -> Tensor:
    return functional.layer_norm(inputs, layer.normalized_shape, eps=layer.eps)


def _rms_norm(layer: nn.RMSNorm, inputs: Tensor) -> Tensor:
    return functional.rms_norm(inputs, list(layer.normalized_shape), eps=layer.eps)


def _group_norm(layer: nn.GroupNorm, inputs: Tensor) -> Tensor:
    return functional.group_norm(inputs, layer.num_groups, eps=layer.eps)


def _batch_norm(layer: nn.BatchNorm1d | nn.BatchNorm2d, inputs: Tensor) -> Tensor:
    return functional.batch_norm(inputs, layer.running_mean, layer.running_var, eps=layer.eps)


_WEIGHT_PIECES: dict[type[nn.Module], Callable[[Any, Tensor, Tensor], Pieces]] = {
    nn.Linear: _linear,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.Embedding: _embedding,
    nn.LayerNorm: _scale(_layer_norm),
    nn.RMSNorm: _scale(_rms_norm),
    nn.GroupNorm: _scale(_group_norm),
    nn.BatchNorm1d: _scale(_batch_norm),
    nn.BatchNorm2d: _scale(_batch_norm),
    nn.PReLU: _scale(lambda layer, inputs: inputs.clamp(max=0)),
}
