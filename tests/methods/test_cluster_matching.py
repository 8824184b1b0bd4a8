from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

from gradtag_core.config import METRICS
from gradtag_core.methods.cluster_matching import (
    NO_CLUSTER,
    match_clusters,
    member_logits,
    slope,
    strength_logits,
)
from gradtag_core.methods.node_scores import score_nodes
from gradtag_core.tasks.suite import SplitRule, TaskSuite

F1 = METRICS.index("f1")


def made(seed, n_nodes=60, n_tasks=3, n_clusters=5):
    """A suite of random labels, some of them missing, and overlapping random clusters."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([0, 0, 1, -1], np.int8), (n_nodes, n_tasks))
    labels[:6], labels[6:12] = 1, 0
    names = tuple(f"t{task}" for task in range(n_tasks))
    inputs = np.zeros((n_nodes, 1), np.float32)
    suite = TaskSuite("made", names, inputs, labels, rng.permutation(n_nodes), SplitRule(0.4, 0.3))
    return suite, rng.random((n_nodes, n_clusters)) < rng.uniform(0.05, 0.7, n_clusters)


def f1_of(labels, predicted):
    return 2 * ((labels == 1) & predicted).sum() / ((labels == 1).sum() + predicted.sum())


def as_csr(members):
    return csr_array(members.astype(float))


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_each_task_takes_the_first_cluster_of_best_f1_on_its_training_rows(seed):
    suite, members = made(seed)
    found = match_clusters(suite, as_csr(members))
    for task in range(suite.n_tasks):
        rows = suite.indices("train", task)
        f1 = [f1_of(suite.labels[rows, task], own[rows]) for own in members.T]
        assert found.f1[task] == pytest.approx(max(f1))
        expected = NO_CLUSTER if max(f1) == 0 else int(np.argmax(np.round(f1, 12)))
        assert found.cluster[task] == expected


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_f1_is_that_of_the_cluster_taken_as_the_community(seed):
    suite, members = made(seed)
    found = match_clusters(suite, as_csr(members))
    strengths = np.where(members, 0.5, 0.01) * np.random.default_rng(seed).uniform(0.9, 1.1, members.shape)
    for logits in (
        member_logits(suite, as_csr(members), found),
        strength_logits(suite, strengths, 0.3, found),
    ):
        scores = score_nodes(suite, logits, "test")
        for task, cluster in enumerate(found.cluster):
            rows = suite.indices("test", task)
            if cluster != NO_CLUSTER:
                expected = f1_of(suite.labels[rows, task], members[rows, cluster])
                assert scores[task, F1] == pytest.approx(expected)


def test_member_logits_are_the_smoothed_shares_of_training_rows():
    suite, members = made(1)
    found = match_clusters(suite, as_csr(members))
    logits = member_logits(suite, as_csr(members), found)
    for task, cluster in enumerate(found.cluster):
        rows = suite.indices("train", task)
        inside, positive = members[rows, cluster], suite.labels[rows, task] == 1
        for within, sign in ((True, 1), (False, -1)):
            hits, size = (positive & (inside == within)).sum(), (inside == within).sum()
            odds = np.log((hits + 0.5) / (size - hits + 0.5))
            value = np.unique(logits[members[:, cluster] == within, task])
            assert value == pytest.approx(odds if odds * sign > 0 else sign * 1e-3)


def test_strength_ranks_the_members_of_a_cluster_and_who_is_none():
    suite, _ = made(3)
    strengths = np.random.default_rng(0).uniform(0.01, 1, (60, 5))
    found = match_clusters(suite, as_csr(strengths > 0.4))
    logits = strength_logits(suite, strengths, 0.4, found)
    for task, cluster in enumerate(found.cluster):
        order = np.argsort(strengths[:, cluster])
        assert (np.diff(logits[order, task]) > 0).all()
        np.testing.assert_array_equal(logits[:, task] > 0, strengths[:, cluster] > 0.4)


def test_the_slope_is_that_of_a_logistic_regression_through_the_origin():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 2, 80)
    positive = rng.random(80) < 1 / (1 + np.exp(-1.3 * values))
    model = LogisticRegression(C=1, fit_intercept=False, tol=1e-10).fit(values[:, None], positive)
    assert slope(values, positive) == pytest.approx(model.coef_[0, 0], rel=1e-6)
    assert 0 < slope(values, ~positive) < 0.01
    assert 0 < slope(1e3 * values, values > 0) < np.inf


def test_a_task_with_no_training_member_in_any_cluster_has_one_logit_for_all_nodes():
    suite, members = made(4)
    members[suite.indices("train", 1)] = False
    for own in (members, np.zeros((60, 0), bool)):
        found = match_clusters(suite, as_csr(own))
        assert (found.cluster[1], found.f1[1]) == (NO_CLUSTER, 0)
        positive = suite.labels[suite.indices("train", 1), 1] == 1
        odds = np.log((positive.sum() + 0.5) / ((~positive).sum() + 0.5))
        for logits in (
            member_logits(suite, as_csr(own), found),
            strength_logits(suite, np.where(own, 1, 0.1), 0.5, found),
        ):
            assert np.unique(logits[:, 1]) == pytest.approx(odds)


def test_only_training_labels_matter_and_permuting_tasks_permutes_the_logits():
    suite, members = made(5)
    found = match_clusters(suite, as_csr(members))
    logits = member_logits(suite, as_csr(members), found)
    permuted = suite.select(["t2", "t0", "t1"])
    again = match_clusters(permuted, as_csr(members))
    np.testing.assert_array_equal(again.cluster, found.cluster[[2, 0, 1]])
    np.testing.assert_array_equal(member_logits(permuted, as_csr(members), again), logits[:, [2, 0, 1]])
    fewer = suite.labels.copy()
    for task in range(3):
        fewer[suite.indices("test", task)[::2], task] = -1
    unlabelled = replace(suite, labels=fewer, split_rule=SplitRule(0.4, 0.3))
    trains = [np.array_equal(unlabelled.indices("train", t), suite.indices("train", t)) for t in range(3)]
    same = match_clusters(unlabelled, as_csr(members)).cluster == found.cluster
    assert same[trains].all()
