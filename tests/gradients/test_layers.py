import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gradtag_core.gradients.layers import is_supported
from gradtag_core.gradients.per_example import unsupported_layers
from gradtag_core.gradients.pieces import EmbeddingPieces, ExplicitPieces, OuterPieces
from tests.gradients.plain_loop import Ids, Summed, assert_equal_to_loop, draw, multitask

LAYERS = {
    "linear": (lambda: Summed(nn.Linear(6, 4)), (6,)),
    "linear without bias": (lambda: Summed(nn.Linear(6, 4, bias=False)), (6,)),
    "linear over two positions": (lambda: Summed(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4)), (2, 6)),
    "linear over many positions": (lambda: Summed(nn.Linear(3, 4)), (9, 3)),
    "linear over a grid": (lambda: Summed(nn.Linear(6, 4)), (2, 3, 6)),
    "convolution 1d": (lambda: Summed(nn.Conv1d(3, 4, 2), channels_second=True), (3, 7)),
    "convolution 1d, few positions": (lambda: Summed(nn.Conv1d(9, 4, 3), channels_second=True), (9, 4)),
    "convolution 1d, circular": (
        lambda: Summed(nn.Conv1d(3, 4, 3, padding=2, padding_mode="circular"), channels_second=True),
        (3, 7),
    ),
    "convolution 2d": (lambda: Summed(nn.Conv2d(2, 4, 3), channels_second=True), (2, 5, 6)),
    "convolution 2d, same": (
        lambda: Summed(nn.Conv2d(2, 4, (2, 3), padding="same", dilation=2), channels_second=True),
        (2, 5, 6),
    ),
    "convolution 2d, by channel": (
        lambda: Summed(nn.Conv2d(4, 4, 3, groups=4), channels_second=True),
        (4, 5, 5),
    ),
    "embedding": (lambda: Summed(Ids(), nn.Embedding(9, 4)), (-9, 3)),
    "embedding of one id": (lambda: Summed(Ids(), nn.Embedding(9, 4)), (-9,)),
    "embedding with padding": (lambda: Summed(Ids(), nn.Embedding(9, 4, padding_idx=2)), (-9, 5)),
    "embedding of more ids than rows": (lambda: Summed(Ids(), nn.Embedding(3, 4, padding_idx=-1)), (-3, 5)),
    "layer norm": (lambda: Summed(nn.Linear(6, 4), nn.LayerNorm(4)), (6,)),
    "layer norm over positions": (lambda: Summed(nn.LayerNorm(4)), (3, 4)),
    "layer norm of grids": (lambda: Summed(nn.LayerNorm([3, 4])), (2, 3, 4)),
    "RMS norm": (lambda: Summed(nn.RMSNorm(4)), (3, 4)),
    "group norm": (lambda: Summed(nn.GroupNorm(2, 4), channels_second=True), (4, 3)),
    "batch norm": (lambda: Summed(nn.BatchNorm1d(4)), (4,)),
    "batch norm over positions": (lambda: Summed(nn.BatchNorm1d(4), channels_second=True), (4, 3)),
    "batch norm 2d": (lambda: Summed(nn.BatchNorm2d(4), channels_second=True), (4, 3, 2)),
    "PReLU": (lambda: Summed(nn.PReLU()), (4,)),
    "PReLU over positions": (lambda: Summed(nn.PReLU()), (3, 4)),
    "PReLU by channel": (lambda: Summed(nn.PReLU(4)), (4,)),
    "PReLU by channel over positions": (lambda: Summed(nn.PReLU(4), channels_second=True), (4, 3, 2)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_gradients_are_those_of_the_plain_loop(name, dtype, tolerance):
    encoder, shape = LAYERS[name]
    model = multitask(encoder(), 4, dtype=dtype)
    inputs, tasks = draw(shape, dtype)
    assert_equal_to_loop(model, inputs, tasks, tolerance=tolerance)
    assert unsupported_layers(model, "all", inputs) == ()


@given(
    groups=st.integers(1, 3), per_group=st.integers(1, 2), kernel=st.integers(1, 3), stride=st.integers(1, 3),
    padding=st.integers(0, 2), dilation=st.integers(1, 2), size=st.integers(5, 8), bias=st.booleans(),
    flat=st.booleans(),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_convolutions_of_every_shape(
    groups, per_group, kernel, stride, padding, dilation, size, bias, flat
):  # fmt: skip
    kind = nn.Conv1d if flat else nn.Conv2d
    layer = kind(groups * per_group, groups * 2, kernel, stride, padding, dilation, groups=groups, bias=bias)
    shape = (groups * per_group, size) if flat else (groups * per_group, size, size + 1)
    inputs, tasks = draw(shape, n_rows=3)
    assert_equal_to_loop(multitask(Summed(layer, channels_second=True), groups * 2), inputs, tasks)


@given(positions=st.integers(1, 8), n_in=st.integers(1, 6), n_out=st.integers(1, 6), bias=st.booleans())
@settings(max_examples=30, deadline=None)
def test_linear_layers_of_every_shape(positions, n_in, n_out, bias):
    model = multitask(Summed(nn.Linear(n_in, n_out, bias=bias)), n_out)
    assert_equal_to_loop(model, *draw((positions, n_in), n_rows=3))


def first_piece(encoder, width, shape):
    return assert_equal_to_loop(multitask(encoder, width), *draw(shape))[0]


def test_the_short_form_is_kept_only_where_it_is_shorter():
    assert isinstance(first_piece(Summed(nn.Linear(1, 1)), 1, (1,)), OuterPieces)
    assert isinstance(first_piece(Summed(nn.Linear(8, 8)), 8, (3, 8)), OuterPieces)
    assert isinstance(first_piece(Summed(nn.Linear(8, 8)), 8, (4, 8)), ExplicitPieces)
    assert isinstance(first_piece(Summed(Ids(), nn.Embedding(4, 2)), 2, (-4, 3)), EmbeddingPieces)
    assert isinstance(first_piece(Summed(Ids(), nn.Embedding(4, 2)), 2, (-4, 4)), ExplicitPieces)


def test_a_layer_that_is_written_out_is_one_piece():
    for encoder, shape in (LAYERS["convolution 2d"], LAYERS["layer norm over positions"]):
        pieces = assert_equal_to_loop(multitask(encoder(), 4), *draw(shape))
        assert [type(piece) for piece in pieces] == [ExplicitPieces, OuterPieces]


def test_a_single_position_is_not_copied():
    inputs, tasks = draw((6,))
    piece = assert_equal_to_loop(multitask(Summed(nn.Linear(6, 4)), 4), inputs, tasks)[0]
    assert isinstance(piece, OuterPieces)
    assert piece.inputs.data_ptr() == inputs.data_ptr()


def test_written_out_convolutions_do_not_depend_on_the_chunk(monkeypatch):
    monkeypatch.setattr("gradtag_core.gradients.layers.CHUNK_ENTRIES", 1)
    model = multitask(Summed(nn.Conv2d(2, 4, 3), channels_second=True), 4)
    assert_equal_to_loop(model, *draw((2, 5, 6)))


def test_a_subclass_may_do_as_it_likes_and_is_not_supported():
    class Twice(nn.Linear):
        def forward(self, input):
            return 2 * super().forward(input)

    assert is_supported(nn.Linear(2, 2))
    assert not is_supported(Twice(2, 2))
    assert not is_supported(nn.Embedding(3, 2, scale_grad_by_freq=True))
    model = multitask(Summed(Twice(6, 4)), 4)
    assert_equal_to_loop(model, *draw((6,)))
    assert unsupported_layers(model) == ("encoder.layers.0",)
