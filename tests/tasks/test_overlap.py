from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.tasks.overlap import other_tasks, shared_training, training_membership
from gradtag_core.tasks.suite import SplitRule, TaskSuite


def made_suite(seed: int, unlabelled: float) -> TaskSuite:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, size=(60, 4)).astype(np.int8)
    labels[generator.random(labels.shape) < unlabelled] = -1
    labels[:3], labels[3:6] = 0, 1
    inputs = generator.normal(size=(60, 2)).astype(np.float32)
    return TaskSuite(
        "made", ("a", "b", "c", "d"), inputs, labels, generator.permutation(60), SplitRule(0.3, 0.3)
    )


@given(st.integers(0, 10_000), st.floats(0, 0.8))
def test_overlaps_are_those_of_the_sets_of_training_examples(seed, unlabelled):
    suite = made_suite(seed, unlabelled)
    sets = [set(suite.indices("train", task).tolist()) for task in range(4)]
    found = shared_training(training_membership(suite))
    for i, first in enumerate(sets):
        for j, second in enumerate(sets):
            assert found[i, j] == pytest.approx(len(first & second) / min(len(first), len(second)), rel=1e-6)


def test_tasks_on_different_examples_share_none(small_suite):
    labels = small_suite.labels.copy()
    for task in range(4):
        labels[np.arange(120) % 4 != task, task] = -1
    found = shared_training(training_membership(replace(small_suite, labels=labels)))
    np.testing.assert_array_equal(found, np.eye(4))


def test_other_tasks_are_all_but_the_diagonal():
    assert sorted(other_tasks(np.arange(9).reshape(3, 3))) == [1, 2, 3, 5, 6, 7]
