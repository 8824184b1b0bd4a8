from threading import Event

import pytest

from gradtag_core.errors import Cancelled
from gradtag_core.progress import Progress, Reporter


def test_reports_before_the_first_unit_and_after_each():
    seen = []
    assert list(Reporter(seen.append).track("train", "abc", total=5, already_done=2)) == ["a", "b", "c"]
    assert [report.done for report in seen] == [2, 3, 4, 5]
    assert seen[0].seconds_left is None
    assert seen[-1].seconds_left == 0
    assert seen[-1].fraction == 1


def test_cancelling_stops_before_the_next_unit():
    cancel = Event()
    done = []
    with pytest.raises(Cancelled):
        for item in Reporter(cancel=cancel).track("train", range(10), total=10):
            done.append(item)
            if item == 3:
                cancel.set()
    assert done == [0, 1, 2, 3]


def test_an_empty_stage_is_complete():
    assert Progress("train", 0, 0).fraction == 1
