from dataclasses import replace

import numpy as np
import pytest
import torch

from gradtag_core.cost import measure
from gradtag_core.methods import tag
from gradtag_core.methods.joint import Batch, JointTraining
from gradtag_core.methods.lookahead import Lookahead
from gradtag_core.methods.protocol import run_method
from gradtag_core.methods.tag import PROBES, lookahead_affinity, tag_affinity
from gradtag_core.models.encoder import EncoderArchitecture


def training_of(model, rate=0.01):
    """As much of a joint training as is looked at."""
    training = JointTraining.__new__(JointTraining)
    training.model, training.optimiser = model, torch.optim.Adam(model.parameters(), lr=rate)
    return training


def batch_of(inputs, labels, weights=None):
    weights = torch.ones_like(labels) / labels.numel() if weights is None else weights
    return Batch(inputs, labels, weights, ["binary"] * labels.shape[1], [1] * labels.shape[1])


@pytest.fixture
def architecture():
    return EncoderArchitecture("mlp", (5,), 6, 3)


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(30, 5, generator=generator)
    return inputs, (torch.rand(30, 3, generator=generator) < 0.5).float()


def test_two_identical_tasks_with_identical_heads_help_each_other_as_themselves(architecture, data):
    inputs, labels = data
    labels[:, 1] = labels[:, 0]
    model = architecture.build(0)
    with torch.no_grad():
        for part in (model.head.weight, model.head.bias):
            part[1] = part[0]
    lookahead = Lookahead(training_of(model), batch_of(inputs, labels), "shared", architecture)
    z = lookahead_affinity(lookahead)
    assert z[0, 1] == pytest.approx(z[0, 0], rel=1e-5) == pytest.approx(z[1, 0], rel=1e-5)


def test_to_first_order_it_is_the_inner_product_with_the_update(architecture, data):
    """As the step shrinks, Z[i, j] L_j = -∇L_j · Δ_i."""
    model = architecture.build(0).double()
    inputs, labels = (part.double() for part in data)
    lookahead = Lookahead(training_of(model, 1e-6), batch_of(inputs, labels), "shared", architecture)
    slopes = lookahead.gradients / (1 / 3)  # each task's part of the loss weighs a third of its mean
    updates = lookahead.updates(lookahead.gradients)
    expected = -(updates @ slopes.T) / lookahead.losses
    np.testing.assert_allclose(lookahead_affinity(lookahead), expected.numpy(), rtol=1e-3, atol=1e-10)


def test_tasks_without_rows_in_the_batch_are_left_out(architecture, data):
    inputs, labels = data
    weights = torch.ones_like(labels) / labels.numel()
    weights[:, 1] = 0
    batch = batch_of(inputs, labels, weights)
    z = lookahead_affinity(Lookahead(training_of(architecture.build(0)), batch, "shared", architecture))
    assert np.isnan(z[1]).all() and np.isnan(z[:, 1]).all()
    assert np.isfinite(z[np.ix_([0, 2], [0, 2])]).all()


def test_the_probed_training_is_the_one_without_probes(setting, monkeypatch):
    trained = []
    original = JointTraining.__init__

    def keep(self, *arguments):
        original(self, *arguments)
        trained.append(self)

    monkeypatch.setattr(JointTraining, "__init__", keep)
    with measure() as meter:
        tag_affinity(setting, meter)
    plain = JointTraining(setting, setting.search_seed)
    for _ in plain.batches():
        pass
    for name, tensor in plain.model.state_dict().items():
        assert torch.equal(tensor, trained[0].model.state_dict()[name])


def test_tasks_of_one_group_help_each_other_more(planted, setting):
    longer = replace(setting, recipe=replace(setting.recipe, epochs=20))
    with measure() as meter:
        affinity = tag_affinity(longer, meter)
    same = planted.groups[:, None] == planted.groups
    other = ~np.eye(6, dtype=bool)
    assert affinity[same & other].mean() > affinity[~same].mean()


def test_rows_are_the_evaluated_tasks(setting, monkeypatch):
    seen = np.arange(36.0).reshape(6, 6)
    monkeypatch.setattr(tag, "lookahead_affinity", lambda lookahead: seen)
    with measure() as meter:
        affinity = tag_affinity(setting, meter)
    np.testing.assert_allclose(affinity, seen.T)


def test_probes_and_groups_are_paid_for(setting, training_flops):
    result = run_method("tag", setting)
    assert result.groups is not None
    assert all(len(group) > 1 for group in result.groups)
    trainings = training_flops(range(6)) + sum(map(training_flops, result.groups))
    probed = JointTraining(setting, 0).data
    every = max(1, probed.n_steps // PROBES)
    sizes = [len(batch.inputs) for batch in probed.batches(setting.search_seed)][::every]
    forward, shared = (setting.architecture.forward_flops(n) for n in (6, 0))
    back = setting.architecture.backward_flops(0)
    per_example = forward + (forward - shared) + 6 * (shared + back) + 6 * forward
    assert result.cost.flops == pytest.approx(trainings + sum(sizes) * per_example)
