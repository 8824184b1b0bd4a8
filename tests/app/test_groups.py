import json
from typing import get_args

import pytest

from gradtag_core.grouping.result import Status
from pages.parts.groups_view import STATUS_WORDS

TEMPLATE = b"task,a,b,c,d\na,1,9,0,0\nb,9,1,0,0\nc,0,0,1,9\nd,0,0,9,1\n"


def group_table(app):
    return app.table[0].value


@pytest.fixture
def page(open_page, make_run):
    make_run()
    return open_page("groups")


def test_the_groups_of_the_run_are_found_again(page):
    assert page.slider[0].value == 2
    assert list(group_table(page)["Tasks"]) == ["`alpha` `bravo` `charlie`", "`delta` `echo` `foxtrot`"]
    assert list(group_table(page)["Size"]) == ["3", "3"]
    assert page.query_params["k"] == "2"


def test_the_slider_changes_the_groups_the_frames_and_the_address(page):
    for k in (1, 3, 6):
        page.slider[0].set_value(k).run()
        assert not page.exception
        assert len(group_table(page)) == k
        assert len(json.loads(page.get("plotly_chart")[0].proto.spec)["layout"]["shapes"]) == k
        assert page.query_params["k"] == str(k)


def test_the_address_sets_the_number_of_groups(app, open_page, make_run):
    make_run()
    app.run()
    app.query_params["k"] = "4"
    app.switch_page("pages/groups.py").run()
    assert len(group_table(app)) == 4


@pytest.mark.parametrize("k", ["0", "7", "²"])
def test_a_bad_number_in_the_address_is_ignored(app, make_run, k):
    make_run()
    app.run()
    app.query_params["k"] = k
    app.switch_page("pages/groups.py").run()
    assert not app.exception
    assert len(group_table(app)) == 2


def test_the_threshold_rounds_without_a_new_solve(page, monkeypatch):
    page.selectbox(key="rounding").select("threshold").run()
    assert not page.exception
    monkeypatch.setattr("gradtag_core.grouping.cluster.relax", None)
    page.select_slider[0].set_value("1.0000").run()
    assert not page.exception
    assert "by a threshold of 1" in " ".join(text.value for text in page.markdown)


def test_density_bound_and_gap_are_shown(page):
    assert [metric.label for metric in page.metric] == ["Density", "Upper bound", "Random grouping"]
    density, bound, by_chance = (float(metric.value) for metric in page.metric)
    assert by_chance < density <= bound * 1.0001
    assert "of the largest lead over a random grouping" in " ".join(text.value for text in page.markdown)


def test_what_training_in_groups_brought_is_shown_or_missed(page, open_page, make_run):
    assert any("**+0.1000**" in text.value for text in page.markdown)
    assert len(page.get("plotly_chart")) == 2
    page.query_params["run"] = make_run(groups=False).id
    page.run()
    assert len(page.get("plotly_chart")) == 1
    assert any("did not train its groups" in text.value for text in page.caption)


def test_every_status_has_words():
    assert set(STATUS_WORDS) == set(get_args(Status))


def upload(page, content):
    page.segmented_control(key="source").set_value("a CSV file").run()
    page.file_uploader[0].set_value(("matrix.csv", content, "text/csv")).run()
    assert not page.exception
    return page


def test_an_uploaded_matrix_is_grouped(page):
    upload(page, TEMPLATE)
    assert list(group_table(page)["Tasks"]) == ["`a` `b`", "`c` `d`"]


def test_a_single_task_is_a_group(page):
    upload(page, b"task,a\na,1\n")
    assert list(group_table(page)["Tasks"]) == ["`a`"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The CSV file is empty"),
        (TEMPLATE.replace(b"b,9", b"b,much"), "Line 3, column 2: expected a number; found `much`."),
        (
            TEMPLATE.replace(b"d,0,0", b"d,0"),
            "Line 5: every row must have as many cells as the first, 5; found 4.",
        ),
        (b"\xff\xfe\x00", "Line 1 is not UTF-8 text"),
    ],
)
def test_a_bad_file_is_one_sentence(page, content, sentence):
    upload(page, content)
    assert sentence in page.error[0].value
    assert not page.get("plotly_chart")
