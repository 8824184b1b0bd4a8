"""Where the app says that units run."""

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.places import places_caption


def shown() -> AppTest:
    def page() -> None:
        from pages.parts.places import show_places

        show_places()

    return AppTest.from_function(page).run()


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("GRADTAG_WORKERS", raising=False)
    monkeypatch.delenv("GRADTAG_SCHEDULER", raising=False)


@pytest.mark.parametrize(
    ("workers", "words"),
    [("", "in one process of this machine"), ("4", "in 4 processes of this machine")],
)
def test_the_place_is_said_before_a_run(monkeypatch, workers, words):
    monkeypatch.setenv("GRADTAG_WORKERS", workers)
    page = shown()
    assert not page.exception and [one.value for one in page.caption] == [f"Units will run {words}."]


def test_a_cluster_that_does_not_answer_is_said(monkeypatch):
    monkeypatch.setenv("GRADTAG_SCHEDULER", "tcp://127.0.0.1:9")
    (caption,) = shown().caption
    assert caption.value == "Units will run on the Dask cluster at tcp://127.0.0.1:9 (nobody answers there)."


def test_a_wrong_setting_is_a_warning(monkeypatch):
    monkeypatch.setenv("GRADTAG_WORKERS", "many")
    page = shown()
    assert "`GRADTAG_WORKERS` must be a whole number" in page.warning[0].value and not page.exception


class Record:
    """What the caption reads of a run."""

    has_summary = True

    def __init__(self, places):
        self.summary = type("Summary", (), {"places": places})


def test_a_finished_run_says_who_made_its_units():
    assert places_caption(Record({})) == ""  # type: ignore[arg-type]
    assert places_caption(Record({"a": 1, "b": 3})) == (  # type: ignore[arg-type]
        "4 units were made in other processes: 3 by b, 1 by a."
    )
    many = Record({f"p{index}": 9 - index for index in range(7)})
    assert places_caption(many).endswith("12 by 3 others.")  # type: ignore[arg-type]
