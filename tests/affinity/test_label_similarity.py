from dataclasses import replace

import numpy as np

from gradtag_core.affinity.label_similarity import label_similarity
from gradtag_core.tasks.suite import SplitRule, TaskSuite
from tests.mixed_suites import mixed_suite


def test_shared_inputs_give_the_jaccard_index_of_training_positives(small_suite):
    found = label_similarity(small_suite)
    positives = [
        {int(e) for e in small_suite.indices("train", task) if small_suite.labels[e, task] == 1}
        for task in range(small_suite.n_tasks)
    ]
    for i, first in enumerate(positives):
        for j, second in enumerate(positives):
            np.testing.assert_allclose(found[i, j], len(first & second) / len(first | second), rtol=1e-6)


def test_disjoint_inputs_give_the_correlation_of_mean_features(small_suite):
    labels = small_suite.labels.copy()
    for task in range(small_suite.n_tasks):
        labels[np.arange(len(labels)) % small_suite.n_tasks != task, task] = -1
    twin = labels[:, 0].copy()
    disjoint = replace(small_suite, labels=labels)
    found = label_similarity(disjoint)
    assert twin.min() == -1
    np.testing.assert_allclose(found.diagonal(), 1)
    np.testing.assert_allclose(found, found.T)
    assert (np.abs(found) <= 1 + 1e-9).all()
    assert np.ptp(found) > 0.1


def test_tasks_of_several_kinds_are_compared_by_the_correlation_of_their_labels():
    suite = mixed_suite(unlabelled=0.1)
    found = label_similarity(suite)
    trains = [set(suite.indices("train", task).tolist()) for task in range(suite.n_tasks)]
    for first, second in ((0, 2), (0, 3), (2, 3)):
        both = sorted(trains[first] & trains[second])
        expected = abs(np.corrcoef(suite.labels[both, first], suite.labels[both, second])[0, 1])
        np.testing.assert_allclose(found[[first, second], [second, first]], expected, rtol=1e-6)
    np.testing.assert_allclose(found.diagonal(), 1)
    np.testing.assert_array_equal(found, found.T)
    assert found.min() >= 0 and found.max() <= 1 + 1e-9


def test_the_number_of_a_class_does_not_matter():
    suite = mixed_suite()
    labels = suite.labels.copy()
    labels[:, 1] = np.array([2, 0, 1])[labels[:, 1].astype(int)]
    np.testing.assert_allclose(label_similarity(replace(suite, labels=labels)), label_similarity(suite))


def test_a_copy_of_a_task_of_any_kind_is_as_like_it_as_can_be():
    suite = mixed_suite()
    twice = replace(
        suite,
        labels=np.concatenate([suite.labels, -3 * suite.labels[:, 2:3] + 1], axis=1),
        task_names=(*suite.task_names, "copy"),
        kinds=(*suite.kinds, "regression"),
    )
    found = label_similarity(twice)
    np.testing.assert_allclose(found[:, 4], found[:, 2], rtol=1e-5)


def test_disjoint_inputs_of_several_kinds_are_compared_by_what_features_do_to_labels():
    suite = mixed_suite(400)
    labels = suite.labels.copy()
    labels[:, 3] = labels[:, 2]  # a copy, that is seen elsewhere
    kinds = (*suite.kinds[:3], "regression")
    for task in range(4):
        labels[np.arange(len(labels)) % 4 != task, task] = np.nan
    found = label_similarity(replace(suite, labels=labels, kinds=kinds))
    np.testing.assert_allclose(found.diagonal(), 1)
    assert found[2, 3] == np.sort(found[2])[-2] > 0.9


def test_texts_are_compared_by_their_words():
    texts = np.array(
        [f"good day {row % 7}" if row % 3 else f"bad night {row % 5}" for row in range(120)],
        dtype=np.dtypes.StringDType(),
    )
    good = (np.arange(120) % 3 > 0).astype(np.int8)
    labels = np.stack([good, good, 1 - good], axis=1)
    labels[np.arange(120)[:, None] // 3 % 3 != np.arange(3)] = -1  # no text is shared
    suite = TaskSuite("words", ("a", "b", "c"), texts, labels, np.arange(120), SplitRule(0.4, 0.3))
    found = label_similarity(suite)
    assert found[0, 1] > 0.5 and found[0, 2] < -0.5
