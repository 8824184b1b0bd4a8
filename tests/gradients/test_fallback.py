import pytest
import torch
from torch import nn

from gradtag_core.gradients import fallback
from gradtag_core.gradients.parameters import choose_parameters
from tests.gradients.plain_loop import Summed, draw, loop_gradients, multitask


class Outputs(nn.Module):
    """The outputs of a recurrent layer, without its states."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, inputs):
        return self.layer(inputs)[0]


class OneWay(nn.Module):
    """A layer whose path depends on what it sees, so that rows cannot go through together."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))

    def forward(self, inputs):
        return inputs * self.weight if inputs.sum() > 0 else inputs - self.weight


LAYERS = {
    "together": lambda: Summed(nn.Linear(3, 4), nn.LayerNorm(4)),
    "recurrent": lambda: Summed(Outputs(nn.GRU(3, 4, batch_first=True))),
    "long short-term memory": lambda: Summed(Outputs(nn.LSTM(3, 4, batch_first=True))),
    "one row at a time": lambda: Summed(nn.Linear(3, 4), OneWay()),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("chunk", [1, 2, 64])
def test_gradients_are_those_of_the_plain_loop(name, chunk, monkeypatch):
    monkeypatch.setattr(fallback, "CHUNK_ROWS", chunk)
    model = multitask(LAYERS[name](), 4)
    inputs, tasks = draw((2, 3))
    expected = loop_gradients(model, inputs, tasks)
    names = choose_parameters(model).names
    found = fallback.explicit_gradients(model, names, inputs, tasks)
    torch.testing.assert_close(torch.cat([found[name] for name in names], dim=1), expected)
    assert not any(values.requires_grad for values in found.values())


def test_only_the_parameters_asked_for_are_taken():
    model = multitask(LAYERS["together"](), 4)
    inputs, tasks = draw((2, 3))
    found = fallback.explicit_gradients(model, ["head.bias"], inputs, tasks)
    assert list(found) == ["head.bias"]
    assert torch.equal(found["head.bias"], nn.functional.one_hot(tasks, 3).double())


def test_a_fault_of_the_model_comes_through():
    model = multitask(LAYERS["together"](), 4)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        fallback.explicit_gradients(model, ["head.bias"], torch.zeros(2, 5).double(), torch.tensor([0, 1]))
