"""Every method on tasks of every kind, or the reason why not."""

import numpy as np
import pytest
import torch

from gradtag_core.config import METRICS, Metric
from gradtag_core.errors import InvalidInput
from gradtag_core.methods.joint import JointData, JointTraining, score_network, task_losses
from gradtag_core.methods.mmoe import MMoE
from gradtag_core.methods.protocol import METHODS, MethodResult, Setting, run_method
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.tasks.suite import TaskSuite
from gradtag_core.training.trainer import Recipe
from tests.mixed_suites import mixed_suite

UNDEFINED = [METRICS.index(metric) for metric in ("accuracy", "f1", "average_precision")]


def setting_of(suite: TaskSuite, metric: Metric = "auc") -> Setting:
    recipe = Recipe(epochs=2, learning_rate=0.01, batch_size=24, weighting="rows")
    architecture = EncoderArchitecture.of("mlp", suite, 6)
    return Setting(suite, architecture, recipe, torch.device("cpu"), n_groups=2, seed=3, metric=metric)


@pytest.fixture(scope="module")
def mixed():
    return setting_of(mixed_suite())


@pytest.mark.parametrize("name", [info.name for info in METHODS if not info.needs_graph])
def test_a_method_scores_every_task_by_its_kind(mixed, name):
    result = run_method(name, mixed)
    for values in (result.validation, result.test):
        assert np.isnan(values[2, UNDEFINED]).all()
        assert np.isfinite(np.delete(values, 2, axis=0)).all()
        assert np.isfinite(np.delete(values, UNDEFINED, axis=1)).all()
    restored = MethodResult.from_json(result.to_json())
    np.testing.assert_array_equal(restored.test, result.test)
    assert result.to_json()["test"][2][UNDEFINED[0]] is None


@pytest.mark.parametrize("info", [info for info in METHODS if info.needs_graph], ids=lambda info: info.name)
def test_methods_on_nodes_are_for_binary_tasks(info):
    suite = mixed_suite()
    edges = np.array([[node, node + 1] for node in range(suite.n_examples - 1)])
    graph = TaskSuite(
        "graph",
        suite.task_names,
        suite.inputs,
        suite.labels,
        suite.order,
        suite.split_rule,
        edges,
        suite.kinds,
    )
    assert info.why_not(graph) == f"`{info.name}` needs binary tasks; `graph` has others too."
    assert info.why_not(graph.select(["yes", "other"])) is None


def test_joint_training_is_that_of_the_trainer(mixed):
    training = JointTraining(mixed, seed=5)
    assert sum(1 for _ in training.batches()) == training.data.n_steps
    expected = mixed.trainer.fit(range(4), mixed.recipe, seed=5)
    for name, tensor in training.model.state_dict().items():
        torch.testing.assert_close(tensor, expected.weights[name], rtol=1e-3, atol=1e-3)
    assert training.flops == pytest.approx(expected.cost.flops)
    found = score_network(training.model.eval(), mixed, "validation")
    np.testing.assert_allclose(found, mixed.trainer.score(expected, range(4), "validation"), atol=2e-2)


def test_losses_of_tasks_that_a_batch_does_not_hold_are_zero(mixed):
    batch = next(JointData(mixed).batches(0))
    weights = batch.weights.clone()
    weights[:, 1] = 0
    outputs = torch.randn(len(batch.inputs), 6)
    found = task_losses(outputs, batch._replace(weights=weights))
    assert found[1] == 0 and (found[[0, 2, 3]] > 0).all()


def test_the_outputs_of_a_task_share_its_gate(mixed):
    network = MMoE(mixed.architecture, 3, 0)
    inputs = torch.randn(5, 6)
    seen = torch.stack([expert(inputs) for expert in network.experts], dim=1)
    mixed_for_class = (network.mixtures(inputs)[:, 1, :, None] * seen).sum(1)
    expected = mixed_for_class @ network.towers.weight[1:4].T + network.towers.bias[1:4]
    torch.testing.assert_close(network(inputs)[:, 1:4], expected)


def test_a_metric_that_some_task_does_not_have_is_refused():
    with pytest.raises(InvalidInput, match=r"`metric` must be one that scores every task; found `f1`"):
        setting_of(mixed_suite(), "f1")
    setting_of(mixed_suite().select(["yes", "class"]), "f1")
