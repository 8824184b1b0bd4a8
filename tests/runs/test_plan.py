import numpy as np
import pytest

from gradtag_core.config import make_config
from gradtag_core.errors import InvalidInput
from gradtag_core.progress import Progress
from gradtag_core.runs.overall import OverallProgress
from gradtag_core.runs.plan import forecast, make_plan, mean_training_flops

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
    assert units == {"train": 2, "featurize": 2, "regress": 2, "groups": 3, "truth": 6}
    lean = forecast(plan_for(small_suite, train_groups=False), RATES)
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
