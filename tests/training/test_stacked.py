from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradtag_core.config import METRICS
from gradtag_core.errors import Cancelled, InvalidInput
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.progress import Reporter
from gradtag_core.tasks.suite import SplitRule, TaskSuite
from gradtag_core.training import stacked
from gradtag_core.training.stacked import fit_many, score_many
from gradtag_core.training.trainer import Recipe, Trainer

RECIPE = Recipe(epochs=3, learning_rate=0.01, batch_size=16, weighting="rows")
ROUNDING = 1e-3  # a tenth of one step: Adam makes a whole step of a gradient's sign, so rounding grows fast
WORK = [((0, 2), 1), ((1, 3), 2), ((3, 0), 1), ((2,), 3), ((0, 1, 2, 3), 1), ((1, 2), 1), ((0, 2), 2)]


def uneven_suite(input_shape: tuple[int, ...]) -> TaskSuite:
    """Four tasks labelled on 40 to 200 examples, so that their trainings end at different steps."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(200, *input_shape)).astype(np.float32)
    labels = (generator.random((200, 4)) < 0.4).astype(np.int8)
    for task, labelled in enumerate((40, 90, 150, 200)):
        labels[labelled:, task] = -1
    return TaskSuite(
        "uneven", ("a", "b", "c", "d"), inputs, labels, generator.permutation(200), SplitRule(0.4, 0.3)
    )


SUITES = {"mlp": uneven_suite((6,)), "sign": uneven_suite((3, 6))}


@pytest.fixture(params=("mlp", "sign"))
def trainer(request):
    suite = SUITES[request.param]
    return Trainer(
        suite, EncoderArchitecture(request.param, suite.inputs.shape[1:], 8, 4), torch.device("cpu")
    )


def fit_all(trainer, work=WORK, recipe=RECIPE, **options):
    found = {}
    for stack in fit_many(trainer, work, recipe, **options):
        assert not found.keys() & stack.keys()
        found |= stack
    assert sorted(found) == list(range(len(work)))
    return [found[position] for position in range(len(work))]


def largest_difference(model, other):
    assert model.weights.keys() == other.weights.keys()
    return max(float((model.weights[name] - other.weights[name]).abs().max()) for name in model.weights)


@pytest.mark.parametrize("weighting", ["rows", "tasks"])
@pytest.mark.parametrize("stack_size", [None, 1, 2])
def test_equals_training_one_by_one(trainer, weighting, stack_size):
    """The trainings of one stack have 6 to 27 steps and last batches of many sizes: each must stop at its own end."""
    recipe = replace(RECIPE, weighting=weighting)
    found = fit_all(trainer, recipe=recipe, stack_size=stack_size)
    for (tasks, seed), model in zip(WORK, found, strict=True):
        alone = trainer.fit(tasks, recipe, seed)
        assert model.seed == seed
        assert model.cost.flops == alone.cost.flops
        assert largest_difference(model, alone) < ROUNDING, tasks


def test_one_step_equals_that_of_one_model_tightly(trainer):
    recipe = replace(RECIPE, epochs=1, batch_size=1000)
    for (tasks, seed), model in zip(WORK, fit_all(trainer, recipe=recipe), strict=True):
        assert largest_difference(model, trainer.fit(tasks, recipe, seed)) < 1e-6


def test_a_longer_training_scores_the_same(trainer):
    recipe = replace(RECIPE, epochs=10)
    subsets = [tasks for tasks, _ in WORK]
    found = score_many(trainer, fit_all(trainer, recipe=recipe), subsets, "test")
    for (tasks, seed), scores in zip(WORK, found, strict=True):
        alone = trainer.score(trainer.fit(tasks, recipe, seed), tasks, "test")
        np.testing.assert_allclose(scores, alone, atol=1e-3)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_scores_of_the_same_models_equal_those_of_one_by_one(trainer, split, monkeypatch):
    monkeypatch.setattr(stacked, "SCORED_ROWS", 7)  # several passes, the last one shorter
    models = [trainer.fit(tasks, RECIPE, seed) for tasks, seed in WORK]
    found = score_many(trainer, models, [tasks for tasks, _ in WORK], split)
    for (tasks, _), model, scores in zip(WORK, models, found, strict=True):
        assert scores.shape == (len(tasks), len(METRICS))
        np.testing.assert_allclose(scores, trainer.score(model, tasks, split), atol=1e-6)


@settings(max_examples=15, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    work=st.lists(
        st.tuples(
            st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True), st.integers(0, 3)
        ),
        min_size=1, max_size=6,
    ),
    batch_size=st.integers(1, 60), stack_size=st.integers(1, 4),
)  # fmt: skip
def test_any_work_equals_training_one_by_one(work, batch_size, stack_size):
    suite = SUITES["mlp"]
    trainer = Trainer(suite, EncoderArchitecture("mlp", (6,), 3, 4), torch.device("cpu"))
    recipe = Recipe(1, 0.01, batch_size, "rows")
    for (tasks, seed), model in zip(work, fit_all(trainer, work, recipe, stack_size=stack_size), strict=True):
        assert largest_difference(model, trainer.fit(tasks, recipe, seed)) < ROUNDING


def test_stack_sizes_change_rounding_only(trainer):
    one, other = fit_all(trainer, stack_size=1), fit_all(trainer, stack_size=3)
    assert max(map(largest_difference, one, other)) < ROUNDING


def test_the_same_work_gives_the_same_numbers(trainer):
    for one, other in zip(fit_all(trainer), fit_all(trainer), strict=True):
        assert largest_difference(one, other) == 0


@pytest.mark.parametrize("stack_size", [None, 2])
def test_every_training_is_reported_as_it_advances(trainer, stack_size):
    steps = []
    fit_all(trainer, stack_size=stack_size, advance=steps.append)
    assert sum(steps) == pytest.approx(len(WORK))
    assert 0 < min(steps) <= max(steps) < 1


def test_heads_of_other_tasks_stay_as_they_were(trainer):
    fresh = trainer.architecture.build(5).head.weight
    (model,) = fit_all(trainer, [((2, 0), 5)])
    assert torch.equal(model.weights["head.weight"][[1, 3]], fresh[[1, 3]])
    assert not torch.equal(model.weights["head.weight"][[0, 2]], fresh[[0, 2]])


def test_models_share_no_memory_and_leave_the_global_generator_alone(trainer):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first, second = fit_all(trainer, [((0, 1), 1), ((0, 1), 1)])
    assert torch.equal(torch.rand(2), expected)
    pointers = [tensor.data_ptr() for model in (first, second) for tensor in model.weights.values()]
    assert len(set(pointers)) == len(pointers)
    assert all(tensor.is_contiguous() and not tensor.requires_grad for tensor in first.weights.values())


def test_seconds_are_shared_by_the_work_done(trainer):
    first, second = fit_all(trainer, [((0, 1), 1), ((2, 3), 1)], stack_size=2)
    assert first.cost.seconds / second.cost.seconds == pytest.approx(first.cost.flops / second.cost.flops)
    assert first.cost.seconds > 0


def test_the_stack_size_follows_the_byte_budget(trainer, monkeypatch):
    assert (
        len(next(iter(fit_many(trainer, [((0, 1), seed) for seed in range(20)], RECIPE))))
        == stacked.LARGEST_STACK
    )
    monkeypatch.setattr(stacked, "STACK_BYTES", 1)
    assert len(next(iter(fit_many(trainer, WORK, RECIPE)))) == 1


class CancelsLater(Reporter):
    """Asks to stop at a given check."""

    def __init__(self, checks: int):
        self._stop = Event()
        super().__init__(cancel=self._stop)
        self._left = checks

    def check(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._stop.set()
        super().check()


def test_cancelling_stops_between_steps_and_keeps_the_stacks_that_ended(trainer, monkeypatch):
    taken = count_steps(monkeypatch)
    per_training = RECIPE.epochs * -(
        -len(trainer.suite.subset("train", (0, 1)).examples) // RECIPE.batch_size
    )
    reporter = CancelsLater(2 * per_training + 3)
    kept = 0
    with pytest.raises(Cancelled):
        for stack in fit_many(trainer, [((0, 1), seed) for seed in range(9)], RECIPE, reporter, stack_size=1):
            kept += len(stack)
    assert kept == 2
    assert len(taken) == 2 * per_training + 2


def test_leaving_early_stops_the_rest(trainer, monkeypatch):
    taken = count_steps(monkeypatch)
    found = fit_many(trainer, [((0, 1), seed) for seed in range(200)], RECIPE, stack_size=1)
    next(iter(found))
    found.close()
    assert len(taken) < 200 * RECIPE.epochs


def count_steps(monkeypatch):
    taken = []
    step = stacked._step
    monkeypatch.setattr(stacked, "_step", lambda *args: (taken.append(1), step(*args))[1])
    return taken


def test_no_work_is_no_stack(trainer):
    assert list(fit_many(trainer, [], RECIPE)) == []
    assert score_many(trainer, [], [], "test") == []


def test_bad_input_is_named(trainer):
    with pytest.raises(InvalidInput, match="`stack_size` must be at least 1"):
        list(fit_many(trainer, WORK, RECIPE, stack_size=0))
    with pytest.raises(InvalidInput, match="`tasks` must be one or more different indices below 4"):
        list(fit_many(trainer, [((0, 4), 1)], RECIPE))
    with pytest.raises(InvalidInput, match="`subsets` must name the tasks of each model; found 1 for 0"):
        score_many(trainer, [], [(0,)], "test")
