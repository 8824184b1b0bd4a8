"""The planted suites hold the answer that they promise."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.planted import (
    Network,
    Structure,
    parameters_with_gram,
    planted_affinity,
    planted_groups,
    planted_suite,
)

structures = st.sampled_from(get_args(Structure))


@given(structures, st.integers(2, 15), st.data(), st.floats(0, 1), st.integers(0, 9))
def test_parameters_have_exactly_the_planted_cosines(
    structure: Structure, n_tasks: int, data: st.DataObject, cosine: float, seed: int
) -> None:
    n_groups = data.draw(st.integers(2, n_tasks))
    affinity = planted_affinity(n_tasks, n_groups, structure, cosine)
    parameters = parameters_with_gram(affinity, n_tasks + 3, seed)
    np.testing.assert_allclose(np.diag(affinity), 1)
    np.testing.assert_allclose(parameters @ parameters.T, affinity, atol=1e-10)


def test_affinities_of_the_structures() -> None:
    group = planted_groups(6, 3, "groups")
    same = group[:, None] == group
    np.testing.assert_array_equal(group, [0, 0, 1, 1, 2, 2])
    off = ~np.eye(6, dtype=bool)
    groups = planted_affinity(6, 3, "groups", 0.8)
    assert (groups[same & off] == 0.8).all() and (groups[~same] == 0).all()
    np.testing.assert_allclose(planted_affinity(6, 3, "conflict", 0.8)[~same], -0.4)
    np.testing.assert_allclose(
        planted_affinity(3, 1, "chain", 0.5), [[1, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 1]]
    )
    np.testing.assert_array_equal(planted_affinity(4, 9, "independent", 0.8), np.eye(4))
    np.testing.assert_array_equal(planted_groups(4, 9, "independent"), range(4))


@given(st.integers(1, 40), st.data())
def test_groups_are_as_equal_as_they_can_be(n_tasks: int, data: st.DataObject) -> None:
    n_groups = data.draw(st.integers(1, n_tasks))
    sizes = np.bincount(planted_groups(n_tasks, n_groups, "groups"), minlength=n_groups)
    assert len(sizes) == n_groups and sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("network", get_args(Network))
def test_labels_agree_as_often_as_the_angles_say(network: Network) -> None:
    # Two half-spaces of normal inputs agree with the probability 1 - angle / π (Sheppard, 1899).
    planted = planted_suite(
        6, 3, "conflict", cosine=0.9, n_labelled=40_000, overlap=1.0, n_features=16, network=network
    )
    labels = planted.suite.labels
    agreement = (labels[:, :, None] == labels[:, None, :]).mean(axis=0)
    expected = 1 - np.arccos(np.clip(planted.affinity, -1, 1)) / np.pi
    # The features of the random network are only nearly normal.
    np.testing.assert_allclose(agreement, expected, atol=0.012 if network == "linear" else 0.03)


def test_label_noise_flips_the_stated_share() -> None:
    clean = planted_suite(n_labelled=2000, overlap=1.0).suite
    noisy = planted_suite(n_labelled=2000, overlap=1.0, label_noise=0.2).suite
    np.testing.assert_array_equal(clean.inputs, noisy.inputs)
    np.testing.assert_allclose((clean.labels != noisy.labels).mean(axis=0), 0.2, atol=0.04)


@given(st.integers(2, 6), st.integers(20, 60), st.floats(0, 1))
def test_overlap_is_the_share_of_labelled_examples_in_common(
    n_tasks: int, n_labelled: int, overlap: float
) -> None:
    n_shared = round(overlap * n_labelled)
    suite = planted_suite(n_tasks, 2, n_labelled=n_labelled, overlap=overlap, n_features=8).suite
    labelled = suite.labels != -1
    assert (labelled.sum(axis=0) == n_labelled).all()
    counts = labelled.sum(axis=1)
    assert (counts == n_tasks).sum() == n_shared and set(counts) <= {1, n_tasks}


def test_the_seed_decides_everything() -> None:
    first, again, other = (planted_suite(n_labelled=50, seed=seed).suite for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert (first.order != other.order).any()


def test_a_linear_model_finds_linear_tasks() -> None:
    from sklearn.linear_model import LogisticRegression

    suite = planted_suite(3, 3, n_labelled=2000, n_features=8).suite
    for task in range(3):
        train, test = suite.indices("train", task), suite.indices("test", task)
        model = LogisticRegression().fit(suite.inputs[train], suite.labels[train, task])
        assert model.score(suite.inputs[test], suite.labels[test, task]) > 0.85


@pytest.mark.parametrize("network", get_args(Network))
def test_examples_of_the_own_group_help_and_others_do_not(network: Network) -> None:
    from sklearn.linear_model import LogisticRegression

    suite = planted_suite(network=network).suite

    def accuracy(task: int, others: list[int]) -> float:
        rows = suite.rows("train", [task, *others])
        test = suite.indices("test", task)
        model = LogisticRegression(C=0.1).fit(suite.inputs[rows.example], rows.label)
        return float(model.score(suite.inputs[test], suite.labels[test, task]))

    tasks = (0, 4, 8)
    alone = np.mean([accuracy(task, []) for task in tasks])
    mates = np.mean([accuracy(task, [task + 1, task + 2, task + 3]) for task in tasks])
    strangers = np.mean([accuracy(task, [(task + step) % 12 for step in (4, 5, 6)]) for task in tasks])
    assert mates > alone + 0.02 and strangers < alone - 0.02


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"n_tasks": 0}, "n_tasks"),
        ({"n_groups": 0}, "n_groups"),
        ({"n_groups": 13}, "n_groups"),
        ({"n_groups": 1, "structure": "conflict"}, "n_groups"),
        ({"structure": "ring"}, "structure"),
        ({"network": "deep"}, "network"),
        ({"cosine": 1.1}, "cosine"),
        ({"cosine": float("nan")}, "cosine"),
        ({"n_labelled": 19}, "n_labelled"),
        ({"overlap": -0.1}, "overlap"),
        ({"label_noise": 0.5}, "label_noise"),
        ({"n_features": 11}, "n_features"),
        ({"network": "random", "n_labelled": 20, "overlap": 1.0}, "n_labelled"),
    ],
)
def test_a_parameter_out_of_range_is_named(change: dict[str, object], parameter: str) -> None:
    with pytest.raises(InvalidInput, match=f"`{parameter}`"):
        planted_suite(**change)  # pyright: ignore[reportArgumentType]


def test_a_gram_that_no_vectors_have_is_refused() -> None:
    with pytest.raises(InvalidInput, match="`gram`"):
        parameters_with_gram(np.array([[1.0, 2.0], [2.0, 1.0]]), 4, 0)
