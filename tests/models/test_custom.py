from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gradtag_core.errors import InvalidInput
from gradtag_core.gradients.features import Featurizer
from gradtag_core.gradients.projection import make_projection
from gradtag_core.models.custom import own_model
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.models.mlp import MLP
from gradtag_core.models.multitask import MultitaskModel
from gradtag_core.tasks.arrays import suite_of
from gradtag_core.training.trainer import Recipe, Trainer

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=2, learning_rate=0.01, batch_size=16, weighting="rows")


def perceptron(n_outputs):
    """What the built-in `mlp` of width 8 is on six features."""
    return MultitaskModel(MLP((6,), 8), 8, [1] * n_outputs)


def features_of(suite, architecture, parameters="all"):
    base = Trainer(suite, architecture, CPU).fit(range(suite.n_tasks), RECIPE, seed=3)
    featurizer = Featurizer(suite, base, make_projection("factored", 12, 0), CPU, parameters=parameters)
    rows = suite.rows("train")
    featurizer.fit(rows, 0)
    return featurizer.featurize(rows)


class Residual(nn.Module):
    """With all that differs between training and evaluation."""

    def __init__(self, n_outputs):
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.inner = nn.Sequential(nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 8))
        self.head = nn.Linear(8, n_outputs)

    def forward(self, inputs):
        hidden = self.first(inputs)
        return self.head(hidden + self.inner(hidden))


def test_the_built_in_perceptron_as_an_own_model_gives_its_numbers(small_suite):
    own = own_model(perceptron, "mlp-1", small_suite)
    built_in = EncoderArchitecture.of("mlp", small_suite, 8)
    first, second = (Trainer(small_suite, each, CPU) for each in (own, built_in))
    for tasks in ([0, 1, 2, 3], [2, 0]):
        mine, theirs = (trainer.fit(tasks, RECIPE, seed=5) for trainer in (first, second))
        np.testing.assert_allclose(
            first.score(mine, tasks, "validation"), second.score(theirs, tasks, "validation"), atol=1e-6
        )
    mine, theirs = features_of(small_suite, own), features_of(small_suite, built_in)
    torch.testing.assert_close(mine.logits, theirs.logits)
    assert mine.gradient_energy == pytest.approx(theirs.gradient_energy, rel=1e-5)
    assert mine.cost.flops == theirs.cost.flops
    assert mine.warnings == ()
    for projection in ("pca", "gaussian", "sjlt", "factored", "identity"):
        assert own.featurize_flops(9, 30, 4, projection) == built_in.featurize_flops(9, 30, 4, projection)
    assert own.kernel_flops(5, 6) == built_in.kernel_flops(5, 6)
    assert own.width == built_in.width == 8


def test_the_outputs_of_some_tasks_are_columns_of_all_of_them(small_suite):
    kinds = ("multiclass", "binary", "multiclass", "regression")
    labels = small_suite.labels.astype(float)
    labels[::3, 0] = 2
    labels[:, 3] = small_suite.inputs[:, 0]
    suite = suite_of(small_suite.inputs, labels, kinds=kinds, split_rule=small_suite.split_rule)
    model = own_model(Residual, "residual-1", suite)
    assert model.outputs == (3, 1, 2, 1)
    network, inputs = model.build(0).eval(), torch.from_numpy(suite.inputs[:5])
    everything = network(inputs)
    torch.testing.assert_close(network(inputs, [2, 0]), everything[:, [4, 5, 0, 1, 2]])
    assert torch.equal(network(inputs, [3]), everything[:, 6:])


def test_a_last_batch_of_one_row_uses_the_running_statistics(small_suite):
    model = own_model(Residual, "residual-1", small_suite)
    network, row = model.build(0).train(), torch.from_numpy(small_suite.inputs[:1])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    in_training = network(row)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(layer.training for layer in network.modules())
    torch.testing.assert_close(in_training, network.eval()(row))
    n_examples = len(small_suite.subset("train", [0, 1]).examples)
    recipe = replace(RECIPE, batch_size=n_examples - 1)
    weights = Trainer(small_suite, model, CPU).fit([0, 1], recipe, seed=0).weights
    assert weights["module.inner.0.num_batches_tracked"] == recipe.epochs
    assert all(value.isfinite().all() for value in weights.values())


def test_backbone_leaves_out_a_head_that_is_called_so(small_suite):
    model = own_model(Residual, "residual-1", small_suite)
    parameters = dict(model.build(0).named_parameters())
    assert {name for name in parameters if name.startswith("head.")} == {"head.weight", "head.bias"}
    assert len(parameters) == len(list(Residual(4).parameters()))
    energy = [
        features_of(small_suite, model, parameters=choice).gradient_energy for choice in ("all", "backbone")
    ]
    assert 0 < energy[1] < energy[0]
    with pytest.raises(InvalidInput, match="needs a model with a submodule `head`"):
        features_of(
            small_suite, own_model(lambda n: nn.Linear(6, n), "linear-1", small_suite), parameters="backbone"
        )


def test_frozen_parameters_stay_as_they_are_built(small_suite):
    def build(n_outputs):
        frozen = nn.Linear(6, 16).requires_grad_(False)
        return nn.Sequential(frozen, nn.Tanh(), nn.Linear(16, n_outputs))

    model = own_model(build, "random-features-1", small_suite)
    base = Trainer(small_suite, model, CPU).fit([0, 1, 2, 3], RECIPE, seed=7)
    assert set(base.weights) == {"module.2.weight", "module.2.bias"}
    trained, fresh = base.build(CPU).state_dict(), model.build(7).state_dict()
    assert torch.equal(trained["module.0.weight"], fresh["module.0.weight"])
    assert not torch.equal(trained["module.2.weight"], fresh["module.2.weight"])


def test_dropout_without_a_layer_of_its_own_is_seeded_too(small_suite):
    class Hidden(nn.Linear):
        def forward(self, inputs):
            return nn.functional.dropout(super().forward(inputs), 0.5, self.training)

    model = own_model(lambda n: Hidden(6, n), "hidden-1", small_suite)
    trainer, found = Trainer(small_suite, model, CPU), []
    for seed in (1, 1, 2):
        torch.rand(7)
        found.append(trainer.fit([0, 1], RECIPE, seed=seed).weights["module.weight"])
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


class Tokens(nn.Module):
    def __init__(self, n_outputs):
        super().__init__()
        self.embedding = nn.Embedding(50, 6)
        self.convolution = nn.Conv1d(6, 8, 3, padding=1)
        self.head = nn.Linear(8, n_outputs)

    def forward(self, ids):
        hidden = self.convolution(self.embedding(ids).transpose(1, 2))
        return self.head(hidden.relu().amax(2))


@pytest.fixture
def text_suite(small_suite):
    texts = [f"example {number}" for number in range(small_suite.n_examples)]
    return suite_of(texts, small_suite.labels, name="texts", split_rule=small_suite.split_rule)


def test_a_model_reads_integers_and_its_gradients_are_those_of_torch(text_suite):
    ids = torch.randint(50, (120, 7), generator=torch.Generator().manual_seed(0))
    model = own_model(Tokens, "tokens-1", text_suite, inputs=ids)
    assert model.forward_flops(4) == 2 * (7 * 18 * 8 + 8 * 4)
    features = features_of(text_suite, model)
    assert features.warnings == ()
    base = Trainer(text_suite, model, CPU).fit(range(4), RECIPE, seed=3)
    network, squares = base.build(CPU), []
    for example, task in zip(features.rows.example, features.rows.task, strict=True):
        output = network(ids[[example]])[0, task]
        gradients = torch.autograd.grad(output, list(network.parameters()))
        squares.append(sum(float(gradient.square().sum()) for gradient in gradients))
    assert features.gradient_energy == pytest.approx(np.mean(squares), rel=1e-4)


class Lazy:
    """Makes its tensors only when they are asked for."""

    def __init__(self, table):
        self.table = table
        self.asked = 0

    def __getitem__(self, examples):
        self.asked += len(examples)
        return self.table[examples]


def test_inputs_may_be_anything_that_a_tensor_indexes(small_suite):
    table = torch.from_numpy(small_suite.inputs)
    lazy = Lazy(table)
    models = [
        own_model(perceptron, "mlp-1", small_suite, inputs=inputs)
        for inputs in (lazy, table, small_suite.inputs.astype(np.float64), None)
    ]
    found = [features_of(small_suite, model).logits for model in models]
    assert lazy.asked > small_suite.n_examples / 2
    assert all(torch.equal(each, found[0]) for each in found)


def test_the_key_changes_with_the_name_the_parameters_and_the_inputs(small_suite):
    def key(build=perceptron, name="mlp-1", inputs=None):
        return str(own_model(build, name, small_suite, inputs=inputs).to_json())

    table = torch.from_numpy(small_suite.inputs)
    assert key() == key()

    def partly_frozen(n_outputs):
        model = perceptron(n_outputs)
        model.encoder.requires_grad_(False)
        return model

    others = [
        key(),
        key(name="mlp-2"),
        key(lambda n: MultitaskModel(MLP((6,), 9), 9, [1] * n)),
        key(partly_frozen),
        key(inputs=table),
        key(inputs=table + 1),
        key(inputs=Lazy(table)),
        key(inputs=Lazy(table + (torch.arange(len(table)) > 50)[:, None])),
    ]
    assert len(set(others)) == len(others)


def test_what_stands_in_for_it(small_suite, text_suite):
    table = torch.from_numpy(small_suite.inputs)
    built_in = EncoderArchitecture.of("mlp", small_suite, 16)
    perceptron_ = own_model(Residual, "residual-1", small_suite).small(16)
    assert perceptron_.stackable and perceptron_.to_json() == built_in.to_json()
    on_own = own_model(Residual, "residual-1", text_suite, inputs=table)
    assert on_own.small(16).stackable and on_own.small(16).inputs_of(text_suite) is on_own.own_inputs
    assert on_own.small(16).to_json() != built_in.to_json()
    # A perceptron's step size is a perceptron's, whatever the model's own.
    assert on_own.small_learning_rate(1e-5, 16) == pytest.approx(0.006)

    ids = torch.zeros(120, 7, dtype=torch.long)
    with pytest.raises(InvalidInput, match=r"`proxies_per_task` must be 0 .*`tokens-1`.*Give `small`"):
        own_model(Tokens, "tokens-1", text_suite, inputs=ids).small(16)
    with pytest.raises(InvalidInput, match="`proxies_per_task` must be 0"):
        own_model(Residual, "residual-1", small_suite, inputs=Lazy(table)).small(16)

    def small(n_outputs, width):
        return nn.Sequential(nn.Embedding(50, width), nn.Flatten(), nn.Linear(7 * width, n_outputs))

    given = own_model(Tokens, "tokens-1", text_suite, inputs=ids, width=64, small=small)
    assert given.small(4).forward_flops(4) == 2 * 28 * 4
    assert given.small_learning_rate(0.001, 16) == pytest.approx(0.002)
    assert given.small(4).to_json() != given.small(5).to_json()


class TooFew:
    def __getitem__(self, examples):
        return torch.zeros(2, 6)


def test_what_does_not_fit_is_told(small_suite, text_suite):
    table = torch.from_numpy(small_suite.inputs)
    with pytest.raises(InvalidInput, match=r"`inputs` must be given.*`texts` are texts"):
        own_model(perceptron, "mlp-1", text_suite)
    with pytest.raises(InvalidInput, match=r"`inputs` must have one entry for each of the 120.*found 100"):
        own_model(perceptron, "mlp-1", small_suite, inputs=table[:100])
    with pytest.raises(InvalidInput, match=r"`inputs` must be indexable .* found int"):
        own_model(perceptron, "mlp-1", small_suite, inputs=3)
    with pytest.raises(InvalidInput, match=r"`inputs` must give a tensor.* 3 examples; found ndarray"):
        own_model(perceptron, "mlp-1", small_suite, inputs=Lazy(small_suite.inputs))
    with pytest.raises(InvalidInput, match=r"found Tensor of shape \(2, 6\)"):
        own_model(perceptron, "mlp-1", small_suite, inputs=TooFew())
    for name in ("", "two\nlines", "x" * 101):
        with pytest.raises(InvalidInput, match="`name` must have 1 to 100"):
            own_model(perceptron, name, small_suite)
    model = own_model(perceptron, "mlp-1", small_suite)
    with pytest.raises(InvalidInput, match=r"`model` must be made for the tasks of the suite.* 4 outputs"):
        model.inputs_of(small_suite.select(2))


def test_large_examples_pass_few_at_a_time():
    images = np.zeros((12, 3, 256, 256), np.float32)
    suite = suite_of(images, np.tile([[0, 1], [1, 0]], (6, 1)))

    def build(n_outputs):
        return nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, n_outputs)
        )  # fmt: skip

    model = own_model(build, "wide-1", suite)
    assert 1 <= model.examples_at_once == model.scored_at_once < 32
