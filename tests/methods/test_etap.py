import numpy as np
import pytest
import torch

from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import random_subsets
from gradtag_core.config import METRICS
from gradtag_core.cost import Cost, measure
from gradtag_core.methods import etap
from gradtag_core.methods.etap import (
    FEWEST_GROUPS,
    FEWEST_POINTS,
    GainPredictor,
    TaskPredictor,
    best_curve,
    etap_affinity,
    gradient_affinity,
    training_groups,
)
from gradtag_core.methods.joint import JointTraining
from gradtag_core.methods.lookahead import Lookahead
from gradtag_core.methods.protocol import run_method
from gradtag_core.methods.searched import Search, training_flops
from gradtag_core.methods.tag import lookahead_affinity


def lookahead(setting, rate):
    training = JointTraining(setting, seed=1)
    training.model.double()
    training.optimiser = torch.optim.Adam(training.model.parameters(), lr=rate)
    batch = next(training.data.batches(0))
    batch = batch._replace(
        **{name: getattr(batch, name).double() for name in ("inputs", "labels", "weights")}
    )
    return Lookahead(training, batch, "shared", setting.architecture)


def test_it_is_tags_affinity_to_first_order(setting):
    ahead = lookahead(setting, 1e-7)
    np.testing.assert_allclose(gradient_affinity(ahead), lookahead_affinity(ahead), rtol=1e-3, atol=1e-12)


def test_it_makes_no_forward_pass(setting):
    ahead = lookahead(setting, 1e-3)
    before = ahead.flops
    gradient_affinity(ahead)
    assert ahead.flops - before == 2 * 6 * 6 * ahead.gradients.shape[1]


def test_rows_are_the_evaluated_tasks(setting, monkeypatch):
    seen = np.arange(36.0).reshape(6, 6)
    monkeypatch.setattr(etap, "gradient_affinity", lambda lookahead: seen)
    with measure() as meter:
        np.testing.assert_allclose(etap_affinity(setting, meter), seen.T)


def test_orthogonal_gradients_have_no_affinity(setting):
    ahead = lookahead(setting, 1e-3)
    ahead.gradients = torch.eye(*ahead.gradients.shape, dtype=torch.float64)
    z = gradient_affinity(ahead)
    assert np.array_equal(z[~np.eye(6, dtype=bool)], np.zeros(30)) and (np.diag(z) > 0).all()


def test_a_curve_on_identity_data_is_the_identity():
    x = np.random.default_rng(0).standard_normal(60)
    found = best_curve(x, x).predict(x[:, None])
    assert 1 - np.var(found - x) / np.var(x) > 0.99


def test_a_curve_bends():
    x = np.linspace(-2, 2, 60)
    found = best_curve(x, x**2).predict(x[:, None])
    assert 1 - np.var(found - x**2) / np.var(x**2) > 0.95


def test_where_the_affinity_does_not_vary_the_mean_is_all_there_is():
    found = best_curve(np.ones(9), np.arange(9.0)).predict(np.ones((2, 1)))
    np.testing.assert_allclose(found, 4.0)


def members_and_affinity(n_groups=60, n_tasks=8):
    generator = np.random.default_rng(0)
    members = np.zeros((n_groups, n_tasks))
    for row, group in enumerate(random_subsets(n_tasks - 1, 3, 30, 0) * 2):
        members[row, [0, *(task + 1 for task in group)]] = 1
    return members, generator.standard_normal(n_groups)


def test_the_residual_stage_is_zero_where_the_curve_is_exact():
    members, affinity = members_and_affinity()
    predictor = TaskPredictor.fit(affinity, members, 3 * affinity + 1)
    assert np.abs(predictor.residual.predict(members)).max() < 0.15


def test_the_residual_stage_recovers_a_linear_function_of_the_members():
    members, affinity = members_and_affinity()
    gains = members @ np.array([0.0, 1, -2, 3, 0, 0.5, -1, 2])
    found = TaskPredictor.fit(affinity, members, gains).predict(affinity, members)
    assert 1 - np.var(found - gains) / np.var(gains) > 0.95


def test_shuffled_gains_are_not_predicted_on_groups_left_out():
    members, affinity = members_and_affinity()
    generator = np.random.default_rng(1)
    shares = []
    for _ in range(5):
        gains = generator.permutation(members @ np.arange(8.0) + affinity)
        found = TaskPredictor.fit(affinity[:40], members[:40], gains[:40]).predict(
            affinity[40:], members[40:]
        )
        shares.append(1 - np.mean((found - gains[40:]) ** 2) / np.var(gains[40:]))
    assert np.mean(shares) <= 0.05


def test_a_task_in_few_groups_has_its_mean_gain():
    members, affinity = members_and_affinity()
    few = FEWEST_POINTS - 1
    predictor = TaskPredictor.fit(affinity[:few], members[:few], np.arange(float(few)))
    np.testing.assert_allclose(predictor.predict(affinity[few:], members[few:]), np.mean(np.arange(few)))


def test_predicted_gains_are_those_of_additive_scores_and_zero_alone(setting):
    """Every metric holds level + effects, so a gain is the sum of the co-tasks' effects."""
    effects = np.random.default_rng(0).standard_normal((6, 6))
    np.fill_diagonal(effects, 0)
    groups = [(task,) for task in range(6)] + training_groups(6, 2, 0)
    values = np.array([10 * i + effects[i, list(group)].sum() for group in groups for i in group])
    table = np.repeat(values[:, None], len(METRICS), axis=1)
    scores = SubsetScores.of_seed(setting.suite.task_names, groups, table, 0, "trained", Cost())
    predict = GainPredictor(setting, effects, Search(scores))
    wanted = [(0, 3, 4), (2,), (1, 2, 5), (0, 1)]
    found = predict(wanted)
    assert [len(part) for part in found] == [3, 1, 3, 2] and found[1][0] == 0
    expected = [effects[i, list(group)].sum() for group in wanted for i in group]
    assert np.corrcoef(np.concatenate(found), expected)[0, 1] > 0.9


@pytest.mark.parametrize(("n_tasks", "n_groups"), [(3, 1), (6, 2), (14, 3), (100, 20)])
def test_groups_to_learn_from_are_different_and_no_larger_than_what_may_be_chosen(n_tasks, n_groups):
    groups = training_groups(n_tasks, n_groups, 0)
    assert len(set(groups)) == len(groups)
    sizes = {len(group) for group in groups}
    assert min(sizes) == 2 and max(sizes) <= max(2, min(n_tasks - 1, -(-2 * n_tasks // n_groups)))
    if n_tasks >= 14:
        counts = np.bincount([task for group in groups for task in group])
        assert len(groups) >= FEWEST_GROUPS and np.median(counts) >= 10


def test_single_tasks_and_groups_to_learn_from_are_paid_for(setting):
    result = run_method("etap", setting)
    assert result.groups is not None
    trained = [(task,) for task in range(6)] + training_groups(6, 2, setting.search_seed)
    searched = sum(training_flops(setting, group) for group in trained)
    assert result.cost.flops > searched + sum(
        setting.trainer.fit(g, setting.recipe, 0).cost.flops for g in result.groups
    )
