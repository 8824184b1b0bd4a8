"""Low-rank adapters (LoRA; Hu et al. 2022, arXiv 2106.09685) in the last layers of a pretrained model."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import chain
from typing import Any, TypeVar

from torch import nn

from gradtag_core.errors import InvalidInput

Module = TypeVar("Module", bound=nn.Module)

# What the libraries of models call the projections to queries and values, which the LoRA paper (section 4.2) adapts.
QUERIES_AND_VALUES = frozenset(
    {"query", "value", "q", "v", "q_proj", "v_proj", "q_lin", "v_lin", "query_proj", "value_proj"}
)
SCALE = 2  # alpha / rank


def with_shared_weights(model: Module) -> Module:
    """A copy whose structure can be changed, over the same weights."""
    tensors = chain(model.parameters(), model.buffers())
    return deepcopy(model, {id(tensor): tensor for tensor in tensors})


def encoder_and_decoder(model: Any) -> list[nn.Module]:
    """The two halves of an encoder-decoder of the transformers library."""
    return [model.get_encoder(), model.get_decoder()]


def layer_stack(model: nn.Module) -> nn.ModuleList:
    """The layers of a model: its outermost list of modules. Raises `InvalidInput` where there is none."""
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module):
            return module
    raise InvalidInput(
        f"`pretrained` must be a model that is a stack of layers; {type(model).__name__} has none."
    )


def add_adapters(model: nn.Module, stacks: Sequence[nn.ModuleList], rank: int, n_layers: int) -> None:
    """Freeze the model and put adapters into the last `n_layers` (0: all) layers of each stack, in place.

    They start as the identity: one factor is zero, the other is drawn from torch's generator.
    """
    from peft import LoraConfig, inject_adapter_in_model

    chosen = {layer for stack in stacks for layer in list(stack)[-n_layers:]}
    names = sorted(_targets(model, chosen))
    if not names:
        raise InvalidInput(
            f"`pretrained` must have linear layers for adapters in its last layers; {type(model).__name__} has none "
            "there."
        )
    model.requires_grad_(False)
    config = LoraConfig(r=rank, lora_alpha=SCALE * rank, lora_dropout=0.0, bias="none", target_modules=names)
    inject_adapter_in_model(config, model)


def _targets(model: nn.Module, chosen: set[nn.Module]) -> set[str]:
    """Queries and values, or all linear maps of a model that has none by these names."""
    linear = dict(_linear_maps(model, chosen))
    found = {name for name in linear if name.rpartition(".")[2] in QUERIES_AND_VALUES}
    return found or set(linear)


def _linear_maps(model: nn.Module, chosen: set[nn.Module]) -> Iterator[tuple[str, nn.Linear]]:
    for prefix, layer in model.named_modules():
        if layer in chosen:
            for name, module in layer.named_modules(prefix=prefix):
                if type(module) is nn.Linear:
                    yield name, module
