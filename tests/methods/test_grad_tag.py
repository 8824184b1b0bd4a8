from dataclasses import replace
from itertools import combinations
from unittest.mock import Mock

import numpy as np
import pytest

from gradtag_core.affinity.matrix import average
from gradtag_core.config import PRESETS
from gradtag_core.cost import measure
from gradtag_core.errors import InvalidInput
from gradtag_core.methods import grad_tag
from gradtag_core.methods.grad_tag import (
    base_models,
    estimate,
    gradient_features,
    joined_with_small_models,
    method_config,
)
from gradtag_core.methods.protocol import find_method, run_method


def test_base_models_are_those_of_the_trainer_stopped_early(setting):
    longer = replace(setting, recipe=replace(setting.recipe, epochs=8))
    config = method_config(longer, None, 2)
    with measure() as meter:
        models = base_models(longer, config, meter)
    recipe = replace(longer.recipe, epochs=config.base_epochs)
    for model, seed in zip(models, config.init_seeds, strict=True):
        expected = setting.trainer.fit(range(6), recipe, seed)
        for name, tensor in model.weights.items():
            np.testing.assert_allclose(tensor, expected.weights[name], atol=2e-3)
    assert len(models) == 2 and meter.flops == pytest.approx(2 * expected.cost.flops)


def test_a_short_recipe_is_never_exceeded(setting):
    with measure() as meter:
        (model,) = base_models(setting, method_config(setting, None, 1), meter)
    assert model.cost.flops == pytest.approx(
        setting.trainer.fit(range(6), setting.recipe, setting.search_seed).cost.flops
    )


def test_the_configuration_is_that_of_the_preset_and_the_setting(setting):
    config = method_config(setting, "accurate", None)
    for name, value in PRESETS["accurate"].items():
        assert getattr(config, name) == value
    assert config.subset_size == 5 and config.width == 8 and config.seed == setting.search_seed
    assert method_config(setting, None, 7).n_inits == 7
    assert method_config(setting, None, 7).proxies_per_task == 0


def test_more_base_models_cost_more(setting):
    one, three = (run_method(name, setting) for name in ("grad_tag", "grad_tag_m3"))
    assert 2 * one.cost.flops < three.cost.flops
    assert three.method == "grad_tag_m3"


def test_small_models_need_no_base_model(setting, monkeypatch):
    monkeypatch.setattr(grad_tag, "gradient_features", Mock(side_effect=AssertionError))
    assert run_method("small_models", setting).groups
    with pytest.raises(InvalidInput, match="must not both be 0"):
        grad_tag.run(setting, n_inits=0)


def test_any_number_of_base_models_can_be_asked_for():
    assert find_method("grad_tag_m5").options == {"n_inits": 5}
    assert "5 models" in find_method("grad_tag_m5").description
    with pytest.raises(InvalidInput, match="Did you mean `grad_tag`"):
        find_method("grad_tag_m0")


def test_one_base_model_is_grad_tag_itself():
    assert find_method("grad_tag_m1").options == find_method("grad_tag").options


def test_estimates_find_planted_groups(setting, planted):
    longer = replace(setting, metric="loss", recipe=replace(setting.recipe, epochs=15))
    config = method_config(longer, "accurate", None)
    subsets = [subset for size in (2, 3, 4) for subset in combinations(range(6), size)]
    with measure() as meter:
        models = base_models(longer, config, meter)
        pairs = [gradient_features(longer, config, base, meter) for base in models]
        gradients = estimate(longer, config, pairs, subsets, meter)
        joined = joined_with_small_models(longer, config, gradients, subsets, meter)
    same = planted.groups[:, None] == planted.groups
    for scores in (gradients, joined):
        affinity = average(scores, "loss").values
        for task, own in enumerate(same):
            helpers = own & (np.arange(6) != task)
            assert affinity[task, helpers].mean() > affinity[task, ~own].mean()


def test_the_cost_is_the_sum_of_every_stage(setting, training_flops, monkeypatch):
    spent = {}
    for name in ("base_models", "gradient_features", "estimate", "joined_with_small_models"):
        original = getattr(grad_tag, name)

        def note(*arguments, name=name, original=original):
            before = arguments[-1].flops
            found = original(*arguments)
            spent[name] = spent.get(name, 0) + arguments[-1].flops - before
            return found

        monkeypatch.setattr(grad_tag, name, note)
    result = run_method("grad_tag_accurate", setting)
    assert result.groups is not None
    assert len(spent) == 4 and min(spent.values()) > 0
    assert result.cost.flops == pytest.approx(sum(spent.values()) + sum(map(training_flops, result.groups)))


def test_small_models_are_narrower_learn_faster_and_start_apart(setting, monkeypatch):
    wide = replace(setting, architecture=replace(setting.architecture, width=64))
    seen = []

    def note(setting, subsets, stage, meter, trainer, recipe, seeds):
        seen.append((trainer.architecture.width, recipe.learning_rate, len(subsets), len(set(seeds))))
        raise StopIteration

    monkeypatch.setattr(grad_tag, "train_subsets", note)
    config = method_config(wide, "accurate", None).model_copy(update={"proxies_per_task": 1})
    with measure() as meter, pytest.raises(StopIteration):
        joined_with_small_models(wide, config, Mock(), [(0, 1)] * 10, meter)
    assert seen == [(16, pytest.approx(2 * setting.recipe.learning_rate), 6, 6)]
