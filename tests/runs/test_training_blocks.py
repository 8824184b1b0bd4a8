"""Truth blocks: the same numbers whatever was found and whatever was trained, and what each training cost."""

import time
from dataclasses import replace
from threading import Event, Timer

import numpy as np
import pytest

from gradtag_core.config import make_config
from gradtag_core.errors import Cancelled, GradTagError
from gradtag_core.models.device import limited_threads
from gradtag_core.progress import Reporter
from gradtag_core.runs import training_blocks
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.pipeline import Pipeline
from gradtag_core.runs.plan import make_plan
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.training_blocks import TrainingBlocks
from gradtag_core.runs.units import Units
from gradtag_core.training.trainer import Trainer

SEEDS = (11, 12)
SUBSETS = [(0, 1), (1, 2), (2, 3), (0, 3), (1, 3), (0, 1, 2), (1, 2, 3)]
SETTINGS = {"width": 8, "epochs": 3, "subset_size": 2, "n_subsets": 6, "n_groups": 2}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(training_blocks, "BLOCK", 3)


@pytest.fixture
def units_in(small_suite):
    def build(folder, reporter=None, **change):
        plan = make_plan(make_config(None, suite="small", **{**SETTINGS, **change}), small_suite)
        return Units(plan, UnitCache(folder), reporter or Reporter(), lambda stage, key: None)

    return build


def trained(units, subsets=SUBSETS, seeds=SEEDS):
    blocks = TrainingBlocks(units, subsets, seeds)
    n_new = len(list(blocks.train()))
    assert blocks.n_done == blocks.n_trainings == len(subsets) * len(seeds)
    return blocks, n_new


def test_scores_are_those_of_training_one_by_one(units_in, tmp_path):
    units = units_in(tmp_path)
    blocks, n_new = trained(units)
    assert n_new == 14
    scores = blocks.scores()
    assert (scores.seeds, scores.subsets, scores.source) == (SEEDS, tuple(SUBSETS), "trained")
    expected = [units.trained(subset, seed)[0]["validation"] for seed in SEEDS for subset in SUBSETS]
    np.testing.assert_allclose(scores.values, np.concatenate(expected), atol=1e-3)


def test_each_training_says_what_it_cost(units_in, tmp_path):
    units = units_in(tmp_path)
    blocks, _ = trained(units)
    expected = [units.trained(subset, seed)[1].flops for seed in SEEDS for subset in SUBSETS]
    assert [cost.flops for cost in blocks.costs] == expected
    assert all(cost.seconds > 0 and cost.peak_bytes > 0 for cost in blocks.costs)
    assert blocks.scores().cost.flops == pytest.approx(sum(expected))


def test_each_subset_can_start_from_a_seed_of_its_own(units_in, tmp_path):
    """With another trainer and recipe too; the scores keep the name of the first seed."""
    units = units_in(tmp_path)
    architecture = replace(units.plan.architecture, width=5)
    trainer = Trainer(units.plan.suite, architecture, units.device)
    recipe = replace(units.recipe(2), learning_rate=0.02)

    def blocks():
        return TrainingBlocks(units, SUBSETS, [11], trainer, recipe, seed_step=1)

    made = blocks()
    assert len(list(made.train())) == 7
    expected = [
        trainer.score(trainer.fit(subset, recipe, 11 + index), subset, "validation")
        for index, subset in enumerate(SUBSETS)
    ]
    scores = made.scores()
    np.testing.assert_allclose(scores.values, np.concatenate(expected), atol=1e-3)
    assert scores.seeds == (11,)
    again = blocks()
    assert list(again.train()) == []
    np.testing.assert_array_equal(again.scores().values, scores.values)
    assert TrainingBlocks(units, SUBSETS, [11], trainer, recipe).n_done == 0


def test_found_blocks_are_not_trained_again_and_give_the_same_numbers(units_in, tmp_path):
    first, _ = trained(units_in(tmp_path))
    again, n_new = trained(units_in(tmp_path))
    assert n_new == 0
    np.testing.assert_array_equal(again.scores().values, first.scores().values)
    assert again.costs == first.costs
    _, n_new = trained(units_in(tmp_path), [*SUBSETS[:6], (0, 2), (0, 2, 3)])
    assert n_new == 2 * 2  # two full blocks of each seed are the same
    _, n_new = trained(units_in(tmp_path, epochs=4))
    assert n_new == 14


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupted_truth_ends_with_the_numbers_of_an_undisturbed_one(
    units_in, tmp_path, threads, monkeypatch
):
    expected, _ = trained(units_in(tmp_path / "undisturbed"))
    kept, real = [], UnitCache.put_json

    def breaks_at_the_second_block(self, *unit):
        if kept:
            raise GradTagError("The disk is full.")
        kept.append(real(self, *unit))

    with limited_threads(threads):
        monkeypatch.setattr(UnitCache, "put_json", breaks_at_the_second_block)
        with pytest.raises(GradTagError, match="full"):
            trained(units_in(tmp_path / "cache"))
        monkeypatch.setattr(UnitCache, "put_json", real)
        resumed, n_new = trained(units_in(tmp_path / "cache"))
    assert n_new in (11, 13)  # all but one block, of three trainings or of one
    np.testing.assert_array_equal(resumed.scores().values, expected.scores().values)


def test_a_damaged_block_is_trained_again(units_in, tmp_path):
    first, _ = trained(units_in(tmp_path))
    path = next(tmp_path.glob(f"{training_blocks.STAGE}/*/*.json"))
    path.write_text(path.read_text()[:-9])
    units = units_in(tmp_path)
    again, n_new = trained(units)
    assert n_new in (1, 3)
    assert units.cache.damaged == [path]
    np.testing.assert_array_equal(again.scores().values, first.scores().values)


def test_cancelling_does_not_wait_for_the_training(units_in, tmp_path):
    stop = Event()
    units = units_in(tmp_path, Reporter(cancel=stop), epochs=10_000, truth=6)
    pipeline = Pipeline(units.plan, units, RunRecord(tmp_path), units.reporter)
    Timer(0.3, stop.set).start()
    started = time.perf_counter()
    with pytest.raises(Cancelled):
        pipeline._train_truth()
    assert time.perf_counter() - started < 60  # 10,000 epochs would take hours
