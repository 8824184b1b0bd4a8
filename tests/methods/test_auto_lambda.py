import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.methods.auto_lambda import (
    INITIAL_WEIGHT,
    WEIGHT_RATES,
    fit_auto_lambda,
    hypergradient,
    run,
)


def quadratics(generator, n_tasks, size):
    """Losses ½ (θ - c)ᵀ A (θ - c) with their gradients, in double precision."""
    roots = torch.randn(n_tasks, size, size, generator=generator, dtype=torch.float64)
    centres = torch.randn(n_tasks, size, generator=generator, dtype=torch.float64)
    curvature = roots @ roots.mT / size

    def losses(parameters):
        away = torch.cat([part.flatten() for part in parameters]) - centres
        return torch.einsum("ti,tij,tj->t", away, curvature, away) / 2

    def slopes(theta):
        return torch.einsum("tij,tj->ti", curvature, theta - centres)

    return losses, slopes


@given(st.integers(1, 5), st.integers(2, 6), st.integers(0, 10**6), st.floats(1e-3, 0.3))
def test_on_quadratics_it_equals_the_analytic_one(n_tasks, size, seed, step):
    generator = torch.Generator().manual_seed(seed)
    losses, slopes = quadratics(generator, n_tasks, size)
    other, other_slopes = quadratics(generator, n_tasks, size)
    theta = torch.randn(size, generator=generator, dtype=torch.float64)
    weights = torch.rand(n_tasks, generator=generator, dtype=torch.float64)
    primary = (torch.arange(n_tasks) % 2 == 0).double()

    moved = theta - step * weights @ slopes(theta)
    expected = -step * slopes(theta) @ (primary @ other_slopes(moved))
    found = hypergradient(losses, other, [theta[:1], theta[1:]], weights, primary, step)
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * scale)

    exact = torch.autograd.functional.jacobian(
        lambda w: primary @ other([theta - step * w @ slopes(theta)]), weights
    )
    torch.testing.assert_close(found, exact, rtol=1e-4, atol=1e-4 * scale)


def test_a_helper_is_raised_and_an_opponent_lowered():
    """Gradient descent on the weights: the helper's hypergradient is negative, the opponent's positive."""
    slope = torch.tensor([[1.0, 0.5], [1.0, 0.5], [-1.0, -0.5]], dtype=torch.float64)

    def losses(parameters):
        return slope @ parameters[0]

    primary = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    theta, weights = torch.zeros(2, dtype=torch.float64), torch.full((3,), 0.1, dtype=torch.float64)
    found = hypergradient(losses, losses, [theta], weights, primary, 0.1)
    assert found[1] < 0 < found[2] and found[0] == pytest.approx(float(found[1]))


def test_where_nothing_is_left_to_gain_nothing_changes():
    def losses(parameters):
        return (parameters[0] ** 2).sum()[None].expand(2) * 0

    found = hypergradient(losses, losses, [torch.ones(3)], torch.ones(2), torch.ones(2), 0.1)
    assert torch.equal(found, torch.zeros(2))


def test_the_virtual_passes_leave_parameters_alone():
    losses, _ = quadratics(torch.Generator().manual_seed(0), 2, 3)
    theta = torch.ones(3, dtype=torch.float64)
    hypergradient(losses, losses, [theta], torch.ones(2).double(), torch.ones(2).double(), 0.1)
    assert torch.equal(theta, torch.ones(3, dtype=torch.float64)) and not theta.requires_grad


def test_weights_that_do_not_learn_train_as_equal_weights_do(setting):
    model, weights, _ = fit_auto_lambda(setting, 0.0)
    assert torch.equal(weights, torch.full((6,), INITIAL_WEIGHT))
    expected = setting.trainer.fit(range(6), setting.recipe, setting.seed).weights
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-3, atol=2e-3)


def test_weights_learn_and_every_rate_is_paid_for(setting, training_flops):
    result = run(setting)
    assert result.task_weights is not None
    assert result.choices["weight_rate"] in WEIGHT_RATES
    assert np.ptp(result.task_weights) > 0
    per_rate = 3 * training_flops(range(6))  # the step, the virtual one, the one on other data
    forward = setting.architecture.forward_flops(6)
    train = len(setting.suite.subset("train", range(6)).examples)
    validation = len(setting.suite.subset("validation", range(6)).examples)
    per_rate += 2 * setting.recipe.epochs * train * forward + validation * forward
    assert result.cost.flops == pytest.approx(len(WEIGHT_RATES) * per_rate)
