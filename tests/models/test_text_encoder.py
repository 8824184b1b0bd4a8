from typing import Any

import pytest
import torch
from torch import nn

from gradtag_core.models.text_encoder import GROUP_ROWS, Backbone, by_length


def means(inputs, is_real):
    return (inputs * is_real).sum(1, keepdim=True) / is_real.sum(1, keepdim=True)


@pytest.mark.parametrize("n_rows", [1, 2 * GROUP_ROWS - 1, 2 * GROUP_ROWS, 3 * GROUP_ROWS + 5])
def test_groups_of_one_length_give_what_one_pass_gives(n_rows):
    inputs = torch.randn(n_rows, 20)
    is_real = torch.arange(20) < torch.randint(1, 21, (n_rows, 1))
    widths = []

    def run(inputs, is_real):
        widths.append(inputs.shape[1])
        return means(inputs, is_real)

    torch.testing.assert_close(by_length(run, inputs, is_real, True), means(inputs, is_real))
    assert (len(widths) == 1) == (n_rows < 2 * GROUP_ROWS)
    assert widths == sorted(widths)
    with torch.no_grad():
        assert torch.equal(by_length(run, inputs, is_real, False), by_length(run, inputs, is_real, True))
    widths.clear()
    by_length(run, inputs, is_real, False)
    assert widths == [20]  # gradients per row: every row in one call


def test_a_backbone_has_no_dropout_in_training():
    encoder: Any = nn.Sequential(Backbone(nn.Sequential(nn.Dropout(), nn.Linear(2, 2))), nn.Dropout())
    encoder.train()
    assert encoder.training and encoder[1].training
    assert not any(module.training for module in encoder[0].model.modules())
