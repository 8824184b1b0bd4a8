from dataclasses import replace

import numpy as np
import pytest

from gradtag_core.cost import measure
from gradtag_core.methods import searched, stepwise
from gradtag_core.methods.grad_tag import base_models, estimate, gradient_features, method_config
from gradtag_core.methods.protocol import run_method
from gradtag_core.methods.stepwise import SampleScorer, TrainedScorer, gradient_scorer, sample_size

NAMES = ["forward_selection", "backward_selection"]


def by_planted_groups(planted):
    """An exact additive score: tasks of the same planted group help, others hurt."""
    effects = np.where(planted.groups[:, None] == planted.groups, 1.0, -1.0)

    def scores(group):
        return dict(zip(group, effects[np.ix_(group, group)].sum(1).tolist(), strict=True))

    return lambda groups: [scores(group) for group in groups]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_planted_groups_are_found_from_additive_scores(setting, planted, direction, monkeypatch):
    monkeypatch.setattr(stepwise, "TrainedScorer", lambda setting, meter: by_planted_groups(planted))
    result = stepwise.run(setting, direction)
    assert result.groups is not None
    assert set(result.groups) == {(0, 1, 2), (3, 4, 5)}


def test_a_trained_score_is_that_of_the_model_and_is_paid_for(setting):
    group = (1, 2, 5)
    with measure() as meter:
        _, found = TrainedScorer(setting, meter)([(0, 3), group])
    model = setting.trainer.fit(group, setting.recipe, setting.search_seed)
    expected = setting.trainer.score(model, group, "validation")[:, 4]
    np.testing.assert_allclose([found[task] for task in group], expected, atol=0.02)
    both = searched.training_flops(setting, group) + searched.training_flops(setting, (0, 3))
    assert meter.flops == pytest.approx(both)


@pytest.mark.parametrize("name", NAMES)
def test_every_group_that_is_asked_for_is_paid_for_once(setting, name, monkeypatch):
    asked = []
    original = TrainedScorer.__call__

    def note(self, groups):
        asked.extend(groups)
        return original(self, groups)

    monkeypatch.setattr(TrainedScorer, "__call__", note)
    result = run_method(name, setting)
    assert result.groups is not None
    assert len(asked) == len(set(asked))
    assert len(asked[0]) == {"forward_selection": 1, "backward_selection": 6}[name]
    search = sum(searched.training_flops(setting, group) for group in asked)
    finals = sum(searched.training_flops(setting, group) for group in result.groups)
    assert search < result.cost.flops <= search + finals


def test_the_estimated_form_trains_nothing_in_its_search(setting, planted, monkeypatch):
    monkeypatch.setattr(stepwise, "TrainedScorer", None)
    monkeypatch.setattr(stepwise, "gradient_scorer", lambda setting, meter: by_planted_groups(planted))
    result = run_method("forward_selection_estimated", setting)
    assert result.groups is not None
    assert set(result.groups) == {(0, 1, 2), (3, 4, 5)}
    assert not result.estimated  # a method of its own, really run
    finals = sum(setting.trainer.fit(group, setting.recipe, 0).cost.flops for group in result.groups)
    assert result.cost.flops == pytest.approx(finals)


def test_a_group_is_estimated_as_among_others_and_is_paid_for(setting):
    group, config = (0, 2, 3), method_config(setting, None, 1)
    with measure() as alone:
        scorer = gradient_scorer(setting, alone)
        before = alone.flops
        _, found = scorer([(1, 2, 4, 5), group])
    with measure() as meter:
        pairs = [
            gradient_features(setting, config, base, meter) for base in base_models(setting, config, meter)
        ]
        scores = estimate(setting, config, pairs, [(0, 1), group, (4, 5, 3)], meter)
    expected = scores.of("auc")[scores.subset == 1]
    np.testing.assert_allclose([found[task] for task in group], expected, atol=0.02)
    assert alone.flops > before > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_dear_selection_stands_on_a_stated_sample_and_is_charged_for_what_it_asked(
    setting, training_flops, name, monkeypatch
):
    asked = []
    original = SampleScorer.__call__
    monkeypatch.setattr(
        SampleScorer, "__call__", lambda self, groups: (asked.extend(groups), original(self, groups))[1]
    )
    cheap = replace(setting, search_flops=14 * searched.training_flops(setting, (0, 1, 2)))
    result = run_method(name, cheap)
    assert result.groups is not None
    assert result.sample is not None
    n_sample = sample_size(cheap, name.split("_")[0])
    assert result.estimated and f"{n_sample} trained subsets of 3 tasks" in result.sample
    search, finals = (
        sum(searched.training_flops(setting, group) for group in asked),
        sum(map(training_flops, result.groups)),
    )
    assert result.cost.flops == pytest.approx(search + finals)


def test_an_affordable_selection_is_not_sampled(setting):
    assert sample_size(setting, "forward") is None
    assert sample_size(replace(setting, search_flops=1e15), "backward") is None
    assert sample_size(replace(setting, search_flops=1.0), "forward") == 12


def test_a_sample_never_exceeds_the_subsets_that_there_are(setting):
    one_group = replace(setting, n_groups=1, search_flops=1.0)
    assert sample_size(one_group, "forward") == 6
    assert run_method("forward_selection", one_group).groups == ((0, 1, 2, 3, 4, 5),)
