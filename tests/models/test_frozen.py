from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.models import frozen
from gradtag_core.models.frozen import KEPT_CACHES, HiddenInputs, shared
from tests.models.tiny_models import architecture, save_model, text_suite

WIDTH = 5
ORDER = np.random.default_rng(0).permutation(50)


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


def test_each_batch_is_computed_once_and_only_if_one_of_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(frozen, "WINDOW", 10)
    monkeypatch.setattr(frozen, "POSITIONS_AT_ONCE", 14)  # two of the longest
    raw = Raw()
    inputs = HiddenInputs(raw, Lower(), WIDTH, float, ORDER)
    first, second = torch.tensor([3, 9, 9, 4]), torch.tensor([4, 20, 3])
    inputs[first]
    assert inputs.flops == sum(len(batch) * raw.sizes[batch].max().item() for batch in raw.asked)
    for examples in (second, first):
        inputs[examples]
    computed = list(chain(*raw.asked))
    assert {3, 4, 9, 20} < set(computed) and len(set(computed)) == len(computed) < 50
    assert all({3, 4, 9, 20} & set(batch) for batch in raw.asked)
    assert len(inputs) == 50


@given(st.lists(st.lists(st.integers(0, 49), min_size=1), min_size=1))
def test_the_batches_are_the_same_whatever_is_asked_for_first(asked):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frozen, "WINDOW", 10)
        patch.setattr(frozen, "POSITIONS_AT_ONCE", 14)
        whole, some = Raw(), Raw()
        HiddenInputs(whole, Lower(), WIDTH, float, ORDER)[torch.arange(50)]
        inputs = HiddenInputs(some, Lower(), WIDTH, float, ORDER)
        for examples in asked:
            inputs[torch.tensor(examples)]
    assert all(batch in whole.asked for batch in some.asked)


def test_hidden_and_pooled_states_are_bit_for_bit_those_of_another_order_of_asking(tmp_path):
    suite = text_suite(n_texts=300)
    found = architecture(suite, save_model("bert", tmp_path), trained_layers=1)
    examples = torch.arange(300)
    for source in (found, found.small(8)):
        every = []
        for order in (examples, examples.flip(0), torch.randperm(300)):
            frozen._caches.clear()
            inputs = source.inputs_of(suite)
            for part in order.split(7):
                inputs[part]
            every.append(inputs[examples])
        assert torch.equal(every[0], every[1]) and torch.equal(every[0], every[2])


def test_batches_are_states_with_ones_at_real_positions():
    raw = Raw()
    for memory_bytes in (0, 2**30):
        inputs = HiddenInputs(raw, Lower(), WIDTH, float, ORDER, memory_bytes)
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
    assert HiddenInputs(Raw(), Lower(), WIDTH, float, ORDER, 0).nbytes == 0
    assert HiddenInputs(Raw(), Lower(), WIDTH, float, ORDER).nbytes > 0


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
