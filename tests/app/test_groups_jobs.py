"""The thread that works ahead."""

from threading import Event

import pytest

from gradtag_core.errors import Cancelled, InvalidInput
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


def test_one_owner_does_not_replace_what_another_asked_for():
    jobs, begun, go_on, theirs, last = Jobs(9), Event(), Event(), Event(), Event()
    jobs.ahead(
        [("first", lambda: begun.set() or go_on.wait(SOON)), ("ours", lambda: pytest.fail("replaced"))], "us"
    )
    assert begun.wait(SOON)
    jobs.ahead([("theirs", theirs.set)], "them")
    assert jobs.expected("theirs") and jobs.expected("ours")
    jobs.ahead([("last", last.set)], "us")
    go_on.set()
    assert theirs.wait(SOON) and last.wait(SOON)
    assert not jobs.expected("ours")


def test_what_has_begun_is_given_up_for_what_its_owner_asks_for_now_and_can_be_asked_for_again():
    jobs, begun, given_up, last = Jobs(9), Event(), [], Event()

    def first(cancel):
        begun.set()
        assert cancel.wait(SOON)
        given_up.append("first")
        raise Cancelled("The work was cancelled on request.")

    jobs.only_ahead("first", first, "us")
    assert begun.wait(SOON)
    jobs.only_ahead("first", lambda cancel: pytest.fail("begun twice"), "us")
    jobs.only_ahead("theirs", lambda cancel: None, "them")
    assert not given_up
    jobs.only_ahead("last", lambda cancel: last.set(), "us")
    assert last.wait(SOON)
    assert given_up == ["first"]
    assert not jobs.expected("first") and jobs.ready("first") is None
    assert jobs.result("first", lambda: "again") == "again"


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
