from dataclasses import replace

import numpy as np
import pytest
import torch

from gradtag_core.affinity.row_checks import require_usable_rows
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.tasks.suite import Rows

NAMES = ("a", "b", "c")


def make_features():
    """Four rows of each of three tasks, two of each class."""
    rows = Rows(
        np.arange(12), np.repeat(np.arange(3), 4), np.tile(np.array([0, 1, 1, 0], dtype=np.float32), 3)
    )
    return GradientFeatures(rows, torch.zeros(12), torch.ones(12, 2), 1.0, Cost())


def with_labels(features, task, label):
    labels = features.rows.label.copy()
    labels[features.rows.of_task(task)] = label
    return replace(features, rows=replace(features.rows, label=labels))


def usable(training, validation, subsets):
    """Whether the rows are accepted."""
    try:
        require_usable_rows(training, validation, subsets, NAMES)
    except InvalidInput:
        return False
    return True


def test_good_rows_pass():
    assert usable(make_features(), make_features(), [(0, 1), (2,)])


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("split", ["training", "validation"])
def test_a_task_with_one_class_is_named(split, label):
    good, bad = make_features(), with_labels(make_features(), 1, label)
    pair = (bad, good) if split == "training" else (good, bad)
    with pytest.raises(InvalidInput, match=rf"in the {split} split; `b` have one class only"):
        require_usable_rows(*pair, [(0, 1), (2,)], NAMES)
    assert usable(*pair, [(0, 2)])  # the task is not used


def test_a_task_without_rows_is_named():
    good = make_features()
    rows = Rows(*(part[:8] for part in (good.rows.example, good.rows.task, good.rows.label)))
    short = replace(good, rows=rows, logits=good.logits[:8], projected=good.projected[:8])
    with pytest.raises(InvalidInput, match="`c` have one class only"):
        require_usable_rows(short, good, [(0, 2)], NAMES)


def with_classes(labels):
    """Task 1 as one of three classes, with three entries a row."""
    good = with_labels(make_features(), 1, np.array(labels, dtype=np.float32))
    return replace(
        good, logits=torch.zeros(20), projected=torch.ones(20, 2), outputs=(1, 3, 1),
        kinds=("binary", "multiclass", "binary"),
    )  # fmt: skip


def test_a_class_without_rows_is_told_by_its_task():
    good, bad = with_classes([0, 1, 2, 0]), with_classes([0, 1, 1, 0])
    assert usable(good, good, [(0, 1)])
    with pytest.raises(InvalidInput, match=r"rows of every class, .* in the validation split; `b` do not"):
        require_usable_rows(good, bad, [(0, 1)], NAMES)
    assert usable(good, bad, [(0, 2)])


def test_a_class_without_an_output_is_told_by_its_task():
    good, bad = with_classes([0, 1, 2, 0]), with_classes([0, 1, 3, 2])
    with pytest.raises(InvalidInput, match="one for each output of the model, in the training split; `b`"):
        require_usable_rows(bad, good, [(0, 1)], NAMES)


def test_targets_must_differ():
    kinds = ("binary", "regression", "binary")
    good = replace(with_labels(make_features(), 1, np.array([0.5, 2, 2, -1], dtype=np.float32)), kinds=kinds)
    bad = replace(make_features(), kinds=kinds)  # zeros and ones
    assert usable(good, good, [(0, 1)])
    with pytest.raises(
        InvalidInput, match="3 different targets or more in the training split; `b` have fewer"
    ):
        require_usable_rows(bad, good, [(0, 1)], NAMES)


def test_entries_that_are_not_finite_are_counted_and_told_by_their_task():
    good = with_classes([0, 1, 2, 0])
    projected = good.projected.clone()
    projected[4 + 7], projected[4 + 12] = float("nan"), float("inf")  # of task 1, and the first of task 2
    with pytest.raises(InvalidInput, match="2 are not, of `b`, `c`"):
        require_usable_rows(replace(good, projected=projected), good, [(0,)], NAMES)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_rows_that_are_not_finite_are_counted_and_named(value):
    good = make_features()
    projected, logits = good.projected.clone(), good.logits.clone()
    projected[5, 1] = value
    logits[11] = value
    with pytest.raises(InvalidInput, match="of the training rows, 1 are not, of `b`"):
        require_usable_rows(replace(good, projected=projected), good, [(0,)], NAMES)
    with pytest.raises(InvalidInput, match="of the validation rows, 1 are not, of `c`"):
        require_usable_rows(good, replace(good, logits=logits), [(0,)], NAMES)


@pytest.mark.parametrize("subsets", [[], [()], [(0, 3)], [(-1,)], [(1, 1)]])
def test_subsets_of_no_or_unknown_tasks_are_refused(subsets):
    with pytest.raises(InvalidInput, match="`subsets` must"):
        require_usable_rows(make_features(), make_features(), subsets, NAMES)
