import pytest
import torch
from torch import nn

from gradtag_core.errors import InvalidInput
from gradtag_core.gradients.parameters import choose_parameters
from gradtag_core.models.multitask import MultitaskModel


def model():
    return MultitaskModel(nn.Sequential(nn.Linear(3, 4), nn.PReLU(), nn.Linear(4, 4, bias=False)), 4, [1, 1])


def test_all_are_those_of_the_model_in_order():
    chosen = choose_parameters(model())
    assert chosen.names == tuple(name for name, _ in model().named_parameters())
    assert chosen.size == 12 + 4 + 1 + 16 + 8 + 2
    assert list(chosen.offsets.values()) == [0, 12, 16, 17, 33, 41]


def test_the_backbone_is_all_but_the_head():
    names = choose_parameters(model(), "backbone").names
    assert names == ("encoder.0.weight", "encoder.0.bias", "encoder.1.weight", "encoder.2.weight")


def test_offsets_skip_what_is_not_chosen():
    chosen = choose_parameters(model(), lambda name: name.endswith("bias"))
    assert chosen.offsets == {"encoder.0.bias": 0, "head.bias": 4}


def test_frozen_parameters_never_count():
    network = model()
    network.get_submodule("encoder.0").requires_grad_(False)
    assert "encoder.0.weight" not in choose_parameters(network).by_name
    assert "encoder.0.weight" not in choose_parameters(network, lambda name: True).by_name


def test_tied_parameters_stand_once():
    network = model()
    size = choose_parameters(network).size
    network.other = nn.Linear(4, 4, bias=False)
    network.other.register_parameter("weight", network.get_parameter("encoder.2.weight"))
    assert choose_parameters(network).size == size


def test_a_vector_is_cut_into_the_parameters_it_was_flattened_from():
    network = model()
    network.scale = nn.Parameter(torch.tensor(2.0))
    chosen = choose_parameters(network)
    vector = nn.utils.parameters_to_vector(chosen.by_name.values())
    for vectors in (vector, torch.stack([vector, -vector])):
        parts = chosen.unflatten(vectors)
        for name, parameter in network.named_parameters():
            assert parts[name].shape == (*vectors.shape[:-1], *parameter.shape)
            assert torch.equal(parts[name] if vectors.ndim == 1 else parts[name][0], parameter)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("heads", "must be `all`, `backbone` or a predicate.*`heads`"),
        (lambda name: False, "the predicate chooses none of the 6"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(parameters, message):
    with pytest.raises(InvalidInput, match=message):
        choose_parameters(model(), parameters)


def test_a_backbone_needs_a_head():
    with pytest.raises(InvalidInput, match="submodule `head`; Linear has none"):
        choose_parameters(nn.Linear(2, 2), "backbone")
    network = model()
    network.encoder.requires_grad_(False)
    with pytest.raises(InvalidInput, match="`backbone` chooses none of the 2"):
        choose_parameters(network, "backbone")
