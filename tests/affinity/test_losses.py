import pytest
import torch

from gradtag_core.affinity.losses import LogisticLoss, SoftmaxLoss, SquaredLoss, row_loss
from gradtag_core.training.losses import entry_losses

N_ROWS, DIM, CLASSES = 5, 4, 3


def softmax_value(logits, labels):
    return torch.nn.functional.cross_entropy(logits.view(-1, CLASSES), labels.long(), reduction="sum")


CASES = {
    "logistic": (LogisticLoss(), 1, torch.nn.functional.binary_cross_entropy_with_logits, [0, 1, 1, 0, 1]),
    "softmax": (SoftmaxLoss(CLASSES), CLASSES, softmax_value, [0, 2, 1, 1, 2]),
    "squared": (SquaredLoss(), 1, torch.nn.functional.mse_loss, [0.3, -2, 1, 5, 0]),
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_those_of_automatic_differentiation(name):
    loss, classes, function, labels = CASES[name]
    labels = torch.tensor(labels, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    projected, offset, weights = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((N_ROWS * classes, DIM), (N_ROWS * classes,), (DIM,))
    )

    def objective(weights):
        logits = offset + projected @ weights
        return function(logits, labels) if name == "softmax" else function(logits, labels, reduction="sum")

    logits = offset + projected @ weights
    slope = loss.residuals(logits, labels) @ projected
    torch.testing.assert_close(slope, torch.autograd.functional.jacobian(objective, weights))
    roots = loss.curvature_roots(projected, logits)
    torch.testing.assert_close(roots.T @ roots, torch.autograd.functional.hessian(objective, weights))


@pytest.mark.parametrize("name", CASES)
def test_many_columns_of_logits_are_treated_one_by_one(name):
    loss, classes, _, labels = CASES[name]
    labels = torch.tensor(labels, dtype=torch.float64)
    logits = torch.randn(6, N_ROWS * classes, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    together = loss.residuals(logits, labels)
    torch.testing.assert_close(together, torch.stack([loss.residuals(each, labels) for each in logits]))


@pytest.mark.parametrize(
    ("kind", "outputs"), [("binary", 1), ("multiclass", 3), ("multiclass", 2), ("regression", 1)]
)
def test_a_regression_minimises_what_training_does(kind, outputs):
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0.0, 1, 1, 0, 1])
    logits = torch.randn(N_ROWS, outputs, generator=generator, dtype=torch.float64, requires_grad=True)
    total = entry_losses(logits, labels[:, None].double(), [kind], [outputs]).sum()
    (expected,) = torch.autograd.grad(total, logits)
    found = row_loss(kind, outputs).residuals(logits.detach().flatten(), labels)
    torch.testing.assert_close(found, expected.flatten())


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_task_without_rows_has_no_loss(kind):
    loss, none = row_loss(kind, 3), torch.zeros(0, dtype=torch.float64)
    assert loss.residuals(none, none).shape == (0,)
    assert loss.curvature_roots(torch.zeros(0, 4, dtype=torch.float64), none).shape == (0, 4)
