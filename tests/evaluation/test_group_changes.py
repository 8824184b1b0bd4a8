import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.evaluation.group_changes import group_changes
from gradtag_core.grouping.result import Grouping

NAMES = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot")


def grouping(labels, names=NAMES):
    return Grouping(np.array(labels), names, 1.0, 2.0, 0.5, "solved", "SCS", "spectral", None, None, 0.1)


labelled = st.lists(st.integers(0, 3), min_size=6, max_size=6)


@given(labelled)
def test_nothing_moves_from_a_grouping_to_itself_in_any_order(labels):
    order = [3, 1, 5, 0, 2, 4]
    again = grouping([labels[index] for index in order], tuple(NAMES[index] for index in order))
    found = group_changes(grouping(labels), again)
    assert found
    assert (found.moved_names, found.adjusted_rand) == ((), 1)
    assert all(flow.stays for flow in found.flows)


@given(labelled, labelled)
def test_as_many_tasks_move_there_as_back(first, second):
    there = group_changes(grouping(first), grouping(second))
    back = group_changes(grouping(second), grouping(first))
    assert there and back
    assert there.moved.sum() == back.moved.sum()
    assert there.adjusted_rand == pytest.approx(back.adjusted_rand)


@given(labelled, labelled)
def test_every_task_flows_once_and_a_flow_stays_or_moves_as_a_whole(first, second):
    found = group_changes(grouping(first), grouping(second))
    assert found
    assert sorted(name for flow in found.flows for name in flow.task_names) == sorted(NAMES)
    moved = {name for flow in found.flows if not flow.stays for name in flow.task_names}
    assert moved == set(found.moved_names)
    for side in ("reference", "other"):  # a group stays with one partner at most
        groups = [getattr(flow, side) for flow in found.flows if flow.stays]
        assert len(groups) == len(set(groups))


def test_groups_keep_the_numbers_of_their_own_grouping():
    first = grouping([0, 1, 1, 2, 2, 2])
    second = grouping([0, 0, 1, 1], ("delta", "echo", "charlie", "foxtrot"))
    found = group_changes(first, second)
    assert found
    assert found.task_names == ("charlie", "delta", "echo", "foxtrot")
    assert found.reference.tolist() == [1, 2, 2, 2]
    assert found.other.tolist() == [1, 0, 0, 1]
    assert found.moved_names == ("foxtrot",)
    assert found.to_json()["moved"] == [{"task": "foxtrot", "from": 3, "to": 2}]


def test_without_a_common_task_there_is_no_change():
    assert group_changes(grouping([0, 0, 0, 1, 1, 1]), grouping([0, 1], ("x", "y"))) is None
