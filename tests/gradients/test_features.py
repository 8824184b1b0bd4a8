import numpy as np
import pytest
import torch

from gradtag_core.errors import GradTagError
from gradtag_core.gradients import features as module
from gradtag_core.gradients.features import featurize
from gradtag_core.gradients.projection import Projection
from gradtag_core.models.architecture import Architecture
from gradtag_core.tasks.suite import Rows
from gradtag_core.training.trainer import Recipe, Trainer

CPU = torch.device("cpu")
PROJECTION = Projection("rademacher", 12, seed=0)


@pytest.fixture
def base(small_suite):
    architecture = Architecture("mlp", small_suite.inputs.shape[1:], 8, small_suite.n_tasks)
    return Trainer(small_suite, architecture, CPU).fit(
        range(small_suite.n_tasks), Recipe(2, 0.01, 16, "rows"), 0
    )


def test_the_batch_size_does_not_matter(small_suite, base, monkeypatch):
    rows = small_suite.rows("train")
    whole = featurize(small_suite, base, rows, PROJECTION, CPU)
    monkeypatch.setattr(module, "EXAMPLES_AT_ONCE", 3)
    parts = featurize(small_suite, base, rows, PROJECTION, CPU)
    torch.testing.assert_close(parts.projected, whole.projected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(parts.logits, whole.logits)


def test_the_order_of_rows_only_permutes(small_suite, base):
    rows = small_suite.rows("validation")
    order = np.random.default_rng(0).permutation(len(rows))
    shuffled = Rows(rows.example[order], rows.task[order], rows.label[order])
    expected = featurize(small_suite, base, rows, PROJECTION, CPU)
    found = featurize(small_suite, base, shuffled, PROJECTION, CPU)
    torch.testing.assert_close(
        found.projected, expected.projected[torch.from_numpy(order)], rtol=1e-5, atol=1e-6
    )


def test_logits_are_the_models(small_suite, base):
    rows = small_suite.rows("validation")
    found = featurize(small_suite, base, rows, PROJECTION, CPU)
    logits = base.build(CPU)(torch.from_numpy(small_suite.inputs)).detach()
    torch.testing.assert_close(found.logits, logits[rows.example, rows.task])


def test_a_diverged_base_model_is_named(small_suite, base):
    base.weights["head.weight"][0, 0] = float("nan")
    with pytest.raises(GradTagError, match=r"seed 0.*learning_rate"):
        featurize(small_suite, base, small_suite.rows("train"), PROJECTION, CPU)


def test_flops_close_to_the_forecast(small_suite, base):
    """The forecast does not know how rows pile up on examples; the count does."""
    rows = small_suite.rows("train")
    counted = featurize(small_suite, base, rows, PROJECTION, CPU).cost.flops
    predicted = base.architecture.featurize_flops(len(np.unique(rows.example)), len(rows), PROJECTION.dim)
    assert 0.7 < counted / predicted < 1.4
