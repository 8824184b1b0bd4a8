from typing import Any

import numpy as np
import pytest
import torch

from gradtag_core.training.stacked import fit_many, score_many
from gradtag_core.training.trainer import Recipe, Trainer
from tests.models.tiny_models import architecture, image_suite, instruction_suite, save_model, text_suite

CASES = [
    ("bert", text_suite, 1), ("bert", text_suite, 0), ("t5", text_suite, 0), ("t5", instruction_suite, 1),
    ("vit", image_suite, 1), ("convnext", image_suite, 1),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "make", "layers"), CASES)
def test_small_models_read_the_frozen_models_pooled_states(kind, make, layers, tmp_path):
    suite = make()
    whole = architecture(suite, save_model(kind, tmp_path), trained_layers=layers)
    small = whole.small(16)
    assert small.stackable and small.width == 16 and small.head_width == 16
    assert whole.small_learning_rate(0.003, 16) == 0.003
    inputs: Any = small.inputs_of(suite)
    assert inputs is whole.small(32).inputs_of(suite)
    examples = torch.tensor([4, 4, 0, 30])
    found = inputs[examples]
    assert found.shape == (4, whole.width)
    assert len(inputs) == suite.n_examples and inputs.nbytes == 4 * suite.n_examples * whole.width
    torch.testing.assert_close(found.mean(1), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.var(1, correction=0), torch.ones(4), atol=1e-2, rtol=0)
    if not whole.answers:
        model: Any = whole.build(0).eval()
        states = model.encoder(whole.inputs_of(suite)[examples])
        torch.testing.assert_close(
            found, torch.nn.functional.layer_norm(states, states.shape[1:]), atol=1e-4, rtol=1e-4
        )
    spent = inputs.flops
    assert spent >= 3 * whole.forward_flops(0)
    inputs[examples]
    assert inputs.flops == spent


def test_the_pooled_states_do_not_depend_on_the_cut(tmp_path):
    suite, folder = text_suite(), save_model("bert", tmp_path)
    every = torch.arange(suite.n_examples)
    first = architecture(suite, folder, trained_layers=1).pooled_inputs(suite)[every]
    other = architecture(suite, folder, trained_layers=0).pooled_inputs(suite)[every]
    torch.testing.assert_close(first, other, atol=1e-5, rtol=1e-5)


def test_many_small_models_train_together_as_they_do_alone(tmp_path):
    suite = text_suite()
    small = architecture(suite, save_model("bert", tmp_path), trained_layers=1).small(16)
    trainer, recipe = Trainer(suite, small, torch.device("cpu")), Recipe(2, 0.01, 8, "rows")
    work = [((0, 1), 5), ((1, 2), 6), ((0, 3), 7)]
    found = {}
    for stack in fit_many(trainer, work, recipe):
        found |= stack
    alone = [trainer.score(trainer.fit(*job[:1], recipe, job[1]), job[0], "validation") for job in work]
    subsets = [tasks for tasks, _ in work]
    together = score_many(trainer, [found[position] for position in range(3)], subsets, "validation")
    np.testing.assert_allclose(together, alone, atol=1e-4)
