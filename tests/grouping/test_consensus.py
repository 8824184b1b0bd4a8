import numpy as np
import pytest

from gradtag_core.grouping.consensus import group_consensus, item_consensus

CONSENSUS = np.array([[1, 0.8, 0.6, 0.1], [0.8, 1, 0.4, 0.0], [0.6, 0.4, 1, 0.2], [0.1, 0.0, 0.2, 1]])
LABELS = np.array([0, 0, 0, 1])


def test_a_task_is_judged_by_the_others_of_its_group():
    assert item_consensus(CONSENSUS, LABELS)[:3] == pytest.approx([0.7, 0.6, 0.5])


def test_a_group_is_judged_by_its_pairs():
    assert group_consensus(CONSENSUS, LABELS)[0] == pytest.approx(np.mean([0.8, 0.6, 0.4]))


def test_a_task_alone_has_no_consensus():
    assert np.isnan(item_consensus(CONSENSUS, LABELS)[3])
    assert np.isnan(group_consensus(CONSENSUS, LABELS)[1])


def test_groups_that_every_resample_finds_are_certain():
    labels = np.array([0, 1, 0, 1, 1])
    always = (labels[:, None] == labels).astype(float)
    assert item_consensus(always, labels) == pytest.approx(np.ones(5))
    assert group_consensus(always, labels) == pytest.approx(np.ones(2))
    assert item_consensus(always, np.zeros(5, dtype=int)).max() < 1
