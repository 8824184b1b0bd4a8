import copy

import numpy as np
import pytest
import torch

from gradtag_core.cost import measure
from gradtag_core.errors import InvalidInput
from gradtag_core.methods import principled_task_grouping
from gradtag_core.methods.joint import JointTraining, task_losses
from gradtag_core.methods.lookahead import Lookahead
from gradtag_core.methods.principled_task_grouping import TaskDraws, pair_gains, run, transfer_gains


@pytest.fixture(scope="module")
def look(setting):
    """A joint training before its third step, its next batch, and what lies ahead of it."""
    training = JointTraining(setting, seed=1)
    batches = training.batches()
    for _ in range(2):
        next(batches)
    batch = next(batches)
    return training, batch, Lookahead(training, batch, "all", setting.architecture)


def test_a_gain_is_that_of_true_steps_of_the_optimiser(look):
    training, batch, lookahead = look
    gains = pair_gains(lookahead, np.arange(6))
    after = {}
    for pair in ((1, 4), (4, 4)):
        model, optimiser = copy.deepcopy((training.model, training.optimiser))
        optimiser.zero_grad(set_to_none=True)
        task_losses(model(batch.inputs), batch)[list(pair)].sum().backward()
        optimiser.step()
        after[pair] = float(task_losses(model(batch.inputs), batch)[4].detach())
    assert gains[1, 4] == pytest.approx(1 - after[1, 4] / after[4, 4], abs=1e-5)


def test_a_task_gains_nothing_from_itself_and_tasks_left_out_are_not_seen(look):
    gains = pair_gains(look[2], np.array([0, 2, 5]))
    np.testing.assert_array_equal(np.diag(gains)[[0, 2, 5]], 0.0)
    left_out = [1, 3, 4]
    assert np.isnan(gains[left_out]).all() and np.isnan(gains[:, left_out]).all()
    assert np.isfinite(gains[np.ix_([0, 2, 5], [0, 2, 5])]).all()


def test_the_control_of_a_pair_is_twice_the_own_loss(look):
    """A co-task without a gradient leaves half of the control's step."""
    lookahead = look[2]
    silent = copy.copy(lookahead)
    silent.gradients = lookahead.gradients.clone()
    silent.gradients[3] = 0
    half, whole = (
        lookahead.losses_after(lookahead.updates(times * lookahead.gradients[0, None])[0])[0]
        for times in (1, 2)
    )
    found = pair_gains(silent, np.array([0, 3]))[3, 0]
    assert found == pytest.approx(float(1 - half / whole), abs=1e-6)


def test_probing_leaves_the_training_alone(look):
    training, _, lookahead = look
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    moments = copy.deepcopy(training.optimiser.state_dict()["state"])
    pair_gains(lookahead, np.arange(6))
    assert all(torch.equal(before[name], value) for name, value in training.model.state_dict().items())
    for key, part in training.optimiser.state_dict()["state"].items():
        assert all(torch.equal(moments[key][name], value) for name, value in part.items())


def test_every_draw_has_its_size_and_in_the_long_run_all_tasks_are_drawn_alike():
    draws = TaskDraws(12, 3, seed=0)
    for _ in range(200):
        assert len(set(draws.draw().tolist())) == 3
    assert draws.counts.sum() == 600 and draws.counts.max() - draws.counts.min() < 20


def test_all_tasks_are_drawn_where_there_is_room():
    assert np.array_equal(TaskDraws(5, 5, seed=0).draw(), np.arange(5))


def test_lazy_and_sampled_collection_cost_less(setting):
    costs = []
    for probes, tasks in ((16, 6), (4, 6), (16, 3)):
        with measure() as meter:
            gains = transfer_gains(setting, probes, tasks, meter)
        assert np.isfinite(gains).all() and not np.diag(gains).any()
        costs.append(meter.flops)
    assert costs[1] < costs[0] and costs[2] < costs[0]


def test_rows_are_the_evaluated_tasks(setting, monkeypatch):
    seen = np.arange(36.0).reshape(6, 6)
    monkeypatch.setattr(principled_task_grouping, "pair_gains", lambda lookahead, tasks: seen)
    with measure() as meter:
        gains = transfer_gains(setting, 2, 6, meter)
    np.testing.assert_array_equal(gains, seen.T - np.diag(np.diag(seen)))


def test_pairs_are_paid_for(look, setting):
    _, batch, lookahead = look
    before = lookahead.flops
    pair_gains(lookahead, np.arange(6))
    forward = len(batch.inputs) * setting.architecture.forward_flops(6)
    assert lookahead.flops - before == pytest.approx((6 + 15) * forward)  # a control per task, and every pair


def test_planted_gains_give_planted_groups(setting, planted, monkeypatch):
    gains = np.where(planted.groups[:, None] == planted.groups, 1.0, -1.0)
    np.fill_diagonal(gains, 0)
    monkeypatch.setattr(principled_task_grouping, "transfer_gains", lambda *arguments: gains)
    groups = run(setting).groups
    assert groups is not None and set(groups) == {(0, 1, 2), (3, 4, 5)}


@pytest.mark.parametrize("options", [{"probes": 0}, {"tasks_per_probe": 1}, {"tasks_per_probe": 7}])
def test_options_that_break_a_rule_are_refused(setting, options):
    with pytest.raises(InvalidInput, match="`probes` must be at least 1 and `tasks_per_probe` between 2"):
        run(setting, **options)
