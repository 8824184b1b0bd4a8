import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from gradtag_core.errors import InvalidInput
from gradtag_core.gradients.per_example import logits_and_pieces, parameter_layers
from gradtag_core.gradients.project_rows import RowGroups, project_rows
from gradtag_core.gradients.projection import Projection
from gradtag_core.models.architecture import Architecture
from gradtag_core.models.multitask import MultitaskModel

ARCHITECTURES = [Architecture("sign", (3, 6), 5, 4), Architecture("mlp", (6,), 5, 4)]


def reference_gradients(model, inputs, tasks):
    """(rows, p): torch.func's per-sample gradients, flattened in `named_parameters` order."""
    parameters = {name: value.detach() for name, value in model.named_parameters()}

    def logit(parameters, example, task):
        return (
            functional_call(model, parameters, (example[None],)).squeeze(0).gather(0, task[None]).squeeze(0)
        )

    gradients = vmap(grad(logit), in_dims=(None, 0, 0))(parameters, inputs, tasks)
    return torch.cat([gradients[name].flatten(1) for name in parameters], dim=1)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_projected_pieces_equal_projected_per_sample_gradients(architecture):
    model = architecture.build(0).eval()
    generator = torch.Generator().manual_seed(1)
    examples = torch.tensor([0, 0, 0, 1, 2, 2, 3])
    tasks = torch.tensor([0, 2, 3, 1, 0, 3, 2])
    inputs = torch.randn(4, *architecture.input_shape, generator=generator)[examples]
    projection = Projection("gaussian", 11, seed=2)

    logits, pieces = logits_and_pieces(model, inputs, tasks)
    projected = project_rows(pieces, RowGroups.of(examples), projection)

    full = reference_gradients(model, inputs, tasks)
    assert full.shape[1] == architecture.n_parameters
    torch.testing.assert_close(logits, model(inputs).detach()[torch.arange(7), tasks])
    torch.testing.assert_close(projected, full @ projection.rows(0, full.shape[1]), rtol=1e-5, atol=1e-5)


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
    assert [id(p) for p in model.parameters()] == [
        id(p) for layer in offsets for p in layer.parameters(recurse=False)
    ]


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(5), nn.PReLU(5), nn.Bilinear(5, 5, 5)])
def test_a_layer_it_cannot_take_apart_is_named(layer):
    model = MultitaskModel(nn.Sequential(nn.Linear(6, 5), layer), 5, 4)
    with pytest.raises(InvalidInput, match=rf"encoder\.1.*{type(layer).__name__}"):
        parameter_layers(model)
