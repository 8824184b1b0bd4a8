"""What frozen layers cost is charged once, to whoever has them computed."""

from itertools import count
from threading import Thread

import pytest
import torch

from gradtag_core.gradients.features import Featurizer
from gradtag_core.gradients.projection import make_projection
from gradtag_core.models.architecture import made_ready, spent_flops
from gradtag_core.training.trainer import Recipe, Trainer
from tests.models import tiny_models

CPU = torch.device("cpu")
SEEDS = count(10_000)
RECIPE = Recipe(2, 0.01, 8, "rows")


class Stop(Exception):
    pass


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """A suite no other test has, so that nothing of it is computed yet, and a model whose frozen layers read one text
    at a time."""
    monkeypatch.setattr("gradtag_core.models.frozen.WINDOW", 1)
    suite = tiny_models.text_suite(seed=next(SEEDS))
    folder = tiny_models.save_model("bert", tmp_path)
    return suite, tiny_models.architecture(suite, folder, trained_layers=1)


def test_training_and_features_are_charged_for_the_frozen_layers_once(parts):
    suite, architecture = parts
    assert architecture.is_cut and architecture.frozen_flops() > 0
    trainer = Trainer(suite, architecture, CPU)
    tasks = tuple(range(suite.n_tasks))
    first, again = (trainer.fit(tasks, RECIPE, 0).cost.flops for _ in range(2))
    examples = len(suite.subset("train", tasks).examples)
    assert again == RECIPE.epochs * examples * architecture.step_flops(architecture.n_outputs(tasks))
    made = first - again
    assert made == spent_flops(trainer.inputs) > 0

    rows = suite.rows("validation")
    featurizer = Featurizer(suite, trainer.fit(tasks, RECIPE, 0), make_projection("sjlt", 4, 0), CPU)
    costs = [featurizer.featurize(rows).cost.flops for _ in range(2)]
    assert costs[0] - costs[1] == pytest.approx(spent_flops(trainer.inputs) - made)
    assert costs[0] > costs[1]


@pytest.mark.parametrize("small", [False, True])
def test_a_thread_is_not_charged_for_what_another_has_computed(parts, small):
    suite, architecture = parts
    inputs = (architecture.small(8) if small else architecture).inputs_of(suite)
    other = Thread(target=lambda: inputs[torch.arange(10)])
    other.start()
    other.join()
    assert spent_flops(inputs) == 0
    inputs[torch.arange(12)]
    assert spent_flops(inputs) > 0


def test_making_inputs_can_be_ended_between_two_parts(parts, monkeypatch):
    suite, architecture = parts
    inputs = architecture.inputs_of(suite)
    monkeypatch.setattr("gradtag_core.models.architecture.READY_AT_ONCE", 5)
    calls = iter([None, None])

    def check():
        if next(calls, Stop) is Stop:
            raise Stop

    with pytest.raises(Stop):
        made_ready(inputs, torch.arange(20).numpy(), check)
    before = spent_flops(inputs)
    inputs[torch.arange(10)]
    assert spent_flops(inputs) == before > 0
