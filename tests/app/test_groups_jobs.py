"""The thread that works ahead."""

from threading import Event

import pytest

from gradtag_core.errors import InvalidInput
from pages.parts.groups_jobs import Jobs

SOON = 60  # seconds; nothing here takes long, except on a busy machine


def test_equal_work_is_done_once():
    jobs, done = Jobs(9), []
    for key in ("a", "b", "a"):
        jobs.result(key, lambda key=key: done.append(key) or key)
    assert done == ["a", "b"]
    assert jobs.ready("a") == "a"
    assert jobs.ready("c") is None


def test_only_the_newest_results_are_kept():
    jobs = Jobs(2)
    for number in range(3):
        jobs.result(number, lambda number=number: number)
    assert [jobs.done(number) for number in range(3)] == [False, True, True]


def test_a_caller_waits_for_work_that_has_begun_ahead():
    jobs, begun, go_on = Jobs(9), Event(), Event()

    def work():
        begun.set()
        assert go_on.wait(SOON)
        return "ahead"

    jobs.ahead([("key", work)])
    assert begun.wait(SOON)
    assert not jobs.done("key")
    assert jobs.ready("key") is None
    go_on.set()
    assert jobs.result("key", lambda: "again") == "ahead"


def test_what_was_asked_for_last_replaces_what_has_not_begun():
    jobs, begun, go_on, last = Jobs(9), Event(), Event(), Event()
    jobs.ahead(
        [("first", lambda: begun.set() or go_on.wait(SOON)), ("second", lambda: pytest.fail("replaced"))]
    )
    assert begun.wait(SOON)
    jobs.ahead([("third", last.set)])
    go_on.set()
    assert last.wait(SOON)
    assert not jobs.done("second")


def test_an_error_for_the_user_is_kept_and_a_bug_is_tried_again():
    jobs, tries = Jobs(9), []

    def refuse():
        tries.append("refuse")
        raise InvalidInput("no")

    def break_down():
        tries.append("break")
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(InvalidInput):
            jobs.result("refused", refuse)
        with pytest.raises(ZeroDivisionError):
            jobs.result("broken", break_down)
    assert tries == ["refuse", "break", "break"]
    with pytest.raises(InvalidInput):
        jobs.ready("refused")
