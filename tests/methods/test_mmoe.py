from dataclasses import replace

import numpy as np
import pytest
import torch

from gradtag_core.methods.mmoe import EXPERTS, MMoE, forward_flops, run, step_flops
from gradtag_core.models.encoder import EncoderArchitecture

ARCHITECTURES = [EncoderArchitecture("mlp", (7,), 5, 3), EncoderArchitecture("sign", (3, 7), 5, 3)]


@pytest.fixture(params=ARCHITECTURES, ids=lambda architecture: architecture.kind)
def architecture(request):
    return request.param


@pytest.fixture
def inputs(architecture):
    return torch.randn(11, *architecture.input_shape, generator=torch.Generator().manual_seed(0))


def test_gates_sum_to_one_and_differ_between_tasks(architecture, inputs):
    mixtures = MMoE(architecture, 4, seed=0).mixtures(inputs)
    torch.testing.assert_close(mixtures.sum(-1), torch.ones(11, 3))
    assert not torch.allclose(mixtures[:, 0], mixtures[:, 1])


def test_a_graph_gate_reads_the_own_features_of_the_node_only():
    network = MMoE(ARCHITECTURES[1], 2, seed=0)
    inputs = torch.randn(4, 3, 7)
    others = inputs.clone()
    others[:, 1:] = 0
    assert torch.equal(network.mixtures(inputs), network.mixtures(others))


def test_one_expert_is_a_shared_bottom(architecture, inputs):
    torch.testing.assert_close(
        MMoE(architecture, 1, seed=2)(inputs), architecture.build(2)(inputs), rtol=1e-5, atol=1e-6
    )


def test_identical_experts_make_gates_irrelevant(architecture, inputs):
    network = MMoE(architecture, 3, seed=2)
    for expert in network.experts:
        expert.load_state_dict(network.experts[0].state_dict())
    before = network(inputs)
    torch.nn.init.normal_(network.gates.weight)
    torch.testing.assert_close(network(inputs), before, rtol=1e-5, atol=1e-5)


def test_every_expert_gate_and_tower_gets_a_gradient(architecture, inputs):
    network = MMoE(architecture, 3, seed=0)
    network(inputs).sum().backward()
    for parameter in network.parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0


def test_experts_differ_at_the_start(architecture):
    first, second = MMoE(architecture, 2, seed=0).experts
    assert not torch.equal(next(first.parameters()), next(second.parameters()))


def test_flops_of_one_expert_are_those_of_the_shared_bottom_and_its_gate(architecture):
    n_tasks, width, own = 3, 5, 7
    mixing = 2 * n_tasks * width
    gate = 2 * own * n_tasks
    assert forward_flops(architecture, 1) == architecture.forward_flops(n_tasks) + gate + mixing
    assert step_flops(architecture, 1) == architecture.step_flops(n_tasks) + 2 * gate + 3 * mixing


def test_both_numbers_of_experts_are_paid_for(setting):
    result = run(setting)
    assert result.choices["n_experts"] in EXPERTS
    examples = len(setting.suite.subset("train", range(6)).examples)
    trainings = [setting.recipe.epochs * examples * step_flops(setting.architecture, e) for e in EXPERTS]
    validation = len(setting.suite.subset("validation", range(6)).examples)
    scorings = [validation * forward_flops(setting.architecture, e) for e in EXPERTS]
    assert result.cost.flops == pytest.approx(sum(trainings) + sum(scorings))


def test_it_learns(setting):
    result = run(replace(setting, recipe=replace(setting.recipe, epochs=30)))
    assert np.mean(result.test[:, 1]) > 0.8
