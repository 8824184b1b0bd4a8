import numpy as np
import pytest
import torch

from gradtag_core.methods.joint import JointData, JointTraining, gradients, score_network, task_losses


@pytest.fixture
def batch(setting):
    return next(JointData(setting).batches(0))


def test_joint_training_is_that_of_the_trainer(setting, training_flops):
    training = JointTraining(setting, seed=5)
    assert sum(1 for _ in training.batches()) == training.data.n_steps
    expected = setting.trainer.fit(range(6), setting.recipe, seed=5)
    for name, tensor in training.model.state_dict().items():
        torch.testing.assert_close(tensor, expected.weights[name], rtol=1e-3, atol=1e-3)
    assert training.flops == pytest.approx(training_flops(range(6)))


def test_a_row_of_gradients_is_that_of_one_loss(setting, batch):
    model = setting.architecture.build(0)
    shared = list(model.encoder.parameters())
    rows = gradients(task_losses(model(batch.inputs), batch), shared)
    for task in (0, 4):
        alone = torch.autograd.grad(task_losses(model(batch.inputs), batch)[task], shared)
        torch.testing.assert_close(rows[task], torch.cat([part.flatten() for part in alone]))


def test_scores_are_those_of_the_trainer(setting):
    model = setting.trainer.fit(range(6), setting.recipe, seed=1)
    for split in ("validation", "test"):
        found = score_network(model.build(setting.device), setting, split)
        np.testing.assert_allclose(found, setting.trainer.score(model, range(6), split), atol=1e-6)
