from itertools import pairwise

import numpy as np
import pytest

from gradtag_core.affinity.subsets import pairwise_subsets
from gradtag_core.config import make_config
from gradtag_core.errors import InvalidInput
from gradtag_core.progress import Progress
from gradtag_core.runs.overall import OverallProgress
from gradtag_core.runs.plan import _proxy_subsets, forecast, make_plan, mean_training_flops
from tests.mixed_suites import mixed_suite

RATES = {"train": 1e9, "featurize": 2e9, "regress": 1e9, "truth": 1e9}


def plan_for(small_suite, **values):
    return make_plan(
        make_config(None, **{"subset_size": 2, "n_subsets": 6, "n_groups": 2, **values}), small_suite
    )


def test_the_plan_fills_in_what_was_left_open(small_suite):
    plan = plan_for(small_suite, n_subsets=None, n_groups=None)
    assert plan.config.model == "mlp"
    assert plan.config.n_groups == 2
    assert len(plan.subsets) == plan.config.n_subsets == 6  # all pairs of four tasks
    assert plan.truth_subsets == ()


def test_pairwise_scores_tasks_and_pairs(small_suite):
    assert len(plan_for(small_suite, pairwise=True).subsets) == 4 + 6


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"n_groups": 5}, r"`n_groups` must be at most the number of tasks, 4; found 5"),
        ({"subset_size": 5}, r"`subset_size` must be at most the number of tasks, 4; found 5"),
        ({"n_subsets": 2}, r"`n_subsets` must be large enough.*cells stay empty"),
        ({"n_subsets": 7}, r"`n_subsets` must be at most 6"),
        ({"truth": 7}, r"`truth` must be at most the number of subsets that are estimated, 6; found 7"),
    ],
)
def test_what_does_not_fit_the_suite_is_refused(small_suite, values, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        plan_for(small_suite, **values)


def test_the_forecast_of_training_equals_what_training_charges(small_suite):
    import torch

    from gradtag_core.training.trainer import Recipe, Trainer

    plan = plan_for(small_suite)
    config = plan.config
    recipe = Recipe(config.epochs, config.learning_rate, config.batch_size, config.weighting)
    trainer = Trainer(small_suite, plan.architecture, torch.device("cpu"))
    charged = np.mean([trainer.fit(subset, recipe, 0).cost.flops for subset in plan.subsets])
    assert mean_training_flops(plan) == pytest.approx(charged)


def test_seconds_need_a_rate_for_every_stage(small_suite):
    plan = plan_for(small_suite, truth=3)
    assert forecast(plan, RATES).seconds is not None
    assert forecast(plan, {}).seconds is None
    without = {name: rate for name, rate in RATES.items() if name != "featurize"}
    assert forecast(plan, without).seconds is None


def test_the_forecast_lists_what_will_be_done(small_suite):
    units = {
        work.stage: work.units for work in forecast(plan_for(small_suite, truth=3, n_inits=2), RATES).work
    }
    assert units == {"train": 2, "featurize": 2, "regress": 2, "proxies": 6, "groups": 3, "truth": 6}
    lean = forecast(plan_for(small_suite, train_groups=False, proxies_per_task=0), RATES)
    assert {work.stage for work in lean.work} == {"train", "featurize", "regress"}


def test_overall_progress_rises_from_zero_to_one(small_suite):
    overall = OverallProgress(forecast(plan_for(small_suite, truth=3), RATES))
    titles = list(overall._seconds)
    reports = [overall(Progress(title, done, 4)) for title in titles for done in range(5)]
    fractions = [fraction for fraction, _ in reports]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == pytest.approx(1)
    assert reports[-1][1] == pytest.approx(0)


def test_overall_progress_without_rates_knows_no_seconds(small_suite):
    overall = OverallProgress(forecast(plan_for(small_suite), {}))
    fraction, seconds_left = overall(Progress(next(iter(overall._seconds)), 1, 2, 10.0))
    assert 0 < fraction < 1
    assert seconds_left is None


def test_small_models_train_on_the_first_subsets_and_more_of_them_on_those_and_others(small_suite):
    plans = [plan_for(small_suite, proxies_per_task=count) for count in (0, 1, 2, 10)]
    assert [len(plan.proxy_subsets) for plan in plans] == [0, 4, 6, 6]
    for plan in plans:
        assert plan.proxy_subsets == plan.subsets[: len(plan.proxy_subsets)]


def test_of_all_pairs_small_models_train_on_a_random_choice(small_suite):
    def pairs(count, seed=0):
        return plan_for(small_suite, pairwise=True, proxies_per_task=count, seed=seed).proxy_subsets

    every = [subset for subset in plan_for(small_suite, pairwise=True).subsets if len(subset) == 2]
    assert pairs(10) == tuple(every)
    assert len(set(pairs(1))) == 4
    assert set(pairs(1)) < set(every)
    assert pairs(1) == pairs(1)
    assert len({frozenset(pairs(1, seed)) for seed in range(8)}) > 1
    assert {subset[0] for seed in range(8) for subset in pairs(1, seed)} == {0, 1, 2}


def test_the_choice_of_pairs_is_nested():
    every = pairwise_subsets(9)
    smaller = [set(_proxy_subsets(every, count, 3)) for count in (1, 5, 9, 20, 35, 36, 99)]
    assert [len(chosen) for chosen in smaller] == [1, 5, 9, 20, 35, 36, 36]
    for few, more in pairwise(smaller):
        assert few <= more
    assert all(len(subset) == 2 for subset in smaller[-1])


def test_small_models_are_narrow_and_learn_faster(small_suite):
    plan = plan_for(small_suite, width=100, learning_rate=0.01)
    assert plan.proxy_architecture == plan.architecture.small(25)
    assert plan.proxy_learning_rate == pytest.approx(0.02)
    as_wide = plan_for(small_suite, width=12)
    assert as_wide.proxy_architecture == as_wide.architecture
    assert as_wide.proxy_learning_rate == as_wide.config.learning_rate
    assert plan_for(small_suite, proxy_width=5).proxy_architecture.width == 5


def test_one_subset_leaves_nothing_for_small_models_to_tell_apart(small_suite):
    whole = {"subset_size": 4, "n_subsets": None}
    assert plan_for(small_suite, **whole).proxy_subsets == ()
    with pytest.raises(InvalidInput, match=r"`n_inits` must be at least 1 .*found 0 with 1 subset\."):
        plan_for(small_suite, **whole, n_inits=0)


def test_without_base_models_their_stages_are_not_forecast(small_suite):
    found = forecast(plan_for(small_suite, n_inits=0, train_groups=False), RATES)
    assert [work.stage for work in found.work] == ["proxies"]
    assert found.feature_bytes == 0
    assert found.estimate_flops == found.work[0].flops > 0


def test_small_models_cost_what_training_charges(small_suite):
    import torch

    from gradtag_core.training.trainer import Recipe, Trainer

    plan = plan_for(small_suite, width=64, proxies_per_task=1)
    config = plan.config
    recipe = Recipe(config.epochs, plan.proxy_learning_rate, config.batch_size, config.weighting)
    trainer = Trainer(small_suite, plan.proxy_architecture, torch.device("cpu"))
    charged = sum(trainer.fit(subset, recipe, 0).cost.flops for subset in plan.proxy_subsets)
    (work,) = (work for work in forecast(plan, RATES).work if work.stage == "proxies")
    assert work.units == 4
    assert work.flops == pytest.approx(charged)
    assert work.seconds == pytest.approx(charged / RATES["truth"])


def test_without_a_projection_the_kernel_must_fit_the_memory(small_suite):
    n_train, n_validation = (
        sum(len(small_suite.indices(split, task)) for task in range(4)) for split in ("train", "validation")
    )
    needed = 4 * n_train * (n_train + n_validation)
    plan = plan_for(small_suite, projection="identity", memory=1.01 * needed / 2**30)
    assert forecast(plan, RATES).feature_bytes == needed
    with pytest.raises(InvalidInput, match=rf"`projection` = identity .* {n_train} training rows .*`memory`"):
        plan_for(small_suite, projection="identity", memory=0.99 * needed / 2**30)
    too_little = {"memory": 1e-9}
    assert plan_for(small_suite, projection="identity", n_inits=0, **too_little).subsets
    assert plan_for(small_suite, projection="pca", **too_little).subsets


def test_without_a_limit_on_memory_the_kernel_has_one_of_its_own(small_suite, monkeypatch):
    assert plan_for(small_suite, projection="identity").subsets
    monkeypatch.setattr("gradtag_core.runs.plan.KERNEL_GIBIBYTES", 1e-6)
    with pytest.raises(InvalidInput, match=r"`memory` \(1e-06 GiB\); found"):
        plan_for(small_suite, projection="identity")


def test_a_metric_that_some_task_does_not_have_is_refused():
    suite = mixed_suite()
    assert plan_for(suite, metric="auc").architecture.outputs == (1, 3, 1, 1)
    with pytest.raises(
        InvalidInput, match=r"`metric` must .* found `f1`, .*\(`number`\)\. Choose `loss` or `auc`"
    ):
        plan_for(suite, metric="f1")
    plan_for(suite.select(["yes", "class", "other"]), metric="f1", pairwise=True)


def test_without_a_projection_tasks_must_be_binary():
    with pytest.raises(
        InvalidInput, match="`projection` = identity needs binary tasks; `class`, `number` are"
    ):
        plan_for(mixed_suite(), projection="identity")
    plan_for(mixed_suite(), projection="identity", n_inits=0)


def test_each_output_is_forecast_to_have_a_gradient():
    suite = mixed_suite()
    more, fewer = (
        forecast(plan_for(part, pairwise=True), {}).feature_bytes
        for part in (suite, suite.select(["yes", "number", "other"]))
    )
    rows = sum(len(suite.indices(split, 1)) for split in ("train", "validation"))
    assert more - fewer == 3 * rows * 200 * 4
