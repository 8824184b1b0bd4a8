from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from gradtag_core.config import ProjectionKind
from gradtag_core.errors import GradTagError, InvalidInput
from gradtag_core.gradients import features as module
from gradtag_core.gradients import memory
from gradtag_core.gradients.features import Featurizer, GradientFeatures
from gradtag_core.gradients.projection import make_projection
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.tasks.suite import Rows, SplitRule, TaskSuite
from gradtag_core.training.trainer import Recipe, Trainer
from tests.gradients.plain_loop import N_TASKS, loop_gradients, multitask
from tests.mixed_suites import mixed_suite

CPU = torch.device("cpu")
KINDS: tuple[ProjectionKind, ...] = get_args(ProjectionKind)


@pytest.fixture
def base(small_suite):
    architecture = EncoderArchitecture("mlp", small_suite.inputs.shape[1:], 8, small_suite.n_tasks)
    return Trainer(small_suite, architecture, CPU).fit(
        range(small_suite.n_tasks), Recipe(2, 0.01, 16, "rows"), 0
    )


def featurize(suite, base, rows, kind: ProjectionKind = "pca", dim=12, **options):
    featurizer = Featurizer(suite, base, make_projection(kind, dim, seed=0), CPU, **options)
    featurizer.fit(suite.rows("train"), seed=0)
    return featurizer.featurize(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_the_batch_size_does_not_matter(small_suite, base, kind, monkeypatch):
    rows = small_suite.rows("train")
    whole = featurize(small_suite, base, rows, kind)
    monkeypatch.setattr(EncoderArchitecture, "examples_at_once", 3)
    parts = featurize(small_suite, base, rows, kind)
    torch.testing.assert_close(parts.projected, whole.projected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(parts.logits, whole.logits)
    assert parts.gradient_energy == pytest.approx(whole.gradient_energy)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_rows_only_permutes(small_suite, base, kind):
    rows = small_suite.rows("validation")
    order = np.random.default_rng(0).permutation(len(rows))
    shuffled = Rows(rows.example[order], rows.task[order], rows.label[order])
    expected = featurize(small_suite, base, rows, kind)
    found = featurize(small_suite, base, shuffled, kind)
    torch.testing.assert_close(
        found.projected, expected.projected[torch.from_numpy(order)], rtol=1e-5, atol=1e-5
    )


@pytest.fixture
def small_runtime(monkeypatch):
    """Budgets of a few megabytes make sense for a suite of a few kilobytes only without the libraries."""
    monkeypatch.setattr(memory, "RUNTIME_BYTES", 0)


def least_budget(suite, base, rows, kind):
    with pytest.raises(InvalidInput, match="`memory`") as error:
        featurize(suite, base, rows, kind, memory_budget=1)
    return int(str(error.value).split("at least ")[1].split(" ")[0].replace(",", ""))


@pytest.mark.parametrize("kind", KINDS)
def test_features_in_a_file_equal_those_in_memory_bit_for_bit(small_suite, base, kind, tmp_path, monkeypatch):
    rows = small_suite.rows("train")
    expected = featurize(small_suite, base, rows, kind)
    limits = memory.MemoryPlan(feature_bytes=100)
    monkeypatch.setattr(memory.MemoryPlan, "of", lambda *arguments: limits)
    in_file = []

    class SeenTable(memory.Table):
        def __init__(self, shape, is_in_file, folder):
            in_file.append((is_in_file, folder))
            super().__init__(shape, is_in_file, folder)

    monkeypatch.setattr(module, "Table", SeenTable)
    found = featurize(small_suite, base, rows, kind, folder=tmp_path)
    assert in_file == [(True, tmp_path)]
    assert torch.equal(found.projected, expected.projected)
    assert found.captured_energy == expected.captured_energy
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_the_least_memory_gives_the_same_features(small_suite, base, kind, tmp_path, small_runtime):
    rows = small_suite.rows("train")
    least = least_budget(small_suite, base, rows, kind)
    expected = featurize(small_suite, base, rows, kind).projected
    found = featurize(small_suite, base, rows, kind, memory_budget=least, folder=tmp_path).projected
    if kind == "pca":  # fitted in batches: directions may turn round
        expected, found = expected.abs(), found.abs()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_a_budget_below_the_least_is_refused(small_suite, base, small_runtime):
    rows = small_suite.rows("train")
    least = least_budget(small_suite, base, rows, "gaussian")
    with pytest.raises(InvalidInput, match=r"`memory`.*proj_dim"):
        featurize(small_suite, base, rows, "gaussian", memory_budget=least - 1)


def test_the_kernel_is_that_of_the_written_out_gradients(small_suite, base, monkeypatch, tmp_path):
    rows, others = small_suite.rows("train"), small_suite.rows("validation")
    left, right = (featurize(small_suite, base, part, "identity").projected for part in (rows, others))
    assert left.shape[1] == base.architecture.n_parameters
    monkeypatch.setattr(EncoderArchitecture, "examples_at_once", 7)
    featurizer = Featurizer(small_suite, base, make_projection("identity", 1, 0), CPU, folder=tmp_path)
    kernel, cost = featurizer.kernel(rows, others)
    torch.testing.assert_close(kernel, left @ right.T, rtol=1e-4, atol=1e-4)
    assert cost.flops > 0


def test_parameters_can_be_chosen(small_suite, base):
    rows = small_suite.rows("train")
    whole = featurize(small_suite, base, rows, "identity").projected
    backbone = featurize(small_suite, base, rows, "identity", parameters="backbone").projected
    n_head = sum(value.numel() for name, value in base.weights.items() if name.startswith("head."))
    torch.testing.assert_close(backbone, whole[:, :-n_head])


def test_layers_that_hooks_cannot_take_apart_are_named_in_a_warning(small_suite, base, monkeypatch):
    rows = small_suite.rows("train")
    expected = featurize(small_suite, base, rows, "identity")
    assert expected.warnings == ()

    class Odd(torch.nn.Linear):
        """Linear, but of a kind that is not known."""

    model = base.build(CPU)
    plain = model.encoder.layers[0]
    odd = Odd(plain.in_features, plain.out_features)
    odd.load_state_dict(plain.state_dict())
    model.encoder.layers[0] = odd
    monkeypatch.setattr(type(base), "build", lambda *arguments: model)
    found = featurize(small_suite, base, rows, "identity")
    assert len(found.warnings) == 1
    assert "`encoder.layers.0`" in found.warnings[0]
    torch.testing.assert_close(found.projected, expected.projected, rtol=1e-4, atol=1e-5)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 12))
def test_batches_hold_every_row_once_and_whole_examples(examples, most_examples, most_rows):
    example = torch.tensor(examples)
    batches = list(module._batches(example, most_examples, most_rows))
    assert sorted(torch.cat(batches).tolist()) == list(range(len(examples)))
    for batch in batches:
        _, sizes = torch.unique_consecutive(example[batch], return_counts=True)
        assert len(sizes) <= most_examples
        assert len(sizes) * int(sizes.max()) <= most_rows or len(sizes) == 1
    found = [set(example[batch].tolist()) for batch in batches]
    assert sum(map(len, found)) == len(set(examples))


def test_logits_are_the_models(small_suite, base):
    rows = small_suite.rows("validation")
    found = featurize(small_suite, base, rows)
    logits = base.build(CPU)(torch.from_numpy(small_suite.inputs)).detach()
    torch.testing.assert_close(found.logits, logits[rows.example, rows.task])


def test_principal_directions_capture_at_most_everything_and_random_ones_that_on_average(small_suite, base):
    rows = small_suite.rows("train")
    few, many = (featurize(small_suite, base, rows, "pca", dim).captured_energy for dim in (3, 40))
    assert 0 < few < many <= 1 + 1e-4
    assert featurize(small_suite, base, rows, "gaussian", 4000).captured_energy == pytest.approx(1, abs=0.05)


def test_a_diverged_base_model_is_named(small_suite, base):
    base.weights["head.weight"][0, 0] = float("nan")
    with pytest.raises(GradTagError, match=r"seed 0.*learning_rate"):
        featurize(small_suite, base, small_suite.rows("train"), "gaussian")


@pytest.mark.parametrize("kind", KINDS)
def test_flops_close_to_the_forecast(small_suite, base, kind):
    """The forecast does not know how rows pile up on examples, nor how many coordinates a sketch takes per layer."""
    rows = small_suite.rows("train")
    featurizer = Featurizer(small_suite, base, make_projection(kind, 12, 0), CPU)
    counted = featurizer.fit(rows, 0).flops + featurizer.featurize(rows).cost.flops
    n_examples = len(np.unique(rows.example))
    predicted = base.architecture.featurize_flops(n_examples, len(rows), 12, kind)
    assert 0.4 < counted / predicted < 2.5


def test_flops_of_the_kernel_close_to_the_forecast(small_suite, base):
    rows = small_suite.rows("train")
    counted = (
        Featurizer(small_suite, base, make_projection("factored", 1, 0), CPU).kernel(rows, rows)[1].flops
    )
    architecture = base.architecture
    passes = architecture.featurize_flops(1, len(rows), 1, "identity")
    assert 0.5 < counted / (passes + architecture.kernel_flops(len(rows), len(rows))) < 2


class TiedWords(nn.Module):
    """Words of an example, and what a linear map with the same weights makes of their mean."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(30, 8)
        self.scores = nn.Linear(8, 30)
        self.scores.weight = self.words.weight
        self.back = nn.Linear(30, 8)

    def forward(self, inputs):
        found = self.words(inputs.long()).mean(1)
        return torch.tanh(found + self.back(torch.tanh(self.scores(found))))


@pytest.mark.parametrize("kind", KINDS)
def test_features_of_tied_weights_are_those_of_the_plain_loop(base, kind, monkeypatch):
    """Projections share what layers read among the rows of an example; most examples have three here."""
    generator = np.random.default_rng(0)
    words = generator.integers(30, size=(40, 3)).astype(np.float32)
    labels = generator.integers(2, size=(40, N_TASKS)).astype(np.int8)
    suite = TaskSuite("words", ("a", "b", "c"), words, labels, generator.permutation(40), SplitRule(0.5, 0.3))
    model = multitask(TiedWords(), 8, dtype=torch.float32)
    monkeypatch.setattr(type(base), "build", lambda *arguments: model)
    rows = suite.rows("train")
    assert len(rows) > 2 * len(np.unique(rows.example))
    expected = loop_gradients(model, torch.from_numpy(words[rows.example]), torch.from_numpy(rows.task))

    featurizer = Featurizer(suite, base, make_projection(kind, 120, seed=0), CPU)
    featurizer.fit(rows, seed=0)
    found = featurizer.featurize(rows)
    matrix = featurizer.projection.lift(torch.eye(featurizer.projection.dim)).T
    torch.testing.assert_close(found.projected, expected @ matrix, rtol=1e-3, atol=1e-4)
    assert found.gradient_energy == pytest.approx(float(expected.square().sum(1).mean()), rel=1e-4)
    kernel = featurizer.kernel(rows, rows)[0]
    torch.testing.assert_close(kernel, expected @ expected.T, rtol=1e-3, atol=1e-4)
    if kind in ("pca", "identity"):  # as many dimensions as rows leave nothing out
        torch.testing.assert_close(found.projected @ found.projected.T, kernel, rtol=1e-3, atol=1e-3)


@pytest.fixture
def mixed():
    """A suite with tasks of every kind, and a base model."""
    suite = mixed_suite(unlabelled=0.1)
    architecture = EncoderArchitecture.of("mlp", suite, 8)
    return suite, Trainer(suite, architecture, CPU).fit(range(4), Recipe(2, 0.01, 16, "rows"), 0)


def entries_of(features):
    """The example and the column of each entry, written out."""
    starts = np.cumsum([0, *features.outputs])
    return [
        (int(example), int(starts[task]) + place)
        for example, task in zip(features.rows.example, features.rows.task, strict=True)
        for place in range(features.outputs[task])
    ]


@pytest.mark.parametrize("kind", ["identity", "gaussian", "pca"])
def test_each_output_of_a_row_has_a_gradient(mixed, kind):
    suite, base = mixed
    rows = suite.rows("train")
    found = featurize(suite, base, rows, kind, 20)
    assert (found.kinds, found.outputs) == (suite.kinds, (1, 3, 1, 1))
    example, column = map(torch.tensor, zip(*entries_of(found), strict=True))
    model, inputs = base.build(CPU), torch.from_numpy(suite.inputs)
    torch.testing.assert_close(found.logits, model(inputs).detach()[example, column])
    gradients = loop_gradients(model, inputs[example], column)
    assert found.gradient_energy == pytest.approx(float(gradients.square().sum(1).mean()), rel=1e-4)
    featurizer = Featurizer(suite, base, make_projection(kind, 20, seed=0), CPU)
    featurizer.fit(rows, 0)
    matrix = featurizer.projection.lift(torch.eye(featurizer.projection.dim)).T
    torch.testing.assert_close(found.projected, gradients @ matrix, rtol=1e-3, atol=1e-4)
    kernel = featurizer.kernel(rows, suite.rows("validation"))[0]
    others = featurize(suite, base, suite.rows("validation"), "identity").projected
    torch.testing.assert_close(kernel, gradients @ others.T, rtol=1e-3, atol=1e-4)


def test_entries_are_told_by_task_and_by_row(mixed):
    suite, base = mixed
    found = featurize(suite, base, suite.rows("train"))
    task_of_entry = np.repeat(found.rows.task, np.array(found.outputs)[found.rows.task])
    np.testing.assert_array_equal(found.rows.task[found.entry_rows], task_of_entry)
    for task in range(4):
        np.testing.assert_array_equal(
            np.arange(len(found.logits))[found.of_task(task)], np.flatnonzero(task_of_entry == task)
        )
    binary = GradientFeatures(found.rows, found.logits, found.projected, 1.0, found.cost)
    assert [binary.of_task(task) for task in range(4)] == [found.rows.of_task(task) for task in range(4)]
    assert (binary.kind(1), binary.n_outputs(1)) == ("binary", 1)
