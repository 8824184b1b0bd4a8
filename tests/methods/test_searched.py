from dataclasses import replace

import numpy as np
import pytest

from gradtag_core.affinity.subsets import pairwise_subsets
from gradtag_core.config import METRICS
from gradtag_core.cost import measure
from gradtag_core.methods.searched import affordable, search_subsets, train_subsets, training_flops

SUBSETS = [(0, 1), (2,), (1, 3, 5), (0, 4)]
AUC = METRICS.index("auc")


def test_scores_are_those_of_single_trainings_and_both_passes_are_paid_for(setting, training_flops):
    with measure() as meter:
        scores = train_subsets(setting, SUBSETS, "Training", meter)
    for index, subset in enumerate(SUBSETS):
        model = setting.trainer.fit(subset, setting.recipe, setting.search_seed)
        expected = setting.trainer.score(model, subset, "validation")
        np.testing.assert_allclose(scores.values[scores.subset == index], expected, atol=0.03)
    scoring = sum(
        len(setting.suite.subset("validation", s).examples) * setting.architecture.forward_flops(len(s))
        for s in SUBSETS
    )
    assert meter.flops == pytest.approx(sum(map(training_flops, SUBSETS)) + scoring)


def test_the_cost_of_a_training_is_known_beforehand(setting):
    with measure() as meter:
        train_subsets(setting, SUBSETS, "Training", meter)
    assert meter.flops == pytest.approx(sum(training_flops(setting, subset) for subset in SUBSETS))


@pytest.mark.parametrize("limit", [None, 1e15])
def test_what_is_affordable_is_trained_and_not_estimated(setting, limit):
    with measure() as meter:
        search = search_subsets(replace(setting, search_flops=limit), SUBSETS, "Training", meter)
    assert search.sample is None and search.not_run.flops == 0 and search.scores.source == "trained"


def test_a_dear_search_trains_a_sample_and_is_charged_in_full(setting):
    pairs = pairwise_subsets(6)
    with measure() as meter:
        full = search_subsets(setting, pairs, "Training", meter)
    with measure() as partial:
        limit = 0.7 * meter.flops
        search = search_subsets(replace(setting, search_flops=limit), pairs, "Training", partial)
    assert partial.flops <= limit
    assert partial.flops + search.not_run.flops == pytest.approx(meter.flops)
    assert search.not_run.seconds > 0
    assert search.sample is not None
    n_trained = int(search.sample.split()[0])
    assert 12 <= n_trained < len(pairs) and f"of {len(pairs)} subsets were trained" in search.sample
    assert search.scores.source == "estimated" and np.isfinite(search.scores.of("auc")).all()
    same = np.isclose(search.scores.of("auc"), full.scores.of("auc"), atol=0.02)
    known = np.isfinite(search.scores.values[:, METRICS.index("f1")])
    assert not known.all() or same.sum() >= n_trained
    assert search.scores.subsets == full.scores.subsets


def test_trained_scores_of_a_sample_are_kept_as_they_are(setting):
    pairs = pairwise_subsets(6)
    flops = np.array([training_flops(setting, pair) for pair in pairs])
    cheap = replace(setting, search_flops=0.7 * flops.sum())
    sample = affordable(cheap, flops)
    assert sample is not None
    with measure() as meter:
        search = search_subsets(cheap, pairs, "Training", meter)
        trained = train_subsets(cheap, [pairs[index] for index in sample], "Training", meter)
    kept = np.isin(search.scores.subset, sample)
    np.testing.assert_array_equal(search.scores.of("auc")[kept], trained.of("auc"))
    assert np.isnan(search.scores.values[~kept][:, METRICS.index("f1")]).all()


def test_a_sample_is_never_too_small_to_say_something_of_every_task(setting):
    assert affordable(replace(setting, search_flops=0.5), np.ones(10)) is None
    for limit, expected in ((0.5, 12), (20.0, 20)):
        sample = affordable(replace(setting, search_flops=limit), np.ones(40))
        assert sample is not None and len(set(sample)) == expected
