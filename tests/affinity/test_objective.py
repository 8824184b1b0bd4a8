import numpy as np
import pytest
import torch

from gradtag_core.affinity.objective import Membership, SubsetObjectives, Tasks
from gradtag_core.cost import Cost
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.tasks.suite import Rows

SIZES = (5, 3, 7)
SUBSETS = [(0,), (2, 0), (0, 1, 2)]


def make_tasks(dim=4):
    generator = np.random.default_rng(0)
    n_rows = sum(SIZES)
    rows = Rows(
        np.arange(n_rows), np.repeat(np.arange(3), SIZES), (generator.random(n_rows) < 0.5).astype(np.float32)
    )
    projected = torch.from_numpy(generator.normal(size=(n_rows, dim)))
    logits = torch.from_numpy(generator.normal(size=n_rows))
    return Tasks.of(GradientFeatures(rows, logits, projected, 1.0, Cost()), None)


@pytest.mark.parametrize("weighting", ["rows", "tasks"])
def test_the_row_weights_of_a_subset_sum_to_one(weighting):
    tasks = make_tasks()
    members = Membership.of(SUBSETS, tasks.sizes, weighting, tasks.like)
    ones = torch.tensor(SIZES, dtype=torch.float64)[:, None]
    torch.testing.assert_close(members.total(ones), torch.ones(3, 1, dtype=torch.float64))


@pytest.mark.parametrize("weighting", ["rows", "tasks"])
def test_gradients_are_those_of_the_written_out_objective(weighting):
    tasks = make_tasks()
    members = Membership.of(SUBSETS, tasks.sizes, weighting, tasks.like)
    ridge = torch.linspace(0.1, 1, 4, dtype=torch.float64)
    objectives = SubsetObjectives(tasks, members, ridge, torch.ones_like(ridge))
    weights = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    logits = [task.logits + moved for task, moved in zip(tasks.rows, objectives.scores(weights), strict=True)]
    found = objectives.gradient(weights, objectives.residuals(logits))

    def objective(weights):
        total = (ridge * weights.square()).sum() / 2
        for own, subset in zip(weights, SUBSETS, strict=True):
            n_rows = sum(SIZES[task] for task in subset)
            for task in subset:
                rows = tasks.rows[task]
                weight = 1 / n_rows if weighting == "rows" else 1 / (len(subset) * SIZES[task])
                total = total + weight * torch.nn.functional.binary_cross_entropy_with_logits(
                    rows.logits + rows.projected @ own, rows.labels, reduction="sum"
                )
        return total

    torch.testing.assert_close(found, torch.autograd.functional.jacobian(objective, weights))


def test_an_expansion_gives_the_gradient_at_its_point():
    tasks = make_tasks()
    members = Membership.of(SUBSETS, tasks.sizes, "tasks", tasks.like)
    ridge = torch.full((4,), 0.3, dtype=torch.float64)
    objectives = SubsetObjectives(tasks, members, ridge, torch.ones_like(ridge))
    point = torch.linspace(-1, 1, 4, dtype=torch.float64)
    logits = [
        task.logits + moved
        for task, moved in zip(tasks.rows, objectives.scores(point.expand(3, -1)), strict=True)
    ]
    expected = objectives.gradient(point.expand(3, -1), objectives.residuals(logits))
    torch.testing.assert_close(objectives.gradient_of(tasks.expand(point)), expected)


def test_flops_of_a_product_are_counted_once_per_row_that_takes_part():
    tasks = make_tasks()
    members = Membership.of(SUBSETS, tasks.sizes, "rows", tasks.like)
    objectives = SubsetObjectives(tasks, members, torch.ones(4), torch.ones(4))
    before = tasks.flops.total
    objectives.scores(torch.zeros(3, 4, dtype=torch.float64))
    assert tasks.flops.total - before == 2 * 4 * (5 + 12 + 15)
