"""The contract of a task suite: splits, rows, subsets and selections."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.suite import Rows, Split, SplitRule, TaskSuite

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def make_suite(labels: np.ndarray, rule: SplitRule | None = None, seed: int = 0) -> TaskSuite:
    rng = np.random.default_rng(seed)
    return TaskSuite(
        "made",
        tuple(f"t{task}" for task in range(labels.shape[1])),
        rng.standard_normal((len(labels), 3)).astype(np.float32),
        labels.astype(np.int8),
        rng.permutation(len(labels)),
        rule or SplitRule(),
    )


@st.composite
def suites(draw: st.DrawFn) -> TaskSuite:
    n_tasks = draw(st.integers(1, 4))
    labels = draw(arrays.arrays(np.int8, (draw(st.integers(12, 60)), n_tasks), elements=st.integers(-1, 1)))
    # Six of each class, so that every task can be split.
    labels[:6], labels[6:12] = 1, 0
    caps = [draw(st.none() | st.integers(1, 8)) for _ in range(3)]
    return make_suite(labels, SplitRule(0.2, 0.3, *caps), draw(st.integers(0, 99)))


@given(suites())
def test_splits_are_disjoint_and_labelled(suite: TaskSuite) -> None:
    for task in range(suite.n_tasks):
        parts = [suite.indices(split, task) for split in SPLITS]
        together = np.concatenate(parts)
        assert len(np.unique(together)) == len(together)
        assert (suite.labels[together, task] != -1).all()
        assert all((np.diff(part) > 0).all() for part in parts)


@given(suites())
def test_splits_hold_their_share_of_each_class_up_to_the_cap(suite: TaskSuite) -> None:
    rule = suite.split_rule
    for task in range(suite.n_tasks):
        for label in (0, 1):
            total = int((suite.labels[:, task] == label).sum())
            n_train, n_validation = max(1, round(0.2 * total)), max(1, round(0.3 * total))
            sizes = (n_train, n_validation, total - n_train - n_validation)
            for split, size, cap in zip(
                SPLITS, sizes, (rule.cap_train, rule.cap_validation, rule.cap_test), strict=True
            ):
                found = int((suite.labels[suite.indices(split, task), task] == label).sum())
                assert found == (size if cap is None else min(size, cap)) > 0


@given(suites())
def test_training_comes_before_validation_before_test_in_the_order(suite: TaskSuite) -> None:
    place = np.argsort(suite.order)
    for task in range(suite.n_tasks):
        for label in (0, 1):
            places = [place[suite.indices(split, task)] for split in SPLITS]
            of_class = [suite.labels[suite.indices(split, task), task] == label for split in SPLITS]
            train, validation, test = (part[mask] for part, mask in zip(places, of_class, strict=True))
            assert train.max() < validation.min() and validation.max() < test.min()


@given(suites(), st.data())
def test_permuting_tasks_permutes_their_splits(suite: TaskSuite, data: st.DataObject) -> None:
    permutation = data.draw(st.permutations(range(suite.n_tasks)))
    permuted = suite.select([suite.task_names[task] for task in permutation])
    for new, old in enumerate(permutation):
        for split in SPLITS:
            np.testing.assert_array_equal(permuted.indices(split, new), suite.indices(split, old))


@given(suites(), st.data())
def test_selecting_tasks_leaves_their_splits(suite: TaskSuite, data: st.DataObject) -> None:
    n_tasks = data.draw(st.integers(1, suite.n_tasks))
    fewer = suite.select(n_tasks)
    assert fewer.task_names == suite.task_names[:n_tasks]
    for task in range(n_tasks):
        for split in SPLITS:
            np.testing.assert_array_equal(fewer.indices(split, task), suite.indices(split, task))


@given(suites())
def test_rows_are_the_splits_task_after_task(suite: TaskSuite) -> None:
    for split in SPLITS:
        rows = suite.rows(split)
        assert isinstance(rows, Rows)
        assert len(rows) == sum(len(suite.indices(split, task)) for task in range(suite.n_tasks))
        for task in range(suite.n_tasks):
            own = rows.of_task(task)
            np.testing.assert_array_equal(rows.example[own], suite.indices(split, task))
            assert (rows.task[own] == task).all()
            np.testing.assert_array_equal(rows.label[own], suite.labels[rows.example[own], task])


@given(suites(), st.data())
def test_a_subset_holds_the_rows_of_its_tasks(suite: TaskSuite, data: st.DataObject) -> None:
    tasks = data.draw(st.permutations(range(suite.n_tasks)))[: data.draw(st.integers(1, suite.n_tasks))]
    subset = suite.subset("train", tasks)
    assert len(np.unique(subset.examples)) == len(subset.examples)
    assert subset.mask.any(axis=1).all()
    for column, task in enumerate(tasks):
        used = subset.examples[subset.mask[:, column]]
        np.testing.assert_array_equal(used, suite.indices("train", task))
        own = subset.labels[subset.mask[:, column], column]
        np.testing.assert_array_equal(own, suite.labels[used, task])


def test_selecting_all_tasks_is_the_same_suite() -> None:
    suite = make_suite(np.tile([[1, 0], [0, 1]], (10, 1)))
    assert suite.select(2) is suite
    assert suite.select(("t0", "t1")) is suite
    assert suite.select(("t1", "t0")).fingerprint != suite.fingerprint


def test_the_fingerprint_follows_everything_that_changes_results() -> None:
    suite = make_suite(np.tile([[1, 0], [0, 1]], (10, 1)))
    same = replace(suite, inputs=suite.inputs.copy(), order=suite.order.astype(np.uint16))
    assert same.fingerprint == suite.fingerprint
    flipped = suite.labels.copy()
    flipped[0] = 1 - flipped[0]
    nudged = suite.inputs.copy()
    nudged[0, 0] = np.nextafter(nudged[0, 0], np.float32(9))
    others = [
        replace(suite, name="other"),
        replace(suite, task_names=("t0", "other")),
        replace(suite, labels=flipped),
        replace(suite, inputs=nudged),
        replace(suite, order=suite.order[::-1]),
        replace(suite, split_rule=SplitRule(cap_train=5)),
    ]
    assert len({suite.fingerprint, *(other.fingerprint for other in others)}) == len(others) + 1


PATH = np.array([[0, 1], [2, 1]])


def test_a_suite_keeps_its_graph_and_its_fingerprint() -> None:
    plain = make_suite(GOOD)
    suite = replace(plain, edges=PATH)
    assert plain.edges is None and plain.select(1).edges is None
    assert suite.fingerprint != plain.fingerprint != replace(plain, edges=PATH[:1]).fingerprint
    hops = replace(plain, inputs=plain.inputs[:, None])  # which follow from the edges
    assert replace(hops, edges=PATH).fingerprint == hops.fingerprint
    for chosen in (suite.select(1), suite.select(["t1"]), replace(suite, split_rule=SplitRule(0.3))):
        assert chosen.edges is PATH
    assert replace(plain, edges=np.empty((0, 2), np.int64)).edges is not None


def test_a_replaced_rule_changes_the_splits() -> None:
    suite = make_suite(np.tile([[1], [0]], (50, 1)))
    assert len(suite.indices("train", 0)) == 10
    assert len(replace(suite, split_rule=SplitRule(cap_train=2)).indices("train", 0)) == 4


GOOD = np.tile([[1, 0], [0, 1]], (10, 1)).astype(np.int8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": np.zeros((19, 3), np.float32)}, "`inputs`"),
        ({"inputs": np.zeros((20, 1, 1, 1, 3), np.float32)}, "`inputs`"),
        ({"inputs": np.full((20, 3), np.nan, np.float32)}, "`inputs` must be finite numbers; example 0"),
        ({"task_names": ("t0",)}, "`task_names`"),
        ({"task_names": ("t0", "t0")}, "`task_names`"),
        ({"order": np.zeros(20, dtype=int)}, "`order`"),
        ({"labels": np.full((20, 2), 2, np.int8)}, "`labels`"),
        ({"labels": np.ones((20, 2), np.int8)}, "Task `t0`"),
        ({"edges": PATH[:, :1]}, r"`edges` must be int64 pairs .*; found int64 of shape \(2, 1\)"),
        ({"edges": PATH.astype(np.int32)}, "`edges` must be int64 pairs .*; found int32"),
        ({"edges": PATH + 18}, "`edges` must name examples from 0 to 19; found 18 to 20"),
        ({"edges": PATH - 1}, "`edges` must name examples from 0 to 19; found -1 to 1"),
        (
            {"edges": np.array([[0, 1], [3, 3]])},
            "`edges` must join different examples; found a self loop at 3",
        ),
        ({"edges": np.array([[0, 1], [4, 2], [2, 4]])}, "each pair .* once, .*; found 2 and 4 2 times"),
    ],
)
def test_a_broken_suite_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        replace(make_suite(GOOD), **change)


@pytest.mark.parametrize(
    ("train", "validation"), [(0, 0.2), (0.1, 0), (0.5, 0.5), (1.2, 0.2), (float("nan"), 0.2)]
)
def test_shares_must_leave_a_test_split(train: float, validation: float) -> None:
    with pytest.raises(InvalidInput, match="`train` and `validation`"):
        SplitRule(train, validation)


def test_every_split_has_both_classes_or_the_task_is_refused() -> None:
    labels = np.array([[1]] * 3 + [[0]] * 20, dtype=np.int8)
    with pytest.raises(InvalidInput, match="Task `t0`"):
        make_suite(labels, SplitRule(0.5, 0.4))


@pytest.mark.parametrize("tasks", [0, 3, -1, ["t0", "nowhere"]])
def test_a_selection_of_what_is_not_there_is_refused(tasks: int | list[str]) -> None:
    with pytest.raises(InvalidInput):
        make_suite(GOOD).select(tasks)


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(InvalidInput, match="`split`"):
        make_suite(GOOD).indices("everything", 0)  # pyright: ignore[reportArgumentType]
