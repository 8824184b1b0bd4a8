import numpy as np
import pytest

from gradtag_core.config import METRICS
from gradtag_core.cost import Meter
from gradtag_core.methods import linear_probe
from gradtag_core.methods.linear_probe import PENALTIES, fit_probe, standardised
from gradtag_core.methods.node_scores import score_nodes


@pytest.fixture
def features(overlapping):
    rng = np.random.default_rng(0)
    labels = overlapping.suite.labels
    signal = labels @ rng.standard_normal((labels.shape[1], 6))
    return (signal + rng.standard_normal((len(labels), 6))).astype(np.float32)


@pytest.mark.parametrize("l2", PENALTIES)
def test_logits_are_the_optimum_of_the_stated_loss(overlapping, features, l2, monkeypatch):
    monkeypatch.setattr(linear_probe, "PENALTIES", (l2,))
    found = fit_probe(overlapping, features, Meter())
    scaled = np.c_[standardised(features), np.ones(len(features))]
    for task in range(overlapping.suite.n_tasks):
        rows = overlapping.suite.indices("train", task)
        weights = np.linalg.lstsq(scaled, found.logits[:, task], rcond=None)[0]
        chance = 1 / (1 + np.exp(-found.logits[rows, task]))
        gradient = scaled[rows].T @ (chance - overlapping.suite.labels[rows, task])
        np.testing.assert_allclose(gradient + l2 * weights * ([1] * 6 + [0]), 0, atol=1e-2)


def test_the_penalty_is_the_best_on_validation(overlapping, features, monkeypatch):
    found = fit_probe(overlapping, features, Meter())
    scores = {}
    for l2 in PENALTIES:
        monkeypatch.setattr(linear_probe, "PENALTIES", (l2,))
        scores[l2] = fit_probe(overlapping, features, Meter()).mean_score("loss")
    assert found.choices == {"l2": max(scores, key=lambda l2: scores[l2])}
    expected = score_nodes(overlapping.suite, found.logits, "validation")
    np.testing.assert_array_equal(found.validation, expected)
    column = METRICS.index("loss")
    assert found.mean_score("loss") == expected[:, column].mean() == max(scores.values())


def test_scale_offset_and_constant_columns_do_not_matter(overlapping, features):
    expected = fit_probe(overlapping, features, Meter()).logits
    wide = np.c_[features[:, ::-1] * [[1, 20, 0.01, 3, 5, 7]] - 4, np.full(len(features), 0.1)]
    np.testing.assert_allclose(fit_probe(overlapping, wide, Meter()).logits, expected, atol=1e-3)
    assert (standardised(wide)[:, -1] == 0).all()
    constant = fit_probe(overlapping, np.ones((len(features), 2)), Meter())
    assert (np.ptp(constant.logits, axis=0) == 0).all()


def test_flops_grow_with_columns_and_count_every_penalty(overlapping, features, monkeypatch):
    def flops(columns):
        meter = Meter()
        fit_probe(overlapping, features[:, :columns], meter)
        return meter.flops

    suite = overlapping.suite
    rows = [len(suite.indices("train", task)) for task in range(suite.n_tasks)]
    one_step = sum(4 * n * 3 + 2 * n * 9 + 9 for n in rows) + 2 * suite.n_examples * 3 * suite.n_tasks
    assert flops(3) >= len(PENALTIES) * one_step
    assert flops(6) > flops(3)
