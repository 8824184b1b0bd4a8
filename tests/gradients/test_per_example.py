import pytest
import torch
from torch import nn

from gradtag_core.errors import InvalidInput
from gradtag_core.gradients.per_example import RowGroups, logits_and_pieces, parameter_layers
from gradtag_core.models.multitask import MultitaskModel
from tests.gradients.reference import ARCHITECTURES, TASKS, gradients_and_pieces


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_pieces_multiply_out_to_the_gradients_per_sample(architecture):
    gradients, pieces, _ = gradients_and_pieces(architecture)
    found = torch.zeros_like(gradients)
    for layer in pieces:
        if layer.is_linear:
            weight = (layer.output_gradients[:, :, None] * layer.inputs[:, None, :]).flatten(1)
            own = torch.cat([weight, layer.output_gradients], dim=1)
        else:
            own = layer.slope_gradients()
        found[:, layer.offset : layer.offset + own.shape[1]] = own
    torch.testing.assert_close(found, gradients, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_squared_norms_are_those_of_the_gradients(architecture):
    gradients, pieces, _ = gradients_and_pieces(architecture)
    found = sum(layer.squared_norms() for layer in pieces)
    torch.testing.assert_close(found, gradients.square().sum(1))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_are_the_models(architecture):
    model = architecture.build(0).eval()
    inputs = torch.randn(7, *architecture.input_shape, generator=torch.Generator().manual_seed(0))
    logits, _ = logits_and_pieces(model, inputs, TASKS)
    torch.testing.assert_close(logits, model(inputs).detach()[torch.arange(7), TASKS])


def test_hooks_are_gone_afterwards():
    model = ARCHITECTURES[0].build(0).eval()
    logits_and_pieces(model, torch.zeros(2, 3, 6), torch.tensor([0, 1]))
    assert not any(layer._forward_hooks for layer in model.modules())


def test_offsets_follow_the_order_of_the_parameters():
    model = ARCHITECTURES[0].build(0)
    offsets = parameter_layers(model)
    position = 0
    for layer, offset in offsets.items():
        assert offset == position
        position += sum(parameter.numel() for parameter in layer.parameters(recurse=False))
    own = [id(parameter) for layer in offsets for parameter in layer.parameters(recurse=False)]
    assert [id(parameter) for parameter in model.parameters()] == own


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(5), nn.PReLU(5), nn.Bilinear(5, 5, 5)])
def test_a_layer_it_cannot_take_apart_is_named(layer):
    model = MultitaskModel(nn.Sequential(nn.Linear(6, 5), layer), 5, 4)
    with pytest.raises(InvalidInput, match=rf"encoder\.1.*{type(layer).__name__}"):
        parameter_layers(model)


def test_row_groups_number_examples_and_rows_within_them():
    rows = RowGroups.of(torch.tensor([3, 3, 3, 5, 9, 9]))
    assert rows.group.tolist() == [0, 0, 0, 1, 2, 2]
    assert rows.slot.tolist() == [0, 1, 2, 0, 0, 1]
    assert rows.first.tolist() == [0, 3, 4]
    assert rows.shape == (3, 3)
