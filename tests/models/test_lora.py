from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from gradtag_core.errors import InvalidInput
from gradtag_core.models.lora import SCALE, add_adapters, layer_stack, with_shared_weights


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(6, 6) for _ in range(3))

    def forward(self, states):
        return states + self.query(states) * self.key(states) + self.value(states)


def stacked(layer: Callable[[], nn.Module] = Attention, n_layers: int = 3) -> Any:
    torch.manual_seed(0)
    model: Any = nn.Module()
    model.first = nn.Linear(6, 6)
    model.layers = nn.ModuleList([layer() for _ in range(n_layers)])
    return model


def trained_names(model):
    return {name for name, value in model.named_parameters() if value.requires_grad}


@pytest.mark.parametrize(("n_layers", "adapted"), [(0, "012"), (1, "2"), (2, "12"), (5, "012")])
def test_queries_and_values_of_the_last_layers_have_adapters(n_layers, adapted):
    model = stacked()
    add_adapters(model, [model.layers], 2, n_layers)
    assert trained_names(model) == {
        f"layers.{layer}.{name}.lora_{factor}.default.weight"
        for layer in adapted
        for name in ("query", "value")
        for factor in "AB"
    }


def test_an_adapter_adds_the_product_of_its_factors():
    """W x + (alpha / r) B A x (section 4.1 of the paper); at the start it changes nothing."""
    model, states = stacked(), torch.randn(4, 6)
    before = model.layers[2].query(states)
    weight, bias = model.layers[2].query.weight, model.layers[2].query.bias
    add_adapters(model, [model.layers], 2, 1)
    adapted = model.layers[2].query
    torch.testing.assert_close(adapted(states), before)
    with torch.no_grad():
        adapted.lora_B["default"].weight.normal_()
    first, second = adapted.lora_A["default"].weight, adapted.lora_B["default"].weight
    torch.testing.assert_close(adapted(states), states @ (weight + SCALE * second @ first).T + bias)


def test_models_without_queries_have_adapters_at_all_linear_maps():
    model = stacked(lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 6)))
    add_adapters(model, [model.layers], 2, 1)
    assert {name.split(".lora")[0] for name in trained_names(model)} == {"layers.2.0", "layers.2.2"}


def test_models_that_cannot_have_adapters():
    with pytest.raises(InvalidInput, match="must have linear layers for adapters"):
        model = stacked(nn.ReLU)
        add_adapters(model, [model.layers], 2, 1)
    with pytest.raises(InvalidInput, match="must be a model that is a stack of layers; Linear has none"):
        layer_stack(nn.Linear(2, 2))


def test_a_copy_has_a_structure_of_its_own_over_the_same_weights():
    model = stacked()
    copy = with_shared_weights(model)
    assert copy.first.weight is model.first.weight
    del layer_stack(copy)[1:]
    assert (len(copy.layers), len(model.layers)) == (1, 3)
