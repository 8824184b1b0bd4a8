"""Parts of a page that wait until they come into view, told by hand what a browser would tell."""

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.when_seen import AT_ONCE


def page_of_parts() -> None:
    import streamlit as st

    from pages.parts.when_seen import when_seen

    version = lambda: st.session_state.get("changes", 0)  # noqa: E731

    def near() -> None:
        st.markdown("near")

    def far() -> None:
        st.markdown("far")

    when_seen("near", near, version=version)
    when_seen("far", far, height=300, version=version)


def page_of_a_part_that_follows_nothing() -> None:
    from pages.parts.when_seen import when_seen

    when_seen("alone", lambda: None, height=300)


def page_with_an_error() -> None:
    from gradtag_core.errors import InvalidInput
    from pages.parts.when_seen import when_seen

    def fail() -> None:
        raise InvalidInput("`k` must be 1 or more; found 0.")

    when_seen("part", fail)


def watches(app: AppTest) -> dict[str, dict[str, Any]]:
    found = [json.loads(each.proto.json) for each in app.get("bidi_component")]
    return {each["part"]: each for each in found}


def words(app: AppTest) -> list[str]:
    return [each.value for each in app.markdown]


@pytest.fixture(autouse=True)
def _as_in_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(AT_ONCE, raising=False)


def test_only_what_has_a_height_waits_and_its_place_is_kept() -> None:
    app = AppTest.from_function(page_of_parts).run()
    assert not app.exception
    assert words(app) == ["near"]
    drawn = {part: watch["drawn"] for part, watch in watches(app).items()}
    assert drawn == {"st-key-near": True, "st-key-far": False}


def test_everything_is_drawn_at_once_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AT_ONCE, "1")
    assert words(AppTest.from_function(page_of_parts).run()) == ["near", "far"]


def test_parts_of_one_session_share_a_topic_and_tell_their_version() -> None:
    app = AppTest.from_function(page_of_parts)
    app.session_state["changes"] = 3
    found = watches(app.run())
    assert {watch["version"] for watch in found.values()} == {3}
    (topic,) = {watch["topic"] for watch in found.values()}
    other = watches(AppTest.from_function(page_of_parts).run())
    assert topic not in {watch["topic"] for watch in other.values()}


def test_a_part_without_a_version_tells_none() -> None:
    (watch,) = watches(AppTest.from_function(page_of_a_part_that_follows_nothing).run()).values()
    assert watch["version"] is None


def test_an_error_of_a_part_is_a_sentence() -> None:
    app = AppTest.from_function(page_with_an_error).run()
    assert not app.exception
    assert "`k` must be 1 or more; found 0." in app.error[0].value
