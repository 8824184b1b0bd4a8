from itertools import chain

import torch

from gradtag_core.models.frozen import KEPT_CACHES, HiddenInputs, shared
from tests.models.tiny_models import architecture, save_model, text_suite

WIDTH = 5


class Raw:
    """Examples of one to seven positions, each of which holds its own number."""

    def __init__(self, n_examples=50):
        self.sizes = torch.arange(n_examples) * 3 % 7 + 1
        self.asked = []

    flops, nbytes = 0.0, 0

    def __len__(self):
        return len(self.sizes)

    def lengths(self, examples):
        return self.sizes[examples]

    def __getitem__(self, examples):
        self.asked.append(examples.tolist())
        return examples


class Lower(torch.nn.Module):
    def forward(self, examples):
        longest = int((examples * 3 % 7 + 1).max())
        return examples[:, None, None] + torch.arange(longest)[:, None] / 100 + torch.zeros(WIDTH)


def test_each_example_is_computed_once_and_only_if_asked_for():
    raw = Raw()
    inputs = HiddenInputs(raw, Lower(), WIDTH, float)
    first, second = torch.tensor([3, 9, 9, 4]), torch.tensor([4, 20, 3])
    inputs[first]
    assert inputs.flops == sum(raw.sizes[[3, 4, 9]].max().item() for _ in range(3))
    for examples in (second, first):
        inputs[examples]
    assert sorted(chain(*raw.asked)) == [3, 4, 9, 20]
    assert len(inputs) == 50


def test_batches_are_states_with_ones_at_real_positions():
    raw = Raw()
    for memory_bytes in (0, 2**30):
        inputs = HiddenInputs(raw, Lower(), WIDTH, float, memory_bytes)
        for examples in (torch.tensor([6]), torch.tensor([49, 2, 2, 30]), torch.arange(50)):
            batch = inputs[examples]
            sizes = raw.sizes[examples]
            assert batch.shape == (len(examples), int(sizes.max()), WIDTH + 1)
            is_real = torch.arange(batch.shape[1]) < sizes[:, None]
            torch.testing.assert_close(batch[..., -1], is_real.float())
            torch.testing.assert_close(
                batch[..., :-1], Lower()(examples)[:, : batch.shape[1]] * is_real[..., None]
            )


def test_large_states_lie_in_a_file(tmp_path):
    assert HiddenInputs(Raw(), Lower(), WIDTH, float, 0).nbytes == 0
    assert HiddenInputs(Raw(), Lower(), WIDTH, float).nbytes > 0


def test_trainings_scores_and_gradients_share_what_was_computed(tmp_path):
    suite = text_suite()
    found = architecture(suite, save_model("bert", tmp_path), trained_layers=1)
    inputs = found.inputs_of(suite)
    assert inputs is architecture(suite, str(tmp_path), trained_layers=1, lora_rank=8).inputs_of(suite)
    assert inputs is not architecture(suite, str(tmp_path), trained_layers=2).inputs_of(suite)
    assert inputs is not architecture(suite, str(tmp_path), trained_layers=1, max_tokens=5).inputs_of(suite)
    other = text_suite(seed=3)
    assert inputs is not found.inputs_of(other)
    for number in range(KEPT_CACHES):
        shared(("other", number), lambda: None)
    assert inputs is not found.inputs_of(suite)
