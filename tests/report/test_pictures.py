from typing import Any

import pytest

from gradtag_core.report.findings import find
from gradtag_core.report.pictures import TALLEST, all_pictures, story_pictures


@pytest.mark.parametrize(
    ("knobs", "keys"),
    [
        ({}, ("affinity", "reference-lines", "gains")),
        ({"truth": 0}, ("affinity", "standard-errors", "gains")),
        ({"truth": 0, "gain": None}, ("affinity", "standard-errors", "group-help")),
    ],
)
def test_three_figures_tell_the_story(make_record, knobs, keys):
    found = find(make_record(**knobs))
    assert tuple(picture.key for picture in story_pictures(found)) == keys
    every = [picture.key for picture in all_pictures(found)]
    assert len(set(every)) == len(every) and set(keys) <= set(every)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_has_words_numbers_and_a_look(make_record, theme):
    for picture in all_pictures(find(make_record())):
        assert picture.alt.endswith(".") and picture.caption.endswith(".")
        assert len(picture.table()) >= 2
        assert picture.draw(theme).data


def test_the_words_hold_numbers(make_record):
    words = {picture.key: picture.alt for picture in all_pictures(find(make_record()))}
    assert "6 tasks in 2 groups" in words["affinity"]
    assert "this estimate 0." in words["reference-lines"]
    assert "6 of 6 tasks better in groups, +0.1000" in words["gains"]


def test_estimate_and_truth_share_order_and_colours(make_record):
    figures: dict[str, Any] = {
        picture.key: picture.draw("light") for picture in all_pictures(find(make_record()))
    }
    first, second = (figures[key].data[0] for key in ("affinity", "affinity-true"))
    assert first.zmax == second.zmax and list(first.y) == list(second.y)


def test_many_tasks_stay_on_a_page(make_record):
    found = find(make_record(n=200, n_groups=10, truth=0, m=3000))
    heights = [int(picture.draw("light").to_dict()["layout"]["height"]) for picture in story_pictures(found)]
    assert max(heights) <= TALLEST
