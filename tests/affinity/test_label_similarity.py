from dataclasses import replace

import numpy as np

from gradtag_core.affinity.label_similarity import label_similarity


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
