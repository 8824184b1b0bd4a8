import pytest
import torch
from torch import nn

from gradtag_core.errors import InvalidInput
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.models.measured import measure_module

PROBE = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))


class Attention(nn.Module):
    """One head over four positions of eight numbers, by the fused kernel."""

    def __init__(self, n_outputs: int):
        super().__init__()
        self.mixed = nn.Linear(8, 24)
        self.out = nn.Linear(8, n_outputs)

    def forward(self, inputs):
        query, key, value = self.mixed(inputs).chunk(3, dim=-1)
        return self.out(nn.functional.scaled_dot_product_attention(query, key, value).mean(1))


@pytest.mark.parametrize(
    "architecture",
    [
        EncoderArchitecture("mlp", (6,), 8, 5),
        EncoderArchitecture("cnn", (3, 9, 6), 16, 5),
        EncoderArchitecture("sign", (4, 16), 8, 5),
    ],
)
def test_it_finds_the_formulas_of_the_built_in_models(architecture):
    probe = torch.zeros(3, *architecture.input_shape)
    found, facts = measure_module(lambda n: architecture.build(torch.initial_seed()), 5, probe)
    assert found.forward_flops == architecture.forward_flops(5)
    assert found.backward_flops == architecture.backward_flops(5)
    assert found.step_flops == architecture.step_flops(5)
    assert sorted(layer[:3] for layer in found.layers) == sorted(
        layer[:3] for layer in architecture._with_head(5)
    )
    assert sum(torch.Size(shape).numel() for _, shape, _ in facts) == architecture.n_parameters


def test_products_of_fused_attention_count():
    found, _ = measure_module(Attention, 2, torch.randn(3, 4, 8))
    linear = 2 * 4 * 8 * 24 + 2 * 8 * 2
    assert found.forward_flops == linear + 2 * (2 * 4 * 4 * 8)  # with the keys, and with the values
    assert found.step_flops == found.forward_flops + linear + 2 * 8 * 2 + 4 * (2 * 4 * 4 * 8)


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_products_of_fused_recurrent_layers_count(kind, gates):
    class Recurrent(nn.Module):
        def __init__(self, n_outputs):
            super().__init__()
            self.recurrent, self.head = kind(2, 5, batch_first=True), nn.Linear(5, n_outputs)

        def forward(self, inputs):
            return self.head(self.recurrent(inputs.view(-1, 3, 2))[0][:, -1])

    enabled = torch.backends.mkldnn.enabled
    found, _ = measure_module(Recurrent, 7, PROBE)
    assert torch.backends.mkldnn.enabled == enabled
    assert found.forward_flops == 2 * (3 * gates * 5 * (2 + 5) + 5 * 7)
    assert 2 * found.forward_flops < found.step_flops <= 3 * found.forward_flops


def test_a_frozen_layer_has_no_gradient_of_its_weights_and_is_no_layer_of_the_features():
    def build(n_outputs):
        frozen = nn.Linear(6, 10).requires_grad_(False)
        return nn.Sequential(frozen, nn.ReLU(), nn.Linear(10, n_outputs))

    found, facts = measure_module(build, 2, PROBE)
    assert found.forward_flops == 2 * (6 * 10 + 10 * 2)
    assert found.backward_flops == 0
    assert found.step_flops == found.forward_flops + 2 * 10 * 2
    assert [layer[:3] for layer in found.layers] == [(10, 2, 1)]
    assert [trained for *_, trained in facts] == [False, False, True, True]


def test_a_layer_that_is_called_twice_has_the_positions_of_both_calls():
    class Twice(nn.Module):
        def __init__(self, n_outputs):
            super().__init__()
            self.shared, self.out = nn.Linear(6, 6), nn.Linear(6, n_outputs)

        def forward(self, inputs):
            return self.out(self.shared(self.shared(inputs)))

    found, _ = measure_module(Twice, 1, PROBE)
    assert [layer[:3] for layer in found.layers] == [(6, 6, 2), (6, 1, 1)]
    assert found.forward_flops == 2 * (36 + 36 + 6)


def test_weights_without_products_cost_something():
    class Scale(nn.Module):
        def __init__(self, n_outputs):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(n_outputs))

        def forward(self, inputs):
            return inputs[:, : len(self.scale)] * self.scale

    found, _ = measure_module(Scale, 3, PROBE)
    assert (found.forward_flops, found.step_flops, found.layers) == (6, 18, ())


class Tuple(nn.Linear):
    def forward(self, inputs):
        return super().forward(inputs), None


class Mixing(nn.Linear):
    def forward(self, inputs):
        outputs = super().forward(inputs)
        return outputs - outputs.mean(0)


def double(n_outputs):
    class Double(nn.Linear):
        def forward(self, inputs):
            return super().forward(inputs).double()

    return Double(6, n_outputs)


KEPT = nn.Linear(6, 2)


def unseeded(n_outputs):
    layer = nn.Linear(6, n_outputs)
    nn.init.constant_(layer.weight, DRAWS.pop())
    return layer


DRAWS = [1.0, 2.0]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda n: None, r"return a torch module; found NoneType"),
        (lambda n: nn.Linear(6, n + 1), r"float32 of shape \(3, 2\).* shape \(3, 3\)"),
        (lambda n: nn.Flatten(0), r"parameter that requires a gradient"),
        (double, r"found torch.float64"),
        (lambda n: Tuple(6, n), r"returns a tensor; found tuple"),
        (lambda n: Mixing(6, n), r"treats each row alone"),
        (
            lambda n: nn.Sequential(nn.Linear(6, n), nn.BatchNorm1d(n, track_running_stats=False)),
            r"treats each row alone.*`track_running_stats=True`",
        ),
        (lambda n: KEPT, r"new module at each call; two calls gave the same parameter `weight`"),
        (unseeded, r"same weights from the same seed.*`weight`"),
    ],
)
def test_what_cannot_be_a_model_is_told(build, message):
    with pytest.raises(InvalidInput, match=rf"`build` must .*{message}"):
        measure_module(build, 2, PROBE)


def test_it_leaves_torchs_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    measure_module(lambda n: nn.Sequential(nn.Dropout(), nn.Linear(6, n)), 2, PROBE)
    assert torch.equal(torch.rand(2), expected)
