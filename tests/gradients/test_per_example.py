import pytest
import torch
from torch import nn
from torch.nn import functional

from gradtag_core.errors import GradTagError, InvalidInput
from gradtag_core.gradients.per_example import RowGroups, logits_and_pieces, unsupported_layers
from gradtag_core.gradients.pieces import EmbeddingPieces, ExplicitPieces, OuterPieces
from tests.gradients.plain_loop import Ids, Summed, assert_equal_to_loop, draw, multitask
from tests.gradients.reference import ARCHITECTURES, TASKS, gradients_and_pieces


class Through(nn.Module):
    """An encoder that does with its `layers` whatever `function` says, and averages over positions."""

    def __init__(self, function, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.function = function

    def forward(self, inputs):
        outputs = self.function(self, inputs)
        return torch.tanh(outputs).reshape(len(inputs), -1, 4).mean(1)


class LoRALinear(nn.Module):
    """A frozen linear layer with a trained update of low rank."""

    def __init__(self, base, rank):
        super().__init__()
        self.base_layer = base.requires_grad_(False)
        self.lora_A = nn.Linear(base.in_features, rank, bias=False)
        self.lora_B = nn.Linear(rank, base.out_features, bias=False)

    def forward(self, inputs):
        return self.base_layer(inputs) + 0.5 * self.lora_B(self.lora_A(inputs))


def tied(one, other):
    """Both layers, with the weight of the first."""
    other.weight = one.weight
    return {"one": one, "other": other}


def tied_crosswise():
    """The first layer shares its weight with the second and its bias with the third."""
    one, other, third = (nn.Linear(4, 4) for _ in range(3))
    third.bias = one.bias
    return tied(one, other) | {"third": third}


def with_bias_first(layer):
    weight = layer.weight
    del layer.weight
    layer.weight = weight
    return layer


def with_weight_as_bias(layer):
    layer.bias = layer.weight
    return layer


def with_more(layer):
    layer.more = nn.Parameter(torch.zeros(4))
    return layer


def called_twice(self, inputs):
    return self.layer(torch.tanh(self.layer(inputs)))


def one_then_other(self, inputs):
    return self.other(torch.tanh(self.one(inputs)))


SUPPORTED = {
    "called twice": (Through(called_twice, layer=nn.Linear(4, 4)), (4,)),
    "called twice over positions": (Through(called_twice, layer=nn.Linear(4, 4)), (3, 4)),
    "convolution called twice": (
        Through(lambda self, x: called_twice(self, x).mT, layer=nn.Conv1d(4, 4, 3, padding=1)),
        (4, 5),
    ),
    "norm called twice": (Through(called_twice, layer=nn.LayerNorm(4)), (3, 4)),
    "embedding called twice": (
        Through(lambda self, x: self.layer(x[:, 0].long()) * self.layer(x[:, 1].long()), layer=nn.Embedding(9, 4)),
        (-9, 2),
    ),
    "called on a different number of positions": (
        Through(lambda self, x: self.layer(x[:, 0]) * self.layer(x[:, 1:]).sum(1), layer=nn.Linear(4, 4)),
        (3, 4),
    ),
    "tied, biases apart": (Through(one_then_other, **tied(nn.Linear(4, 4), nn.Linear(4, 4))), (4,)),
    "tied, one bias": (Through(one_then_other, **tied(nn.Linear(4, 4, bias=False), nn.Linear(4, 4))), (4,)),
    "embedding tied to linear": (
        Through(
            lambda self, x: self.one(x.long()) + torch.tanh(self.other(self.one(x.long())))[..., :4],
            **tied(nn.Embedding(9, 4), nn.Linear(4, 9)),
        ),
        (-9, 1),
    ),
    "embedding tied to embedding": (
        Through(
            lambda self, x: self.one(x.long()) * self.other(x.long()),
            **tied(nn.Embedding(9, 4), nn.Embedding(9, 4, padding_idx=3)),
        ),
        (-9, 2),
    ),
    "norms tied": (Through(one_then_other, **tied(nn.LayerNorm(4), nn.LayerNorm(4))), (4,)),
    "low-rank update": (Through(lambda self, x: self.layer(x), layer=LoRALinear(nn.Linear(6, 4), 2)), (6,)),
    "written over in place": (
        Through(lambda self, x: torch.relu_(self.layer(x)), layer=nn.Linear(6, 4)), (6,),
    ),
    "called by keyword": (Through(lambda self, x: self.layer(input=x), layer=nn.Linear(6, 4)), (6,)),
    "tied, weight and bias to different layers": (
        Through(lambda self, x: self.third(one_then_other(self, x)), **tied_crosswise()),
        (4,),
    ),
    "bias before weight": (Through(lambda self, x: self.layer(x), layer=with_bias_first(nn.Linear(6, 4))), (6,)),
    "weight as bias": (Through(lambda self, x: self.layer(x), layer=with_weight_as_bias(nn.LayerNorm(4))), (4,)),
    "never called": (Through(lambda self, x: self.layer(x), layer=nn.Linear(6, 4), other=nn.Linear(3, 3)), (6,)),
    "called for nothing": (
        Through(lambda self, x: (self.layer(x), self.other(x))[0], layer=nn.Linear(6, 4), other=nn.Linear(6, 4)),
        (6,),
    ),
    "called without gradient": (
        Through(lambda self, x: self.layer(self.other(x).detach()), layer=nn.Linear(4, 4), other=nn.Linear(6, 4)),
        (6,),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SUPPORTED)
def test_gradients_of_layers_used_in_many_ways_are_those_of_the_plain_loop(name):
    encoder, shape = SUPPORTED[name]
    model = multitask(encoder, 4)
    inputs, tasks = draw(shape)
    assert_equal_to_loop(model, inputs, tasks)
    assert unsupported_layers(model, "all", inputs) == ()


class Raw(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.shift = nn.Parameter(torch.ones(4))

    def forward(self, inputs):
        return self.scale * inputs + self.shift


def attention(self, inputs):
    return self.layer(inputs, inputs, inputs)[0]


def with_positions(self, inputs):
    return self.tokens(inputs.long()) + self.positions(torch.arange(inputs.shape[1]))


UNSUPPORTED = {
    "recurrent": (Through(lambda self, x: self.layer(x)[0], layer=nn.GRU(3, 4, batch_first=True)), (3, 3),
                  "layer"),
    "attention": (Through(attention, layer=nn.MultiheadAttention(4, 2, batch_first=True)), (3, 4), "layer"),
    "bilinear": (Through(lambda self, x: self.layer(x, x), layer=nn.Bilinear(4, 4, 4)), (4,), "layer"),
    "own parameters": (Through(lambda self, x: self.layer(x), layer=Raw()), (4,), "layer"),
    "transposed convolution": (
        Through(lambda self, x: self.layer(x).mT, layer=nn.ConvTranspose1d(2, 4, 2)), (2, 3), "layer"
    ),
    "weight used without the layer": (
        Through(lambda self, x: self.layer(x) + functional.linear(x, self.layer.weight), layer=nn.Linear(6, 4)),
        (6,), "layer",
    ),
    "weight used by the function only": (
        Through(lambda self, x: functional.linear(x, self.layer.weight), layer=nn.Linear(6, 4)), (6,), "layer",
    ),
    "a parameter of another's": (
        Through(lambda self, x: self.layer(x) * self.layer.more, layer=with_more(nn.Linear(6, 4))), (6,), "layer",
    ),
    "positions first": (
        Through(lambda self, x: self.layer(x.transpose(0, 1)).transpose(0, 1), layer=nn.Linear(6, 4)), (5, 6),
        "layer",
    ),
    "rows and positions in one": (Through(lambda self, x: self.layer(x.flatten(0, 1)), layer=nn.Linear(6, 4)), (2, 6),
                                  "layer"),
    "embedded positions": (
        Through(with_positions, tokens=nn.Embedding(9, 4), positions=nn.Embedding(5, 4)), (-9, 5), "positions",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_all_else_is_named_and_falls_back_to_the_same_gradients(name):
    encoder, shape, layer = UNSUPPORTED[name]
    model = multitask(encoder, 4)
    inputs, tasks = draw(shape)  # as many rows as positions, which must not pass for rows
    assert_equal_to_loop(model, inputs, tasks)
    assert f"encoder.{layer}" in unsupported_layers(model, "all", inputs)
    assert all(found.startswith(f"encoder.{layer}") for found in unsupported_layers(model, "all", inputs))


@pytest.mark.parametrize("n_rows", [2, 3, 4])
def test_as_many_positions_as_rows_do_not_pass_for_rows(n_rows):
    encoder, _, _ = UNSUPPORTED["embedded positions"]
    model = multitask(encoder, 4)
    inputs, tasks = draw((-9, n_rows), n_rows=n_rows)
    assert_equal_to_loop(model, inputs, tasks)
    assert unsupported_layers(model, "all", inputs) == ("encoder.positions",)


@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_few_rows_do(n_rows):
    model = multitask(Summed(Ids(), nn.Embedding(9, 4), nn.Linear(4, 4), nn.PReLU()), 4)
    inputs, tasks = draw((-9, 1), n_rows=n_rows)
    pieces = assert_equal_to_loop(model, inputs, tasks)
    assert [type(piece) for piece in pieces[:2]] == [EmbeddingPieces, OuterPieces]


@pytest.mark.parametrize("n_rows", [5, 7])
def test_kinds_do_not_depend_on_the_number_of_rows(n_rows):
    encoder, shape, _ = UNSUPPORTED["embedded positions"]
    pieces = assert_equal_to_loop(multitask(encoder, 4), *draw(shape, n_rows=n_rows))
    assert [type(piece) for piece in pieces] == [EmbeddingPieces, ExplicitPieces, OuterPieces]


@pytest.mark.parametrize(
    "parameters", ["all", "backbone", lambda name: name.endswith("bias"), lambda name: "0" in name]
)
def test_any_choice_of_parameters(parameters):
    encoder = Summed(nn.Conv1d(3, 4, 2), nn.BatchNorm1d(4), nn.PReLU(4), channels_second=True)
    assert_equal_to_loop(multitask(encoder, 4), *draw((3, 6)), parameters)


@pytest.mark.parametrize("frozen", ["weight", "bias"])
@pytest.mark.parametrize("shape", [(6,), (2, 6)])
def test_frozen_parameters_do_not_count(frozen, shape):
    model = multitask(Summed(nn.Linear(6, 4), nn.Linear(4, 4), nn.LayerNorm(4)), 4)
    for name, parameter in model.named_parameters():
        if name.endswith(frozen):
            parameter.requires_grad_(False)
    pieces = assert_equal_to_loop(model, *draw(shape))
    assert sum(piece.size for piece in pieces) == sum(
        value.numel() for value in model.parameters() if value.requires_grad
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_pieces_multiply_out_to_the_gradients_per_sample(architecture):
    gradients, pieces, _ = gradients_and_pieces(architecture)
    found = torch.cat([piece.gradients() for piece in pieces], dim=1)
    torch.testing.assert_close(found, gradients, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_are_the_models(architecture):
    model = architecture.build(0).eval()
    inputs = torch.randn(7, *architecture.input_shape, generator=torch.Generator().manual_seed(0))
    logits, _ = logits_and_pieces(model, inputs, TASKS)
    torch.testing.assert_close(logits, model(inputs).detach()[torch.arange(7), TASKS])


def test_the_model_is_left_as_it_was():
    model = multitask(Summed(nn.Linear(6, 4), nn.BatchNorm1d(4), Raw()), 4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        logits_and_pieces(model, *draw((6,)))
    assert not any(layer._forward_hooks for layer in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.BatchNorm1d(4), r"eval\(\).*`encoder\.layers\.1` \(BatchNorm1d\) is in training mode"),
        (nn.Dropout(0.5), r"eval\(\).*`encoder\.layers\.1` \(Dropout\) is in training mode"),
    ],
)
def test_a_model_in_training_mode_is_refused(layer, message):
    model = multitask(Summed(nn.Linear(6, 4), layer), 4).train()
    with pytest.raises(InvalidInput, match=message):
        logits_and_pieces(model, *draw((6,)))


def test_a_batch_norm_without_running_statistics_is_refused():
    model = multitask(Summed(nn.Linear(6, 4), nn.BatchNorm1d(4, track_running_stats=False)), 4)
    with pytest.raises(InvalidInput, match=r"`encoder\.layers\.1`.*no running statistics"):
        logits_and_pieces(model, *draw((6,)))


def test_a_model_that_does_not_depend_on_the_chosen_parameters_is_refused():
    model = multitask(Through(lambda self, x: self.layer(x), layer=nn.Linear(6, 4), other=nn.Linear(3, 3)), 4)
    with pytest.raises(InvalidInput, match="depend on the chosen parameters"):
        logits_and_pieces(model, *draw((6,)), lambda name: "other" in name)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(InvalidInput, match="at least one parameter that requires a gradient"):
        logits_and_pieces(model, *draw((6,)))


def test_rows_without_a_task_are_refused():
    model = multitask(Summed(nn.Linear(6, 4)), 4)
    inputs, tasks = draw((6,))
    with pytest.raises(InvalidInput, match="5 and 4"):
        logits_and_pieces(model, inputs, tasks[:-1])
    with pytest.raises(InvalidInput, match="0 and 0"):
        logits_and_pieces(model, inputs[:0], tasks[:0])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_names_its_layer(value):
    model = multitask(Summed(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 4)), 4)
    with torch.no_grad():
        model.get_parameter("encoder.layers.2.weight")[0, 0] = value
    with pytest.raises(GradTagError, match=r"layer `encoder\.layers\.0` is not finite"):
        logits_and_pieces(model, *draw((6,)))
    with torch.no_grad():
        model.get_parameter("encoder.layers.2.weight")[0, 0] = 0.0
        model.head.bias.fill_(value)
    with pytest.raises(GradTagError, match="logits of the model are not finite"):
        logits_and_pieces(model, *draw((6,)))


def test_row_groups_number_examples_and_rows_within_them():
    rows = RowGroups.of(torch.tensor([3, 3, 3, 5, 9, 9]))
    assert rows.group.tolist() == [0, 0, 0, 1, 2, 2]
    assert rows.slot.tolist() == [0, 1, 2, 0, 0, 1]
    assert rows.first.tolist() == [0, 3, 4]
    assert rows.shape == (3, 3)
