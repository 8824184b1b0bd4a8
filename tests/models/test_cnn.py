import numpy as np
import pytest
import torch

from gradtag_core.errors import InvalidInput
from gradtag_core.gradients.per_example import unsupported_layers
from gradtag_core.models.cnn import CNN
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.tasks.suite import TaskSuite
from tests.gradients.plain_loop import assert_equal_to_loop, draw, multitask


def images(*shape: int) -> TaskSuite:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (shape[0], 2)).astype(np.int8)
    return TaskSuite(
        "images", ("a", "b"), rng.random(shape, dtype=np.float32), labels, rng.permutation(shape[0])
    )


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 4, 5), (1, 8, 8), (3, 17, 9)])
@pytest.mark.parametrize("width", [1, 8])
def test_images_of_any_size_and_their_order_in_a_batch_does_not_count(shape, width):
    suite = images(40, *shape)
    architecture = EncoderArchitecture.of("cnn", suite, width)
    model, inputs = architecture.build(0), architecture.inputs_of(suite)
    assert isinstance(inputs, torch.Tensor)
    outputs = model(inputs)
    assert outputs.shape == (40, 2)
    torch.testing.assert_close(model(inputs[[7, 3]]), outputs[[7, 3]])


def test_it_reads_images_only(small_suite):
    with pytest.raises(InvalidInput, match=r"`model` must be one that reads `small`: .* needs image data"):
        EncoderArchitecture.of("cnn", small_suite, 8)


def test_large_images_pass_few_at_a_time():
    small, large = (EncoderArchitecture("cnn", (3, size, size), 64, 5) for size in (8, 512))
    assert (small.scored_at_once, small.examples_at_once) == (8192, 512)
    assert 1 <= large.examples_at_once == large.scored_at_once < 16


def test_gradients_per_row_are_the_loops_and_no_layer_is_slow():
    model = multitask(CNN((2, 7, 8), 16), 16)
    inputs, tasks = draw((2, 7, 8))
    assert_equal_to_loop(model, inputs, tasks)
    assert unsupported_layers(model, inputs=inputs) == ()
