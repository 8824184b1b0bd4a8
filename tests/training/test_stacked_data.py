import numpy as np
import pytest
import torch
from torch import nn

from gradtag_core.training.stacked_data import StackedData
from gradtag_core.training.trainer import entry_weights

SUBSETS = ((0, 1), (2, 3), (1, 3))


@pytest.fixture(params=(1, 3))
def table(request, small_suite):
    data = [small_suite.subset("train", tasks) for tasks in SUBSETS]
    weights = [entry_weights(part.mask, "tasks") for part in data]
    return data, StackedData.of(
        torch.from_numpy(small_suite.inputs), data, weights, request.param, torch.device("cpu")
    )


def test_rows_give_each_model_its_own_inputs_branch_after_branch(table, small_suite):
    data, stacked = table
    own = [torch.tensor([3, 0]), torch.tensor([1]), torch.tensor([2, 2])]
    rows = stacked.rows(own, 2)
    inputs = stacked.inputs_of(rows)
    assert inputs.shape == (stacked.branches, 3, 2, 6 // stacked.branches)
    for model, batch in enumerate(own):
        expected = small_suite.inputs[data[model].examples[batch.numpy()]]
        for branch, part in enumerate(np.split(expected, stacked.branches, axis=1)):
            np.testing.assert_array_equal(inputs[branch, model, : len(batch)], part)
    assert rows[1, 1] == stacked.offsets[-1]  # padding


def test_logit_gradients_are_those_of_the_weighted_loss_and_padding_weighs_nothing(table):
    data, stacked = table
    own = [torch.arange(len(part.examples))[: 5 + model] for model, part in enumerate(data)]
    rows = stacked.rows(own, 7)
    logits = torch.randn(3, 2, 7, generator=torch.Generator().manual_seed(0))
    scale = torch.tensor([1.0, 2.0, 0.5])
    found = stacked.logit_gradients(logits, rows, scale)
    for model, (part, batch) in enumerate(zip(data, own, strict=True)):
        leaf = logits[model, :, : len(batch)].T.clone().requires_grad_()
        labels, weights = torch.from_numpy(part.labels), torch.from_numpy(entry_weights(part.mask, "tasks"))
        loss = nn.functional.binary_cross_entropy_with_logits(
            leaf, labels[batch], weight=weights[batch], reduction="sum"
        )
        (scale[model] * loss).backward()
        torch.testing.assert_close(found[model, :, : len(batch)].T, leaf.grad)
        assert not found[model, :, len(batch) :].any()
