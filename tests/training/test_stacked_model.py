import pytest
import torch
from torch import nn

from gradtag_core.errors import InvalidInput
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.training.stacked_model import StackedModel, _PReLU

SUBSETS = ((0, 3), (2, 1), (3, 2))


@pytest.fixture(params=[("mlp", (6,)), ("mlp", (2, 3)), ("sign", (3, 5)), ("sign", (5,))])
def models(request):
    kind, shape = request.param
    return [EncoderArchitecture(kind, shape, 7, 4).build(seed) for seed in range(3)]


def stack_of(models):
    return StackedModel(
        models[0].encoder, [model.state_dict() for model in models], SUBSETS, torch.device("cpu")
    )


def by_branch(inputs, stack):
    """(models, batch, ...) as a stack takes them: (branches, models, batch, features)."""
    return inputs.reshape(*inputs.shape[:2], stack.branches, -1).permute(2, 0, 1, 3).contiguous()


def test_logits_and_gradients_are_those_of_each_model(request, models):
    shape = request.node.callspec.params["models"][1]
    generator = torch.Generator().manual_seed(0)
    stack = stack_of(models)
    for batch in (9, 9, 4):  # memory is used again, and made anew for another size
        inputs = torch.randn(3, batch, *shape, generator=generator)
        logits = stack.logits(by_branch(inputs, stack)).clone()
        stack.backward(2 * logits)
        holder = stack_of(models)  # a stack of gradients, to read them out as weights
        holder.parameters = {
            name: parameter.grad for name, parameter in stack.parameters.items() if parameter.grad is not None
        }
        for index, (model, tasks) in enumerate(zip(models, SUBSETS, strict=True)):
            model.zero_grad()
            expected = model(inputs[index], tasks)
            torch.testing.assert_close(logits[index].T, expected)
            expected.square().sum().backward()
            own = {name: parameter.grad for name, parameter in model.named_parameters()}
            zeros = {name: torch.zeros_like(gradient) for name, gradient in own.items()}
            torch.testing.assert_close(holder.weights_of(index, tasks, zeros), own)


def test_weights_come_back_as_they_went_in(models):
    stack = stack_of(models)
    for index, (model, tasks) in enumerate(zip(models, SUBSETS, strict=True)):
        back = stack.weights_of(index, tasks, model.state_dict())
        assert all(torch.equal(back[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("slope", [-0.5, 0.0, 0.25, 1.0, 3.0])
def test_prelu_equals_torch_zero_included(slope):
    inputs = torch.tensor([-2.0, -1e-3, 0.0, 1e-3, 5.0]).double().view(1, 1, 1, 5)
    weights = torch.tensor([1.0, -2.0, 3.0, 4.0, -5.0]).double().view(1, 1, 1, 5)
    slope_there = torch.tensor([slope]).double().requires_grad_()
    other = inputs.clone().requires_grad_()
    expected = nn.functional.prelu(other, slope_there)
    (expected * weights).sum().backward()

    slope_here = torch.tensor(slope).double().view(1, 1, 1, 1)
    slope_here.grad = torch.empty_like(slope_here)
    layer = _PReLU(slope_here)
    torch.testing.assert_close(layer.forward(inputs), expected.detach())
    torch.testing.assert_close(layer.backward(weights), other.grad)
    torch.testing.assert_close(slope_here.grad.flatten(), slope_there.grad)


def test_an_encoder_without_a_stacked_form_is_refused(models):
    models[0].encoder = nn.Flatten()
    with pytest.raises(InvalidInput, match="found Flatten"):
        stack_of(models)


def test_a_layer_without_a_stacked_form_is_refused():
    models = [EncoderArchitecture("mlp", (6,), 7, 4).build(seed) for seed in range(3)]
    models[0].encoder.layers = nn.Sequential(nn.Linear(6, 7), nn.ReLU())
    with pytest.raises(InvalidInput, match="found ReLU"):
        stack_of(models)
