from typing import get_args

import numpy as np
import pytest
import torch

from gradtag_core.config import ProjectionKind
from gradtag_core.errors import GradTagError
from gradtag_core.gradients import features as module
from gradtag_core.gradients.features import Featurizer
from gradtag_core.gradients.projection import make_projection
from gradtag_core.models.architecture import Architecture
from gradtag_core.tasks.suite import Rows
from gradtag_core.training.trainer import Recipe, Trainer

CPU = torch.device("cpu")
KINDS: tuple[ProjectionKind, ...] = get_args(ProjectionKind)


@pytest.fixture
def base(small_suite):
    architecture = Architecture("mlp", small_suite.inputs.shape[1:], 8, small_suite.n_tasks)
    return Trainer(small_suite, architecture, CPU).fit(
        range(small_suite.n_tasks), Recipe(2, 0.01, 16, "rows"), 0
    )


def featurize(suite, base, rows, kind: ProjectionKind = "pca", dim=12):
    featurizer = Featurizer(suite, base, make_projection(kind, dim, seed=0), CPU)
    featurizer.fit(suite.rows("train"), seed=0)
    return featurizer.featurize(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_the_batch_size_does_not_matter(small_suite, base, kind, monkeypatch):
    rows = small_suite.rows("train")
    whole = featurize(small_suite, base, rows, kind)
    monkeypatch.setattr(module, "EXAMPLES_AT_ONCE", 3)
    parts = featurize(small_suite, base, rows, kind)
    torch.testing.assert_close(parts.projected, whole.projected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(parts.logits, whole.logits)
    assert parts.gradient_energy == pytest.approx(whole.gradient_energy)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_rows_only_permutes(small_suite, base, kind):
    rows = small_suite.rows("validation")
    order = np.random.default_rng(0).permutation(len(rows))
    shuffled = Rows(rows.example[order], rows.task[order], rows.label[order])
    expected = featurize(small_suite, base, rows, kind)
    found = featurize(small_suite, base, shuffled, kind)
    torch.testing.assert_close(
        found.projected, expected.projected[torch.from_numpy(order)], rtol=1e-5, atol=1e-5
    )


def test_logits_are_the_models(small_suite, base):
    rows = small_suite.rows("validation")
    found = featurize(small_suite, base, rows)
    logits = base.build(CPU)(torch.from_numpy(small_suite.inputs)).detach()
    torch.testing.assert_close(found.logits, logits[rows.example, rows.task])


def test_principal_directions_capture_at_most_everything_and_random_ones_that_on_average(small_suite, base):
    rows = small_suite.rows("train")
    few, many = (featurize(small_suite, base, rows, "pca", dim).captured_energy for dim in (3, 40))
    assert 0 < few < many <= 1 + 1e-4
    assert featurize(small_suite, base, rows, "gaussian", 4000).captured_energy == pytest.approx(1, abs=0.05)


def test_a_diverged_base_model_is_named(small_suite, base):
    base.weights["head.weight"][0, 0] = float("nan")
    with pytest.raises(GradTagError, match=r"seed 0.*learning_rate"):
        featurize(small_suite, base, small_suite.rows("train"), "gaussian")


@pytest.mark.parametrize("kind", KINDS)
def test_flops_close_to_the_forecast(small_suite, base, kind):
    """The forecast does not know how rows pile up on examples, nor how many coordinates a sketch takes per layer."""
    rows = small_suite.rows("train")
    featurizer = Featurizer(small_suite, base, make_projection(kind, 12, 0), CPU)
    counted = featurizer.fit(rows, 0).flops + featurizer.featurize(rows).cost.flops
    n_examples = len(np.unique(rows.example))
    predicted = base.architecture.featurize_flops(n_examples, len(rows), 12, kind)
    assert 0.4 < counted / predicted < 2.5
