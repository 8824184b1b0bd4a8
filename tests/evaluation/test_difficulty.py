from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from gradtag_core.errors import Cancelled
from gradtag_core.evaluation import difficulty as module
from gradtag_core.evaluation.difficulty import PENALTY_PER_ROW, difficulty
from gradtag_core.progress import Reporter
from gradtag_core.tasks.suite import SplitRule, TaskSuite


def columns(suite, task):
    """Inputs standardised by the training examples, and the rows of a task's training and validation split."""
    train = np.unique(np.concatenate([suite.indices("train", task) for task in range(suite.n_tasks)]))
    inputs = suite.inputs.astype(np.float64)
    scaled = (inputs - inputs[train].mean(axis=0)) / inputs[train].std(axis=0)
    return scaled, suite.indices("train", task), suite.indices("validation", task)


def test_scores_are_those_of_a_logistic_regression_fitted_by_hand(small_suite):
    found = difficulty(small_suite, "auc")
    for task in range(4):
        scaled, train, validation = columns(small_suite, task)
        labels = small_suite.labels[:, task]
        model = LogisticRegression(C=1 / (PENALTY_PER_ROW * len(train)), tol=1e-8)
        logits = model.fit(scaled[train], labels[train]).decision_function(scaled[validation])
        assert found.scores[task] == pytest.approx(roc_auc_score(labels[validation], logits), abs=0.01)
    assert (found.scores > 0.85).all() and (found.constant == 0.5).all()
    assert "linear model" in found.description


def test_the_constant_answer_has_the_training_share_as_its_probability(small_suite):
    found = difficulty(small_suite, "loss")
    for task in range(4):
        labels = small_suite.labels[:, task]
        share = labels[small_suite.indices("train", task)].mean()
        truth = labels[small_suite.indices("validation", task)]
        assert found.constant[task] == pytest.approx(-log_loss(truth, np.full(len(truth), share)), rel=1e-6)
        assert found.scores[task] > found.constant[task]


def test_labels_without_any_rule_are_hard():
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(3000, 5)).astype(np.float32)
    labels = np.stack([inputs[:, 0] > 0, generator.random(3000) < 0.5], axis=1).astype(np.int8)
    suite = TaskSuite("made", ("easy", "hard"), inputs, labels, generator.permutation(3000))
    easy, hard = difficulty(suite).scores
    assert easy > 0.99 and abs(hard - 0.5) < 0.06


def test_permuting_the_tasks_permutes_the_scores(small_suite):
    found = difficulty(small_suite)
    moved = difficulty(small_suite.select(["third", "first", "fourth", "second"]))
    np.testing.assert_allclose(moved.scores, found.scores[[2, 0, 3, 1]])
    assert moved.table().task.tolist() == ["third", "first", "fourth", "second"]


def test_long_splits_are_thinned_evenly_and_keep_every_class(monkeypatch):
    generator = np.random.default_rng(0)
    labels = (np.arange(4000) >= 3990).astype(np.int8)[:, None]
    inputs = (labels + 0.1 * generator.normal(size=(4000, 1))).astype(np.float32)
    suite = TaskSuite("made", ("rare",), inputs, labels, generator.permutation(4000))
    monkeypatch.setattr(module, "MOST_ROWS", 20)
    rows = module._spread(suite, "train", 0)
    assert 20 <= len(rows) <= 22 and set(labels[rows, 0]) == {0, 1}
    assert set(rows) <= set(suite.indices("train", 0)) and np.ptp(rows) > 3500
    assert difficulty(suite).scores[0] > 0.99


def test_many_columns_become_principal_components_and_the_same_ones_each_time(small_suite):
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(6, 2 * 5 * 40))
    wide = (small_suite.inputs @ mixing).astype(np.float32).reshape(120, 2, 5, 40)
    images = replace(small_suite, inputs=wide)
    found = difficulty(images)
    assert "principal components" in found.description
    assert (found.scores > 0.85).all()
    np.testing.assert_array_equal(difficulty(images).scores, found.scores)


def test_a_constant_column_does_no_harm(small_suite):
    inputs = np.column_stack([small_suite.inputs, np.full(120, 7.3, dtype=np.float32)])
    found = difficulty(replace(small_suite, inputs=inputs))
    np.testing.assert_allclose(found.scores, difficulty(small_suite).scores, atol=1e-9)


def test_texts_are_told_by_their_words(small_suite):
    words = np.where(small_suite.labels[:, 0] == 1, "a good film", "a bad play").tolist()
    texts = np.array([f"{word} {row}" for row, word in enumerate(words)], dtype=np.dtypes.StringDType())
    found = difficulty(replace(small_suite, inputs=texts))
    assert found.scores[0] == 1.0 and "words" in found.description


def test_a_reporter_can_stop_it(small_suite):
    class Stopped(Reporter):
        def check(self):
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        difficulty(small_suite, reporter=Stopped())


def mixed_suite():
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(600, 4)).astype(np.float32)
    labels = np.stack(
        [inputs[:, 0] > 0, np.digitize(inputs[:, 1], (-0.5, 0.5)), inputs[:, 2] + 2, inputs[:, 3] > 0], axis=1
    )
    labels = np.where(generator.random(labels.shape) < 0.1, np.nan, labels).astype(np.float32)
    return TaskSuite(
        "mixed", ("yes", "which", "how", "two"), inputs, labels, generator.permutation(600), SplitRule(0.3, 0.3),
        kinds=("binary", "multiclass", "regression", "multiclass"),
    )  # fmt: skip


def test_every_kind_of_task_is_scored_by_its_own_loss():
    suite = mixed_suite()
    found = difficulty(suite, "loss")
    assert (found.scores > found.constant).all()
    truth = suite.labels[suite.indices("validation", 2), 2]
    mean = suite.labels[suite.indices("train", 2), 2].mean()
    assert found.constant[2] == pytest.approx(-((truth - mean) ** 2).mean(), rel=1e-5)
    classes = suite.labels[suite.indices("train", 1), 1].astype(int)
    logs = np.log(np.bincount(classes) / len(classes))
    expected = logs[suite.labels[suite.indices("validation", 1), 1].astype(int)].mean()
    assert found.constant[1] == pytest.approx(expected, rel=1e-5)
    ranked = difficulty(suite, "auc").scores
    assert (ranked > 0.95).all()
