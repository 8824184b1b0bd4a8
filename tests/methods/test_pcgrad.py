import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.methods import pcgrad
from gradtag_core.methods.joint import JointData
from gradtag_core.methods.pcgrad import projected_weights
from gradtag_core.methods.protocol import run_method


def explicit(rows, generator):
    """Algorithm 1 of the paper with the gradients themselves, one after the other."""
    n_tasks = len(rows)
    orders = torch.rand(n_tasks, n_tasks, generator=generator).argsort(dim=1)
    total = torch.zeros_like(rows[0])
    for i in range(n_tasks):
        gradient = rows[i].clone()
        for j in orders[i].tolist():
            inner = gradient @ rows[j]
            if j != i and inner < 0:
                gradient -= inner / (rows[j] @ rows[j]) * rows[j]
        total += gradient
    return total


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 10**6))
def test_the_gramian_form_equals_the_explicit_one(n_tasks, size, seed):
    rows = torch.randn(n_tasks, size, generator=seeded(seed), dtype=torch.float64)
    found = projected_weights(rows @ rows.T, seeded(seed + 1)) @ rows
    expected = explicit(rows, seeded(seed + 1))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6 * float(rows.abs().max()))


def test_no_conflict_gives_the_plain_sum():
    rows = torch.rand(4, 6, generator=seeded(0))
    assert torch.equal(projected_weights(rows @ rows.T, seeded(1)), torch.ones(4))


def test_of_two_in_conflict_each_becomes_orthogonal_to_the_other():
    rows = torch.tensor([[1.0, 0.0], [-1.0, 2.0]], dtype=torch.float64)
    expected = torch.tensor([[0.8, 0.4], [0.0, 2.0]], dtype=torch.float64).sum(0)
    torch.testing.assert_close(projected_weights(rows @ rows.T, seeded(0)) @ rows, expected)


def test_it_is_homogeneous_of_degree_one():
    gramian = torch.randn(5, 3, generator=seeded(2), dtype=torch.float64)
    gramian = gramian @ gramian.T
    torch.testing.assert_close(
        projected_weights(gramian, seeded(3)), projected_weights(9 * gramian, seeded(3))
    )


def test_a_task_without_rows_in_the_batch_changes_nothing():
    rows = torch.tensor([[1.0, 0.0], [0.0, 0.0], [-1.0, 2.0]], dtype=torch.float64)
    found = projected_weights(rows @ rows.T, seeded(0))
    assert torch.isfinite(found).all() and found[1] == 1.0


def test_without_conflicts_it_trains_as_naive_multitask_does(setting, monkeypatch):
    monkeypatch.setattr(pcgrad, "projected_weights", lambda gramian, generator: torch.ones(len(gramian)))
    result = pcgrad.run(setting)
    model = setting.trainer.fit(range(6), setting.recipe, setting.seed)
    np.testing.assert_allclose(result.test, setting.trainer.score(model, range(6), "test"), atol=0.02)


def test_its_cost_counts_a_backward_pass_per_task(setting, training_flops):
    """For an MLP by hand, n tasks and batches of 24 of which the last is short."""
    data = JointData(setting)
    inputs, width, n = setting.architecture.input_shape[0], setting.architecture.width, 6
    first, second, heads = 2 * inputs * width, 2 * width * width, 2 * width * n
    forward = first + second + heads
    per_example = forward + 2 * heads + n * (first + second + second)
    n_shared = (inputs + 1) * width + (width + 1) * width + 2
    per_batch = 2 * n_shared * n * (n + 1) + 3 * n**3
    expected = setting.recipe.epochs * data.n_examples * per_example + data.n_steps * per_batch
    found = run_method("pcgrad", setting).cost.flops
    assert found == pytest.approx(expected) and found > training_flops(range(6))
