from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.evaluation import task_facts as module
from gradtag_core.evaluation.task_facts import task_facts
from gradtag_core.tasks.suite import SplitRule, TaskSuite

NAMES = ("a", "b", "c", "d")


def binary_suite(seed: int = 0, unlabelled: float = 0.3, n_examples: int = 90) -> TaskSuite:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, size=(n_examples, 4)).astype(np.int8)
    labels[generator.random(labels.shape) < unlabelled] = -1
    labels[:3], labels[3:6] = 0, 1
    inputs = generator.normal(size=(n_examples, 2)).astype(np.float32)
    order = generator.permutation(n_examples)
    return TaskSuite("made", NAMES, inputs, labels, order, SplitRule(0.3, 0.3))


def mixed_suite() -> TaskSuite:
    generator = np.random.default_rng(0)
    labels = np.stack(
        [generator.integers(0, 2, 200), generator.integers(0, 3, 200), generator.normal(size=200)], axis=1
    ).astype(np.float32)
    labels[:20, 1], labels[:50, 2] = np.nan, np.nan
    inputs = generator.normal(size=(200, 2)).astype(np.float32)
    return TaskSuite(
        "mixed", ("yes", "which", "how"), inputs, labels, generator.permutation(200), SplitRule(0.3, 0.3),
        kinds=("binary", "multiclass", "regression"),
    )  # fmt: skip


@given(st.integers(0, 10_000), st.floats(0, 0.9))
def test_counts_are_those_of_plain_loops(seed, unlabelled):
    suite = binary_suite(seed, unlabelled)
    facts, labels = task_facts(suite), suite.labels
    for i in range(4):
        known = [label for label in labels[:, i].tolist() if label != -1]
        assert facts.positive[i] == pytest.approx(known.count(1) / len(known))
        assert facts.unlabelled[i] == 90 - len(known)
        validation = labels[suite.indices("validation", i), i].tolist()
        assert facts.rarest[i] == min(validation.count(0), validation.count(1))
        assert facts.commonest[i] == pytest.approx(1 - facts.rarest[i] / len(validation))
        for j in range(4):
            both = [row[j] for row in labels.tolist() if row[i] == 1 and row[j] != -1]
            expected = both.count(1) / len(both) if both else np.nan
            assert facts.cooccurrence[i, j] == pytest.approx(expected, nan_ok=True)


def test_the_table_holds_a_line_per_task():
    suite = binary_suite()
    table = task_facts(suite).table()
    assert list(table) == ["task", "kind", "train", "validation", "test", "positive", "unlabelled"]
    assert list(table.task) == [*NAMES] and set(table.kind) == {"binary"}
    for split in ("train", "validation", "test"):
        assert table[split].tolist() == [len(suite.indices(split, task)) for task in range(4)]


def test_permuting_the_tasks_permutes_every_fact():
    suite, order = binary_suite(), [2, 0, 3, 1]
    facts = task_facts(suite)
    moved = task_facts(suite.select([NAMES[task] for task in order]))
    for field in ("sizes", "rarest", "commonest", "positive", "unlabelled"):
        np.testing.assert_array_equal(getattr(moved, field), getattr(facts, field)[order])
    for field in ("cooccurrence", "overlap", "unreliable"):
        np.testing.assert_array_equal(getattr(moved, field), getattr(facts, field)[np.ix_(order, order)])


def test_counting_in_blocks_changes_nothing(monkeypatch):
    whole = task_facts(binary_suite()).cooccurrence
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)
    np.testing.assert_array_equal(task_facts(binary_suite()).cooccurrence, whole)


def test_labels_never_known_together_have_no_cooccurrence():
    suite = binary_suite(unlabelled=0.0)
    labels = suite.labels.copy()
    labels[:45, 0], labels[45:, 1] = -1, -1
    labels[45:51, 0], labels[:6, 1] = [0, 1] * 3, [0, 1] * 3
    facts = task_facts(replace(suite, labels=labels))
    assert np.isnan(facts.cooccurrence[0, 1]) and np.isnan(facts.cooccurrence[1, 0])
    assert facts.cooccurrence[0, 0] == 1 and np.isfinite(facts.cooccurrence[0, 2])


def test_shares_of_positives_are_of_binary_tasks_alone():
    facts = task_facts(mixed_suite())
    assert facts.kinds == ("binary", "multiclass", "regression")
    np.testing.assert_array_equal(np.isnan(facts.positive), [False, True, True])
    np.testing.assert_array_equal(np.isnan(facts.commonest), [False, False, True])
    np.testing.assert_array_equal(np.isfinite(facts.cooccurrence), np.diag([True, False, False]))
    assert facts.unlabelled.tolist() == [0, 20, 50]
    assert facts.rarest[2] == facts.sizes[2, 1]


def test_a_plain_suite_has_no_warnings(small_suite):
    assert task_facts(small_suite).warnings == ()


def test_too_few_shared_examples_are_told(small_suite):
    labels = np.tile(small_suite.labels, (4, 1))
    labels[:240, 0], labels[240:, 1] = -1, -1
    suite = replace(
        small_suite, labels=labels, inputs=np.tile(small_suite.inputs, (4, 1)),
        order=np.random.default_rng(0).permutation(480),
    )  # fmt: skip
    facts = task_facts(suite)
    assert facts.unreliable.tolist() == (facts.overlap < 0.3).tolist()
    assert facts.unreliable[0, 1] and facts.unreliable.sum() == 2
    (warning,) = facts.warnings
    assert warning.startswith("1 of 6 pairs of tasks shares less than 30%")
    assert "`first` and `second`" in warning and "0%" in warning and "2604.07848" in warning


def test_the_bound_of_the_overlap_itself_is_enough(small_suite):
    overlap = np.array([[1, 0.3, 0.29], [0.3, 1, 1], [0.29, 1, 1]])
    (warning,) = module._overlap_warnings(small_suite.select(3), overlap)
    assert "1 of 3 pairs" in warning and "`first` and `third`" in warning and "29%" in warning


def test_prompts_of_the_same_pairs_are_not_called_unrelated(small_suite):
    instructions = replace(small_suite.select(3), choices=(("no", "yes"),) * 3)
    (warning,) = module._overlap_warnings(instructions, np.eye(3))
    assert "prompts of its own" in warning and "noise" not in warning


def test_rare_classes_twins_and_one_sided_tasks_are_told():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, size=(4000, 4)).astype(np.int8)
    labels[:, 1] = labels[:, 0]
    labels[5, 1] ^= 1
    labels[:, 2] = np.arange(4000) < 20
    inputs = np.zeros((4000, 1), dtype=np.float32)
    facts = task_facts(TaskSuite("made", NAMES, inputs, labels, generator.permutation(4000)))
    rare, twins, one_sided = facts.warnings
    assert rare.startswith("`c`: fewer than 10 validation examples") and "the least: 4" in rare
    assert twins.startswith("Nearly the same labels: `a` and `b` (")
    assert one_sided.startswith("`c`: more than 99% of the validation examples")


def test_the_opposite_of_a_task_is_no_twin():
    suite = binary_suite(unlabelled=0.0)
    labels = suite.labels.copy()
    labels[:, 1] = 1 - labels[:, 0]
    assert not any("same labels" in warning for warning in task_facts(replace(suite, labels=labels)).warnings)
