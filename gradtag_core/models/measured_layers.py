"""The layers of a transformer whose settings do not tell them: found by running one example through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gradtag_core.models.architecture import Layer
from gradtag_core.models.lora import add_adapters, encoder_and_decoder, layer_stack, with_shared_weights
from gradtag_core.models.verbaliser import Verbaliser

if TYPE_CHECKING:
    from gradtag_core.models.transformer import TransformerArchitecture


def measured(architecture: TransformerArchitecture) -> tuple[int, tuple[Layer, ...], float]:
    """How wide the encoder is, its layers with adapters, and the FLOPs of one example that no layer accounts for."""
    model = with_shared_weights(architecture.frozen())
    parts = encoder_and_decoder(model) if architecture.answers else [model]
    with torch.random.fork_rng(devices=[]):
        stacks = [layer_stack(part) for part in parts]
        add_adapters(model, stacks, architecture.lora_rank, architecture.trained_layers)
    if architecture.answers:
        whole: nn.Module = Verbaliser(model, architecture.answers, 0, architecture.pad_token)
    else:
        whole = architecture.encoder(model)
    found: list[Layer] = []

    def note(layer: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
        weight = layer.get_parameter("weight")
        positions = output.numel() // len(weight)
        seen = arguments[0]
        found.append(
            Layer(weight[0].numel(), len(weight), positions, not seen.requires_grad, weight.requires_grad)
        )

    for layer in whole.modules():
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
            layer.register_forward_hook(note)
    if architecture.image:
        example = torch.zeros(1, architecture.image.channels, *architecture.image.size)
    else:
        example = torch.ones(1, architecture.positions, dtype=torch.long)
    with FlopCounterMode(display=False) as forward, torch.enable_grad():
        outputs = whole.eval()(example)
    with FlopCounterMode(display=False) as backward:
        outputs.sum().backward()
    rest = forward.get_total_flops() - sum(layer.flops for layer in found)
    accounted = sum(layer.flops * ((not layer.is_first) + layer.trained) for layer in found)
    # Products without weights; of those in layers without adapters, no gradient is taken.
    mixing = min(rest, max(0.0, (backward.get_total_flops() - accounted) / 2))
    found.append(Layer(round((rest - mixing) / 2), 1, is_first=True, trained=False))
    width = outputs.shape[1]
    if architecture.answers:
        config = architecture.pretrained.config
        width = int(config.get("d_model") or config["hidden_size"])
    return width, tuple(found), mixing
