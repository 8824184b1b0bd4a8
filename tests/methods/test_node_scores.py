from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, log_loss, roc_auc_score

from gradtag_core.config import METRICS
from gradtag_core.cost import Cost
from gradtag_core.methods.node_scores import NodeLogits, graph_of, score_nodes
from gradtag_core.methods.protocol import METHODS, run_method

NAMES = [info.name for info in METHODS if info.needs_graph]


def test_scores_are_those_of_scikit_learn_on_the_rows_of_the_split(overlapping):
    suite = overlapping.suite
    logits = np.random.default_rng(0).normal(-1, 1, suite.labels.shape).round(1)
    found = score_nodes(suite, logits, "test")
    for task in range(suite.n_tasks):
        rows = suite.indices("test", task)
        labels, own = suite.labels[rows, task], logits[rows, task]
        expected = {
            "loss": -log_loss(labels, 1 / (1 + np.exp(-own))),
            "accuracy": accuracy_score(labels, own > 0),
            "f1": f1_score(labels, own > 0),
            "average_precision": average_precision_score(labels, own),
            "auc": roc_auc_score(labels, own),
        }
        np.testing.assert_allclose(found[task], [expected[metric] for metric in METRICS], atol=1e-12)


def test_a_result_has_the_scores_of_its_logits_on_both_splits(overlapping):
    logits = np.random.default_rng(0).standard_normal(overlapping.suite.labels.shape)
    result = NodeLogits.of(overlapping, logits, {"l2": 3.0}).result(overlapping, "made", Cost(5, 1, 2))
    np.testing.assert_array_equal(result.validation, score_nodes(overlapping.suite, logits, "validation"))
    np.testing.assert_array_equal(result.test, score_nodes(overlapping.suite, logits, "test"))
    assert (result.groups, result.choices, result.cost) == (None, {"l2": 3.0}, Cost(5, 1, 2))


def test_a_suite_without_a_graph_is_a_bug_here(setting):
    with pytest.raises(ValueError, match="`planted` has no graph"):
        graph_of(setting)


@pytest.fixture(scope="module", params=NAMES)
def result(request, overlapping):
    return run_method(request.param, overlapping)


def test_every_method_beats_chance_where_communities_overlap(result):
    assert result.mean_score("auc") > 0.7


def test_permuting_the_tasks_permutes_the_scores(result, overlapping):
    order = [2, 0, 3, 1]
    suite = overlapping.suite.select([overlapping.suite.task_names[task] for task in order])
    permuted = run_method(result.method, replace(overlapping, suite=suite))
    np.testing.assert_allclose(permuted.test, result.test[order], atol=1e-9)
    assert permuted.choices == result.choices


def test_test_labels_change_no_validation_score_and_no_choice(result, overlapping):
    suite = overlapping.suite
    labels, last = suite.labels.copy(), suite.order[-len(suite.order) // 10 :]
    for task in range(suite.n_tasks):
        own = np.intersect1d(last, suite.indices("test", task))
        ones, zeros = own[labels[own, task] == 1], own[labels[own, task] == 0]
        n_swapped = min(len(ones), len(zeros))
        assert n_swapped
        labels[ones[:n_swapped], task], labels[zeros[:n_swapped], task] = 0, 1
    swapped = run_method(result.method, replace(overlapping, suite=replace(suite, labels=labels)))
    np.testing.assert_array_equal(swapped.validation, result.validation)
    assert swapped.choices == result.choices
    assert not np.array_equal(swapped.test, result.test)


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_without_edges_says_nothing_and_breaks_nothing(name, overlapping):
    edges = np.empty((0, 2), np.int64)
    suite = replace(overlapping.suite, edges=edges, inputs=np.zeros_like(overlapping.suite.inputs))
    found = run_method(name, replace(overlapping, suite=suite))
    assert np.isfinite(found.test).all()
    np.testing.assert_allclose(found.test[:, METRICS.index("auc")], 0.5, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_draws_and_torch_is_left_alone(name, cliques):
    state = torch.get_rng_state()
    first, again = (run_method(name, cliques) for _ in range(2))
    np.testing.assert_array_equal(first.test, again.test)
    assert first.choices == again.choices
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("name", NAMES)
def test_two_cliques_are_told_apart(name, cliques):
    result = run_method(name, cliques)
    assert result.mean_score("auc") == 1
    assert result.mean_score("f1") == 1
