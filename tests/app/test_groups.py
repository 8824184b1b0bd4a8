import json
from typing import get_args

import pytest

from gradtag_core.grouping import cluster
from gradtag_core.grouping.result import Status
from pages.parts.groups_quality import STATUS_WORDS
from pages.parts.groups_stability import stabilities

pytestmark = pytest.mark.usefixtures("asked")
TEMPLATE = b"task,a,b,c,d\na,1,9,0,0\nb,9,1,0,0\nc,0,0,1,9\nd,0,0,9,1\n"


def group_table(app):
    return app.table[0].value


def shapes(page, kind):
    layout = json.loads(page.get("plotly_chart")[0].proto.spec)["layout"]
    return [shape for shape in layout["shapes"] if shape["type"] == kind]


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
        assert len(shapes(page, "rect")) == k
        assert shapes(page, "path")
        assert page.query_params["k"] == str(k)


def test_the_address_sets_the_number_of_groups(app, open_page, make_run):
    make_run()
    app.run()
    app.query_params["k"] = "4"
    app.switch_page("pages/groups.py").run()
    assert len(group_table(app)) == 4


@pytest.mark.parametrize("k", ["0", "7", "²"])
def test_a_bad_number_in_the_address_is_said_and_replaced(app, make_run, k):
    make_run()
    app.run()
    app.query_params["k"] = k
    app.switch_page("pages/groups.py").run()
    assert not app.exception
    assert len(group_table(app)) == 2
    assert f"k = {k}: 6 tasks make 1 to 6 groups" in app.toast[0].value


def test_the_threshold_rounds_without_a_new_solve(page, monkeypatch):
    page.selectbox(key="rounding").select("threshold").run()
    assert not page.exception
    n_groups, solved, solve = page.slider[0].value, [], cluster.relax

    def counted(values, n_groups, **options):
        solved.append(n_groups)
        return solve(values, n_groups, **options)

    monkeypatch.setattr(cluster, "relax", counted)
    page.select_slider[0].set_value("1.0000").run()
    assert not page.exception
    assert n_groups not in solved  # the bounds of other numbers of groups, for what-if, may be
    assert "by a threshold of 1" in " ".join(text.value for text in page.markdown)


def test_density_bound_and_gap_are_shown(page):
    assert [metric.label for metric in page.metric[:3]] == ["Density", "Upper bound", "Random grouping"]
    density, bound, by_chance = (float(metric.value) for metric in page.metric[:3])
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


def test_the_tasks_can_be_ordered_by_similarity(page):
    page.segmented_control(key="map_order").set_value("by similarity").run()
    assert not page.exception
    assert shapes(page, "path")


@pytest.mark.parametrize("method", ["sdp", "local", "milp"])
def test_these_methods_find_the_densest_groups(page, method):
    page.selectbox(key="method").select(method).run()
    assert not page.exception
    assert list(group_table(page)["Tasks"]) == ["`alpha` `bravo` `charlie`", "`delta` `echo` `foxtrot`"]
    assert any("Proven optimal" in text.value for text in page.markdown)


@pytest.mark.parametrize("method", ["spectral", "lloyd"])
def test_the_papers_comparisons_are_bounded_too(page, method):
    page.selectbox(key="method").select(method).run()
    assert not page.exception
    assert len(group_table(page)) == 2
    density, bound = (float(metric.value) for metric in page.metric[:2])
    assert density <= bound * 1.0001


def test_stability_is_told_when_it_has_been_computed(page, asked):
    assert "Stability" not in group_table(page)
    assert any("Stability is being computed" in text.value for text in page.caption)
    key, work = next(job for job in asked if job[0][1] == 2)
    stabilities().result(key, work)
    page.run()
    assert list(group_table(page)["Stability"]) == ["100%", "100%"]
    assert any("Agreement of all groups: 1.00" in text.value for text in page.caption)
    page.session_state["panel"] = "Tasks"
    page.run()
    assert list(page.dataframe[0].value["Stability"]) == [100] * 6


def test_every_task_has_its_score_and_its_next_group(page):
    page.session_state["panel"] = "Tasks"
    page.run()
    table = page.dataframe[0].value
    assert list(table["Task"]) == ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"]
    assert list(table["Next group"]) == ["2"] * 3 + ["1"] * 3
    assert (table["Cost of moving there"] > 0).all()
    assert table["Predicted score"].sum() == pytest.approx(float(page.metric[0].value), rel=1e-4)


def upload(page, content):
    page.segmented_control(key="source").set_value("a CSV file").run()
    page.file_uploader[0].set_value(("matrix.csv", content, "text/csv")).run()
    assert not page.exception
    return page


def test_an_uploaded_matrix_is_grouped(page):
    upload(page, TEMPLATE)
    assert list(group_table(page)["Tasks"]) == ["`a` `b`", "`c` `d`"]
    assert any("Stability needs the scores of a run" in text.value for text in page.caption)
    assert not any("not symmetric" in text.value for text in page.caption)


def test_an_asymmetric_matrix_is_symmetrised_and_said_to_be(page):
    upload(page, TEMPLATE.replace(b"b,9", b"b,8"))
    assert any("not symmetric" in text.value for text in page.caption)


@pytest.mark.parametrize("panel", ["What if", "Other groupings", "How many groups", "Tasks"])
@pytest.mark.parametrize(
    "content", [b"task,a\na,1\n", b"task,a,b\na,1,0\nb,0,2\n", b"task,a,b\na,1,1\nb,1,1\n"]
)
def test_the_smallest_matrices_have_every_panel(page, content, panel):
    page.session_state["panel"] = panel
    upload(page, content)
    for k in (1, 2) if page.slider else ():
        page.slider[0].set_value(k).run()
        assert not page.exception
        assert not page.error


def test_a_single_task_is_a_group(page):
    upload(page, b"task,a\na,1\n")
    assert list(group_table(page)["Tasks"]) == ["`a`"]


def test_a_file_of_5000_tasks_is_refused_by_its_first_line(page, monkeypatch):
    monkeypatch.setattr("gradtag_core.grouping.matrix_file.csv", None)  # what would read the rest
    upload(page, b"task," + b",".join(b"t%d" % index for index in range(5000)) + b"\nt0,")
    assert "at most 2000 tasks; found 5000 columns" in page.error[0].value


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The CSV file is empty"),
        (TEMPLATE.replace(b"b,9", b"b,much"), "Line 3, column 2: expected a number; found `much`."),
        (TEMPLATE.replace(b"b,9", b"b,nan"), "Line 3, column 2: expected a finite number"),
        (TEMPLATE.replace(b"b,9", b"b,inf"), "Line 3, column 2: expected a finite number"),
        (TEMPLATE.replace(b"task,a,b", b"task,a,a"), "task names must differ; `a` repeated"),
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
