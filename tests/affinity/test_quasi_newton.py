import numpy as np
import torch

from gradtag_core.affinity.objective import Membership, SubsetObjectives, Tasks
from gradtag_core.affinity.quasi_newton import minimise
from gradtag_core.cost import Cost
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.tasks.suite import Rows

DIM, N_ROWS = 8, 40


def one_objective(kind, spread=1.0, dtype=torch.float64):
    generator = np.random.default_rng(0)
    rows = Rows(
        np.arange(N_ROWS), np.zeros(N_ROWS, dtype=int), (generator.random(N_ROWS) < 0.5).astype(np.float32)
    )
    projected = torch.from_numpy(generator.normal(size=(N_ROWS, DIM)) * np.logspace(0, spread, DIM)).to(dtype)
    features = GradientFeatures(rows, torch.zeros(N_ROWS), projected, 1.0, Cost(), kinds=(kind,))
    tasks = Tasks.of(features, None)
    members = Membership.of([(0,)], tasks.sizes, "rows", tasks.like)
    return tasks, SubsetObjectives(
        tasks, members, torch.full((DIM,), 1e-2, dtype=dtype), torch.ones(DIM, dtype=dtype)
    )


def test_a_quadratic_with_its_own_hessian_takes_one_step():
    tasks, objectives = one_objective("regression")
    start = tasks.expand(torch.zeros(DIM, dtype=torch.float64))
    hessian = objectives.members.total(tasks.curvatures(start).flatten(1)).view(DIM, DIM) + torch.diag(
        objectives.ridge
    )
    found = minimise(
        objectives,
        start,
        lambda gradient: gradient @ torch.linalg.inv(hessian),
        torch.full((1,), 1e-9),
        max_steps=1,
    )
    expected = -torch.linalg.solve(hessian, objectives.gradient_of(start)[0])
    torch.testing.assert_close(found.points[0], expected)


def test_no_preconditioner_only_costs_steps():
    tasks, objectives = one_objective("binary")
    start = tasks.expand(torch.zeros(DIM, dtype=torch.float64))
    found = minimise(
        objectives, start, lambda gradient: gradient, torch.full((1,), 1e-8, dtype=torch.float64)
    )
    assert found.gradient_norms[0] <= 1e-8
    ahead = tasks.expand(found.points[0])
    assert objectives.norms(objectives.gradient_of(ahead))[0] <= 2e-8


def test_a_target_below_rounding_ends_the_work():
    tasks, objectives = one_objective("binary", dtype=torch.float32)
    start = tasks.expand(torch.zeros(DIM))
    found = minimise(objectives, start, lambda gradient: gradient, torch.zeros(1), max_steps=10_000)
    assert 0 < found.gradient_norms[0] < 1e-4
    assert tasks.flops.total < 2_000 * 4 * N_ROWS * DIM
