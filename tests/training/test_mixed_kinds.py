"""Training many models on tasks of several kinds."""

import numpy as np
import pytest
import torch

from gradtag_core.config import METRICS
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.training.stacked import fit_many, score_many
from gradtag_core.training.stacked_blocks import fit_and_score
from gradtag_core.training.trainer import Recipe, Trainer
from tests.mixed_suites import mixed_suite

RECIPE = Recipe(3, 0.01, 16, "tasks")


@pytest.mark.parametrize("names", [["yes", "class", "number"], ["yes", "number", "other"]])
def test_many_models_are_those_trained_one_by_one(names):
    """Without a multiclass task each task has one output, as where all are binary."""
    suite = mixed_suite(unlabelled=0.1).select(names)
    trainer = Trainer(suite, EncoderArchitecture.of("mlp", suite, 6), torch.device("cpu"))
    work = [((0, 1), 0), ((2,), 1), ((0, 1, 2), 2)]
    found = {place: model for done in fit_many(trainer, work, RECIPE) for place, model in done.items()}
    scores = score_many(trainer, [found[place] for place in range(3)], [own for own, _ in work], "validation")
    reports = list(fit_and_score(trainer, [work], RECIPE, "validation"))
    in_blocks = next(report.ended[0] for report in reports if report.ended)
    for place, (tasks, seed) in enumerate(work):
        expected = trainer.fit(tasks, RECIPE, seed)
        for name, tensor in found[place].weights.items():
            torch.testing.assert_close(tensor, expected.weights[name])
        own = trainer.score(expected, tasks, "validation")
        np.testing.assert_allclose(scores[place], own, atol=1e-6)
        np.testing.assert_allclose(in_blocks[place][0], own, atol=1e-6)


def test_training_lowers_the_loss_of_every_kind():
    suite = mixed_suite(300)
    trainer = Trainer(suite, EncoderArchitecture.of("mlp", suite, 16), torch.device("cpu"))
    few, many = (
        trainer.score(trainer.fit(range(4), Recipe(epochs, 0.01, 16, "tasks"), 0), range(4), "train")
        for epochs in (1, 30)
    )
    column = METRICS.index("loss")
    assert (many[:, column] > few[:, column] + 0.05).all()
