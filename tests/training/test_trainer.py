import numpy as np
import pytest
import torch

from gradtag_core.errors import Cancelled
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.progress import Reporter
from gradtag_core.training.trainer import Recipe, Trainer, entry_weights

RECIPE = Recipe(epochs=3, learning_rate=0.01, batch_size=16, weighting="rows")


@pytest.fixture
def trainer(small_suite):
    architecture = EncoderArchitecture("mlp", small_suite.inputs.shape[1:], 8, small_suite.n_tasks)
    return Trainer(small_suite, architecture, torch.device("cpu"))


def test_the_same_seed_gives_the_same_model_and_another_seed_another(trainer):
    first, again, other = (trainer.fit([0, 2], RECIPE, seed) for seed in (1, 1, 2))
    for name, tensor in first.weights.items():
        assert torch.equal(tensor, again.weights[name])
    assert any(not torch.equal(tensor, other.weights[name]) for name, tensor in first.weights.items())


def test_training_leaves_the_global_generator_alone(trainer):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    trainer.fit([0, 1], RECIPE, seed=0)
    assert torch.equal(torch.rand(2), expected)


def test_the_heads_of_other_tasks_are_not_touched(trainer):
    fresh = trainer.architecture.build(5).head.weight
    trained = trainer.fit([0, 2], RECIPE, seed=5).weights["head.weight"]
    assert torch.equal(trained[[1, 3]], fresh[[1, 3]])
    assert not torch.equal(trained[[0, 2]], fresh[[0, 2]])


def test_one_full_batch_step_follows_the_mean_loss_over_rows(trainer, small_suite):
    """Against a plain loop over (example, task) rows: the loss that the regressions minimise too."""
    tasks = [1, 3]
    model = trainer.architecture.build(0)
    rows = small_suite.rows("train", tasks)
    inputs = torch.from_numpy(small_suite.inputs[rows.example])
    logits = model(inputs)[torch.arange(len(rows)), torch.from_numpy(rows.task)]
    labels = torch.from_numpy(rows.label)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)

    data = small_suite.subset("train", tasks)
    weights = torch.from_numpy(entry_weights(data.mask, "rows"))
    outputs = model(torch.from_numpy(small_suite.inputs[data.examples]), tasks)
    found = torch.nn.functional.binary_cross_entropy_with_logits(
        outputs, torch.from_numpy(data.labels), weight=weights, reduction="sum"
    )
    torch.testing.assert_close(found, expected)


def test_a_short_last_batch_counts_its_rows_as_the_others_do(trainer, small_suite):
    """Against the same steps by hand: the mean loss of each batch, times its share of the rows it should have."""
    tasks, recipe = [0], Recipe(epochs=2, learning_rate=0.01, batch_size=25, weighting="rows")
    data = small_suite.subset("train", tasks)
    assert len(data.examples) % recipe.batch_size
    inputs, labels = torch.from_numpy(small_suite.inputs[data.examples]), torch.from_numpy(data.labels)
    model = trainer.architecture.build(4)
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate)
    generator = torch.Generator().manual_seed(4)
    for _ in range(recipe.epochs):
        for batch in torch.randperm(len(inputs), generator=generator).split(recipe.batch_size):
            optimiser.zero_grad()
            logits = model(inputs[batch], tasks)
            torch.nn.functional.binary_cross_entropy_with_logits(logits, labels[batch]).backward()
            optimiser.step()
    found = trainer.fit(tasks, recipe, seed=4).weights
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-5)


def test_task_weighting_counts_every_task_the_same():
    mask = np.array([[True, True], [True, False], [True, False]])
    weights = entry_weights(mask, "tasks")
    np.testing.assert_allclose(weights.sum(0), [0.5, 0.5])
    np.testing.assert_allclose(entry_weights(mask, "rows")[mask], 0.25)
    assert (weights[~mask] == 0).all()


def test_scores_do_not_depend_on_which_tasks_are_scored_together(trainer):
    model = trainer.fit([0, 1, 2, 3], RECIPE, seed=0)
    together = trainer.score(model, [0, 1, 2, 3], "validation")
    alone = np.concatenate([trainer.score(model, [task], "validation") for task in range(4)])
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_training_learns(trainer):
    before = trainer.score(trainer.fit([0, 1], Recipe(1, 1e-9, 16, "rows"), seed=0), [0, 1], "test")
    after = trainer.score(trainer.fit([0, 1], Recipe(30, 0.01, 16, "rows"), seed=0), [0, 1], "test")
    assert (after[:, 4] > before[:, 4] + 0.1).all()


def test_cancelling_stops_between_epochs(trainer):
    from threading import Event

    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        trainer.fit([0], RECIPE, seed=0, reporter=Reporter(cancel=stop))


def test_flops_are_those_of_the_examples_seen(trainer, small_suite):
    cost = trainer.fit([0, 1], RECIPE, seed=0).cost
    n_examples = len(small_suite.subset("train", [0, 1]).examples)
    assert cost.flops == RECIPE.epochs * n_examples * trainer.architecture.step_flops(2)
