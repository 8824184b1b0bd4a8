import threading
from threading import Event

import numpy as np
import pytest
import torch

from gradtag_core.errors import Cancelled, InvalidInput
from gradtag_core.models.device import limited_threads
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.progress import Reporter
from gradtag_core.training import stacked_blocks
from gradtag_core.training.stacked_blocks import fit_and_score
from gradtag_core.training.trainer import Recipe, Trainer

RECIPE = Recipe(epochs=3, learning_rate=0.01, batch_size=16, weighting="rows")
BLOCKS = [
    [((0, 1), 1), ((2, 3), 1), ((1, 2), 1)],
    [((0, 1, 2), 2), ((3,), 2)],
    [((0, 1), 2), ((2, 3), 2), ((1, 2), 2), ((0, 3), 2)],
]


@pytest.fixture
def trainer(small_suite):
    return Trainer(small_suite, EncoderArchitecture("mlp", (6,), 8, 4), torch.device("cpu"))


def all_of(trainer, blocks=BLOCKS, threads=1, recipe=RECIPE):
    found = {}
    with limited_threads(threads):
        reports = list(fit_and_score(trainer, blocks, recipe, "validation"))
        assert torch.get_num_threads() == threads
    for report in reports:
        assert not found.keys() & report.ended.keys()
        found |= report.ended
    assert sorted(found) == list(range(len(blocks)))
    trainings = [report.trainings for report in reports]
    assert trainings == sorted(trainings)
    assert trainings[-1] == sum(map(len, blocks))
    return [found[index] for index in range(len(blocks))]


def test_scores_and_costs_are_those_of_training_one_by_one(trainer):
    for block, scored in zip(BLOCKS, all_of(trainer), strict=True):
        for (tasks, seed), (scores, cost) in zip(block, scored, strict=True):
            alone = trainer.fit(tasks, RECIPE, seed)
            np.testing.assert_allclose(scores, trainer.score(alone, tasks, "validation"), atol=1e-3)
            assert cost.flops == alone.cost.flops
            assert cost.seconds > 0


def test_a_block_gives_the_same_numbers_alone_and_beside_others_on_any_number_of_threads(trainer):
    together = all_of(trainer)
    for threads in (2, 3):
        for one, other in zip(together, all_of(trainer, threads=threads), strict=True):
            for (scores, _), (others, _) in zip(one, other, strict=True):
                np.testing.assert_array_equal(scores, others)
    for index, block in enumerate(BLOCKS):
        (alone,) = all_of(trainer, [block])
        for (scores, _), (others, _) in zip(alone, together[index], strict=True):
            np.testing.assert_array_equal(scores, others)


def test_progress_is_finer_than_a_block(trainer, monkeypatch):
    monkeypatch.setattr(stacked_blocks, "POLL_SECONDS", 0.001)
    long = Recipe(200, 0.01, 16, "rows")
    reports = [report.trainings for report in fit_and_score(trainer, BLOCKS[:1], long, "validation")]
    assert len({int(trainings) for trainings in reports}) > 1
    assert any(0 < trainings < 1 for trainings in reports)


def test_cancelling_is_noticed_at_once_and_leaves_no_thread(trainer):
    before, stop = threading.active_count(), Event()
    endless = Recipe(1_000_000, 0.01, 16, "rows")
    with limited_threads(2), pytest.raises(Cancelled):
        for _ in fit_and_score(trainer, BLOCKS, endless, "validation", Reporter(cancel=stop)):
            stop.set()
    assert threading.active_count() == before


def test_leaving_early_stops_the_threads(trainer):
    before = threading.active_count()
    reports = fit_and_score(trainer, BLOCKS, Recipe(1_000_000, 0.01, 16, "rows"), "validation")
    next(reports)
    reports.close()
    assert threading.active_count() == before


def test_no_block_is_no_report_and_bad_tasks_are_named(trainer):
    assert list(fit_and_score(trainer, [], RECIPE, "validation")) == []
    with pytest.raises(InvalidInput, match="`tasks` must be one or more different indices below 4"):
        list(fit_and_score(trainer, [[((0, 4), 1)]], RECIPE, "validation"))
