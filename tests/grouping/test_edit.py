import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.bound import upper_bound
from gradtag_core.grouping.cluster import cluster
from gradtag_core.grouping.constraints import Constraints, make_rules
from gradtag_core.grouping.density import density
from gradtag_core.grouping.edit import (
    EditedGrouping,
    broken_rules,
    merge_changes,
    move_changes,
    moved_tasks,
    task_scores,
)


def matrix(seed, n_tasks):
    return np.random.default_rng(seed).normal(size=(n_tasks, n_tasks))


def edited(seed=0):
    """Nine tasks in three groups of three."""
    labels = np.arange(9) % 3
    values = (labels[:, None] == labels) + 0.1 * matrix(seed, 9)
    return EditedGrouping(values, cluster(values, 3, method="local"))


@st.composite
def grouped(draw):
    n_tasks = draw(st.integers(2, 9))
    labels = draw(st.lists(st.integers(0, 3), min_size=n_tasks, max_size=n_tasks))
    return matrix(draw(st.integers(0, 99)), n_tasks), np.unique(labels, return_inverse=True)[1]


@settings(deadline=None, max_examples=40)
@given(grouped(), st.integers(0, 8))
def test_changes_of_moves_are_those_of_the_density(problem, number):
    values, labels = problem
    task, k = number % len(labels), int(labels.max()) + 1
    changes = move_changes(values, labels, task)
    assert changes.shape == (k + 1,)
    for group in range(k + 1):
        after = labels.copy()
        after[task] = group
        after = np.unique(after, return_inverse=True)[1]
        assert changes[group] == pytest.approx(density(values, after) - density(values, labels), abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(grouped())
def test_changes_of_merges_are_those_of_the_density(problem):
    values, labels = problem
    for (first, second), change in np.ndenumerate(merge_changes(values, labels)):
        after = np.unique(np.where(labels == second, first, labels), return_inverse=True)[1]
        assert change == pytest.approx(density(values, after) - density(values, labels), abs=1e-9)


@given(grouped())
def test_task_scores_add_up_to_the_density_and_are_means_over_groups(problem):
    values, labels = problem
    scores = task_scores(values, labels)
    assert scores.sum() == pytest.approx(density(values, labels))
    assert scores[0] == pytest.approx(values[0, labels == labels[0]].mean())


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 99),
    st.lists(st.tuples(st.sampled_from(["move", "merge", "split"]), st.integers(0, 80)), max_size=6),
)
def test_undo_walks_back_and_redo_forth_through_the_same_groups(seed, changes):
    now = edited(seed)
    seen = [now.labels]
    for kind, number in changes:
        before = now
        k = now.n_groups
        if kind == "move":
            now = now.move(number % 9, number // 9 % (k + 1))
        elif kind == "merge":
            now = now.merge(number % k, (number // k) % k)
        elif (now.labels == number % k).sum() > 1:
            now = now.split(number % k)
        assert sorted(set(now.labels.tolist())) == list(range(now.n_groups))
        if now is not before:
            seen.append(now.labels)
    last = now
    for labels in reversed(seen):
        assert np.array_equal(now.labels, labels)
        now = now.undo()
    assert not now.done
    assert now.undo().labels is now.start.labels
    for labels in seen[1:]:
        now = now.redo()
        assert np.array_equal(now.labels, labels)
    assert np.array_equal(now.redo().labels, last.labels)


def test_an_edit_leaves_the_object_it_came_from_alone():
    first = edited()
    labels = first.labels.copy()
    first.move(0, 1).merge(0, 1).split(0)
    assert np.array_equal(first.labels, labels)
    assert not first.done


def test_a_new_change_forgets_what_was_undone_and_no_change_is_none():
    first = edited()
    moved = first.move(0, (int(first.labels[0]) + 1) % 3)
    assert not moved.undo().split(0).undone
    assert first.move(0, int(first.labels[0])) is first
    assert first.merge(1, 1) is first


def test_reset_is_a_change_that_can_be_undone():
    split = edited().split(0)
    assert np.array_equal(split.reset().labels, split.start.labels)
    assert np.array_equal(split.reset().undo().labels, split.labels)


def test_moving_the_last_task_closes_its_group_and_opening_one_is_undone_by_moving_back():
    first = edited()
    alone = first.move(4, first.n_groups)
    assert alone.n_groups == 4
    assert alone.groups[3] == [first.start.task_names[4]]
    back = alone.move(4, int(first.labels[4]))
    assert np.array_equal(back.labels, first.labels)


def test_a_split_undoes_the_merge_of_two_clear_groups():
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    values = (labels[:, None] == labels) + 0.01 * matrix(1, 8)
    start = EditedGrouping(values, cluster(values, 3))
    merged = start.merge(0, 1)
    assert merged.groups[0] == list(start.start.task_names[:6])
    assert not moved_tasks(merged.split(0).labels, start.labels).any()
    assert merged.split_change(0) == pytest.approx(density(values, labels) - density(values, merged.labels))


def test_the_words_of_the_history_name_tasks_and_groups():
    first = edited()
    words = [step.words for step in first.move(2, first.n_groups).split(0).merge(1, 3).done]
    assert words == ["task_3 to a group of its own", "group 1 split", "groups 2 and 4 merged"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda one: one.move(9, 0), "`task` must be from 1 to 9; found 10"),
        (lambda one: one.move(0, 4), "`group` must be from 1 to 4; found 5"),
        (lambda one: one.merge(0, 3), "`group` must be from 1 to 3; found 4"),
        (lambda one: one.split(-1), "`group` must be from 1 to 3; found 0"),
        (lambda one: one.move(0, 3).split(3), "`group` 4 holds a single task"),
    ],
)
def test_what_is_not_there_is_named(change, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        change(edited())


def test_the_edited_grouping_is_bounded_for_its_own_number_of_groups():
    changed = edited().split(0).move(0, 1)
    asked = []

    def bound(k):
        asked.append(k)
        return upper_bound(changed.affinity, k)

    found = changed.to_grouping(bound)
    assert asked == [changed.n_groups] == [found.n_groups]
    assert found.density == pytest.approx(density(changed.affinity, changed.labels))
    assert found.density <= found.upper_bound
    assert found.method == "by hand"
    assert not moved_tasks(found.labels, changed.labels).any()
    assert changed.to_grouping(lambda k: found.density).status == "optimal"


def test_moved_tasks_pairs_groups_so_that_fewest_have_moved():
    reference = np.array([0, 0, 0, 1, 1, 2])
    assert not moved_tasks(np.array([2, 2, 2, 0, 0, 1]), reference).any()
    assert moved_tasks(np.array([1, 1, 0, 0, 0, 2]), reference).tolist() == [
        False,
        False,
        True,
        False,
        False,
        False,
    ]
    assert moved_tasks(np.zeros(6, dtype=int), reference).sum() == 3
    assert moved_tasks(np.arange(6), reference).sum() == 3


def test_broken_rules_are_named_and_none_where_the_rules_allow():
    names = tuple("abcdef")
    limits = Constraints(2, 3, (("a", "b"),), (("c", "d"),), (1.0,) * 6, 1.0, 4.0, 8.0)
    good = np.array([0, 0, 1, 0, 1, 1])
    assert make_rules(limits, names, 2).allow(good)
    assert broken_rules(make_rules(limits, names, 2), good) == []
    bad = np.array([0, 1, 1, 1, 1, 2])
    assert broken_rules(make_rules(limits, names, 3), bad) == [
        "a and b must share a group",
        "c and d must not share a group",
        "group 1 holds 1 task",
        "group 2 holds 4 tasks",
        "group 2 costs 5",
        "group 3 holds 1 task",
        "all groups cost 9",
    ]


@settings(deadline=None, max_examples=40)
@given(grouped(), st.integers(1, 4), st.integers(1, 6))
def test_broken_rules_agree_with_the_rules(problem, smallest, largest):
    _, labels = problem
    names = tuple(f"t{index}" for index in range(len(labels)))
    limits = Constraints(smallest, largest, ((names[0], names[1]),), ())
    rules = make_rules(limits, names, int(labels.max()) + 1)
    assert (not broken_rules(rules, labels)) == rules.allow(labels)
