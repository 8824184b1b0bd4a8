import copy

import numpy as np
import pytest
import torch

from gradtag_core.cost import measure
from gradtag_core.methods.joint import JointTraining, task_losses
from gradtag_core.methods.lookahead import Lookahead, filled, gain, mean_over_probes


def content(training):
    """Everything that a probe must leave as it is, bit by bit."""
    state = training.optimiser.state_dict()["state"]
    gradients = {"known": len(training.optimiser.state)}
    moments = {(key, name): value.clone() for key, part in state.items() for name, value in part.items()}
    weights = {name: value.clone() for name, value in training.model.state_dict().items()}
    gradients |= {name: part.grad for name, part in training.model.named_parameters()}
    return weights, moments, gradients, torch.get_rng_state(), training.model.training


def assert_same(before, after):
    for old, new in zip(before[:2], after[:2], strict=True):
        assert old.keys() == new.keys()
        assert all(torch.equal(old[key], new[key]) for key in old)
    assert all(old is before[2][name] for name, old in after[2].items())
    assert torch.equal(before[3], after[3]) and before[4] == after[4]


@pytest.fixture(params=(0, 3))
def at_step(request, setting):
    """A joint training before its first and before its fourth step."""
    training = JointTraining(setting, seed=1)
    batches = training.batches()
    for _ in range(request.param):
        next(batches)
    return training, next(batches)


@pytest.mark.parametrize("moved", ["shared", "all"])
def test_probing_leaves_everything_bit_identical(setting, at_step, moved):
    training, batch = at_step
    before = content(training)
    lookahead = Lookahead(training, batch, moved, setting.architecture)
    for update in lookahead.updates(lookahead.gradients):
        lookahead.losses_after(update)
    assert_same(before, content(training))


@pytest.mark.parametrize("moved", ["shared", "all"])
def test_the_losses_after_are_those_of_a_true_step_of_the_optimiser(setting, at_step, moved):
    training, batch = at_step
    lookahead = Lookahead(training, batch, moved, setting.architecture)
    for task in (0, 4):
        model, optimiser = copy.deepcopy((training.model, training.optimiser))
        optimiser.zero_grad(set_to_none=True)
        task_losses(model(batch.inputs), batch)[task].backward()
        if moved == "shared":
            model.head.weight.grad = model.head.bias.grad = None
        optimiser.step()
        expected = task_losses(model(batch.inputs), batch) / batch.weights.sum(0)
        found = lookahead.losses_after(lookahead.updates(lookahead.gradients[task, None])[0])
        torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-5)


def test_losses_are_means_over_the_rows_of_the_batch(setting, at_step):
    training, batch = at_step
    lookahead = Lookahead(training, batch, "shared", setting.architecture)
    rows = batch.weights[:, 2] > 0
    logits = training.model(batch.inputs)[rows, 2]
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch.labels[rows, 2])
    torch.testing.assert_close(lookahead.losses[2], expected.detach())


def test_each_pass_is_counted(setting, at_step):
    training, batch = at_step
    lookahead = Lookahead(training, batch, "shared", setting.architecture)
    gradients = lookahead.flops
    lookahead.losses_after(torch.zeros_like(lookahead.gradients[0]))
    assert lookahead.flops - gradients == len(batch.inputs) * setting.architecture.forward_flops(6)
    whole = Lookahead(training, batch, "all", setting.architecture)
    assert whole.flops - gradients == len(batch.inputs) * 2 * setting.architecture.width * 6


def test_a_gain_is_the_share_of_the_loss_that_goes():
    found = gain(torch.tensor([2.0, 1.0, 0.0]), torch.tensor([1.0, 1.5, 0.0]))
    torch.testing.assert_close(found, torch.tensor([0.5, -0.5, 0.0]), rtol=1e-5, atol=1e-5)


def test_means_skip_what_a_probe_did_not_see(setting):
    seen = np.arange(36.0).reshape(6, 6)
    unseen = seen.copy()
    unseen[2] = np.nan
    never = np.full((6, 6), np.nan)
    probes = iter([seen, 3 * unseen, *[never] * 40])
    with measure() as meter:
        found = mean_over_probes(setting, "shared", 20, lambda lookahead: next(probes), meter)
    expected = 2 * seen
    expected[2] = seen[2]
    np.testing.assert_array_equal(found, expected)
    with measure() as meter:
        found = mean_over_probes(setting, "shared", 2, lambda lookahead: never, meter)
    assert np.isnan(found).all()


def test_what_no_probe_saw_is_filled_with_the_mean_off_the_diagonal():
    affinity = np.array([[9.0, 1.0, np.nan], [3.0, 9.0, 2.0], [2.0, 2.0, np.nan]])
    found = filled(affinity)
    assert found[0, 2] == found[2, 2] == 2.0
    assert np.array_equal(found[np.isfinite(affinity)], affinity[np.isfinite(affinity)])
    assert np.array_equal(filled(np.full((2, 2), np.nan)), np.zeros((2, 2)))
