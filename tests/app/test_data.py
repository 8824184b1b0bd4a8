"""The Data page: data of every kind goes in, good and bad, and comes out as a suite."""

import io
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from gradtag_core.evaluation.difficulty import Difficulty
from gradtag_core.runs.suites import add_suite
from gradtag_core.tasks.registry import load_suite, suite_infos
from gradtag_core.tasks.stored import suites_folder
from pages.parts import data_templates as templates

FORMS = {
    "Table": [("fruits.csv", templates.table_csv())],
    "Text": [("reviews.csv", templates.text_csv())],
    "Graph": [("edges.txt", templates.edges_txt()), ("communities.txt", templates.communities_txt())],
    "Instructions": [("pairs.csv", templates.pairs_csv()), ("prompts.yaml", templates.PROMPTS)],
}
PICKLE, ZIP = b"\x80\x04\x95\x0c", io.BytesIO()
with zipfile.ZipFile(ZIP, "w") as archive:
    archive.writestr("table.csv", templates.table_csv())
TABLE, EDGES = templates.table_csv(), templates.edges_txt()
COMMUNITIES = templates.communities_txt()


@pytest.fixture
def page(open_page):
    return open_page("data")


@pytest.fixture
def add(page):
    """Opens the form of a kind and uploads its files."""

    def added(kind, *files):
        page.segmented_control(key="view").set_value("Add your own").run()
        if kind != "Table":
            page.segmented_control(key="kind").set_value(kind).run()
        for place, (name, content) in enumerate(files):
            raw = content.encode() if isinstance(content, str) else content
            page.file_uploader[place].set_value((name, raw, "text/plain"))
        page.run()
        assert not page.exception, [found.message for found in page.exception]
        return page

    return added


def can_save(app):
    return any(button.key == "save_suite" for button in app.button)


def texts(elements):
    return [element.value for element in elements]


def test_a_shipped_data_set_is_shown_with_its_tasks(page):
    (table,) = (found.value for found in page.dataframe)
    assert len(table) == 14 and {"task", "train", "positive", "unlabelled"} <= set(table)
    assert page.query_params["suite"] == "yeast"
    assert any("14 tasks over 2,417 rows of 103 numbers" in text for text in texts(page.caption))
    page.selectbox(key="suite_picker").select("planted").run()
    assert page.query_params["suite"] == "planted"
    assert len(page.dataframe[0].value) == 12
    assert "Remove" not in [button.label for button in page.button]


def test_the_address_names_the_data_set(app):
    app.run()
    app.query_params["suite"] = "digits"
    app.switch_page("pages/data.py").run()
    assert app.selectbox(key="suite_picker").value == "digits"
    app.query_params["suite"] = "`gone"
    app.run()
    assert "There is no data set `´gone` here" in app.warning[0].value
    assert app.selectbox(key="suite_picker").value == "digits"


@pytest.mark.parametrize("kind", FORMS)
def test_the_template_of_every_kind_is_understood_saved_and_offered(add, store, kind):
    page = add(kind, *FORMS[kind])
    assert not page.error
    assert list(page.dataframe[-1].value["unlabelled"].index) == [0, 1, 2]
    page.button(key="save_suite").click().run()
    assert not page.exception and not page.error
    name = FORMS[kind][0][0].partition(".")[0]
    assert f"`{name}` is saved" in page.success[0].value
    assert page.query_params["suite"] == page.selectbox(key="suite_picker").value == name
    suite = load_suite(name)
    assert suite.n_tasks == 3
    assert [info.name for info in suite_infos()][-1] == name
    page.segmented_control(key="view").set_value("Add your own").run()
    assert not can_save(page) and not page.error  # the form begins anew
    page.query_params["suite"] = name
    page.switch_page("pages/estimate.py").run()
    assert page.selectbox(key="knob_suite").value == name
    assert page.number_input(key="knob_subset_size").value == 2  # of the 3 tasks
    assert not page.error


def test_the_parquet_template_gives_the_same_suite_as_the_csv(add):
    page = add("Table", ("fruits.parquet", templates.table_parquet()))
    page.button(key="save_suite").click().run()
    add("Table", ("fruits.csv", TABLE))
    assert page.text_input[0].value == "fruits-2"
    page.button(key="save_suite").click().run()
    first, second = load_suite("fruits"), load_suite("fruits-2")
    np.testing.assert_array_equal(first.inputs, second.inputs)
    np.testing.assert_array_equal(first.labels, second.labels)


def test_options_reach_the_suite(add):
    page = add("Table", ("fruits.csv", TABLE))
    page.multiselect[0].set_value(["is_sweet", "keeps_well"])
    page.multiselect[3].set_value(["colour"])
    page.number_input(key="data_train").set_value(0.4)
    page.text_input[0].set_value("my-fruits")
    page.text_input[1].set_value("My fruits").run()
    page.button(key="save_suite").click().run()
    suite = load_suite("my-fruits")
    assert suite.task_names == ("is_sweet", "keeps_well")
    assert suite.inputs.shape == (48, 3)  # weight, sugar and is_ripe
    assert suite.split_rule.train == 0.4
    assert suite_infos()[-1].title == "My fruits"


def test_own_features_and_label_matrices_of_a_graph(add):
    labels = io.BytesIO()
    np.save(labels, np.stack([np.arange(40) < 15, np.arange(40) > 20], axis=1).astype(float))
    page = add("Graph", ("edges.txt", EDGES))
    page.segmented_control(key="data_tasks").set_value("a label matrix")
    page.selectbox(key="data_features").select("a file of mine").run()
    page.file_uploader[1].set_value(("labels.npy", labels.getvalue(), "text/plain"))
    page.file_uploader[2].set_value(("features.csv", templates.features_csv().encode(), "text/csv")).run()
    assert not page.error
    page.button(key="save_suite").click().run()
    assert load_suite("edges").inputs.shape == (40, 4, 2)


def test_labels_may_be_classes_or_numbers(add):
    page = add("Table", ("fruits.csv", TABLE))
    page.multiselect[0].set_value(["is_ripe", "colour", "sugar"]).run()
    assert "column `colour`: a label must be 0 or 1" in page.error[0].value
    page.multiselect[1].set_value(["colour"]).run()
    page.multiselect[2].set_value(["sugar"]).run()
    assert not page.error and not page.exception
    assert list(page.dataframe[-1].value["kind"]) == ["binary", "multiclass", "regression"]
    page.button(key="save_suite").click().run()
    assert not page.error and not page.exception
    assert load_suite("fruits").kinds == ("binary", "multiclass", "regression")


def row(number, text):
    """The template of tables with a line replaced (line 1 names the columns)."""
    lines = TABLE.split("\n")
    return "\n".join([*lines[: number - 1], text, *lines[number:]])


BAD_TABLES = {
    "a zip": (ZIP.getvalue(), "`t.csv` must be CSV text in UTF-8, or parquet; found a zip archive"),
    "a pickle": (PICKLE, "found a pickle, which is never read"),
    "an empty file": ("", "`t.csv` must hold the names of columns, and rows below them; found none."),
    "ragged": (row(3, "fruit-2,1,2,red,1,1"), "`t.csv`, line 3: a row must have as many cells as the first"),
    "encoding": (TABLE.encode().replace(b"fruit-2", b"fr\xfc"), "`t.csv`, line 3: the file must be text in UTF-8"),
    "UTF-16": (TABLE.encode("utf-16"), "found text in UTF-16"),
    "a damaged parquet": (b"PAR1" + b"\0" * 40, "must be a parquet file that can be read"),
    "a repeated id": (
        row(4, "fruit-1,1,2,red,1,1,1"),
        "`t.csv`, line 4, column `id`: an id must stand once; found `fruit-1`, which line 2 has too.",
    ),
    "an empty id": (row(4, ",1,2,red,1,1,1"), "`t.csv`, line 4, column `id`: an id must not be empty."),
    "a repeated column": (TABLE.replace("sugar", "weight", 1), "line 1: column names must differ; found `weight`"),
    "too many texts": (
        TABLE.replace("id,", "who,", 1) + "".join(f"x{n},1,2,red,1,1,1\n" for n in range(9)),
        "`t.csv`, line 2, column `who`: a column must hold numbers alone, or at most 50 different texts",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_table_is_one_sentence_with_its_place(add, case):
    content, sentence = BAD_TABLES[case]
    page = add("Table", ("t.csv", content))
    (error,) = texts(page.error)
    assert sentence in error
    assert not can_save(page)
    assert not suites_folder().exists()


BAD_LABELS = {
    "three values": (
        row(5, "fruit-4,1,2,red,2,1,1"), "is_ripe", "`t.csv`, line 5, column `is_ripe`: a label must be 0 or 1",
    ),
    "constant": (
        "x,y,z\n" + "1,0,1\n2,1,1\n" * 9, "z",
        "Label column `z` of `t.csv` must have at least 3 rows of each class, one for each split; found 18 of 1",
    ),
    "all empty": (
        "x,y,z\n" + "1,0,\n2,1,\n" * 9, "z",
        "Label column `z` of `t.csv` must have at least 3 rows of each class, one for each split; found 0 of 1, 0 of 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_LABELS)
def test_a_bad_label_is_one_sentence_with_its_place(add, case):
    content, label, sentence = BAD_LABELS[case]
    page = add("Table", ("t.csv", content))
    page.multiselect[0].set_value([label]).run()
    (error,) = texts(page.error)
    assert sentence in error
    assert not can_save(page)


BAD_GRAPHS = {
    "directed": (EDGES + "1\t0\n", COMMUNITIES, "`edges.txt`, line 82: the graph must be undirected"),
    "a repeated edge": (EDGES + "0\t1\n", COMMUNITIES, "`edges.txt`, line 82: an edge must be listed once"),
    "an unknown node": (
        EDGES, COMMUNITIES + "1 2 3 99\n",
        "`communities.txt`, line 5: a community must name nodes of the graph, which have edges; found the unknown",
    ),
    "a member twice": (EDGES, COMMUNITIES + "1 2 2\n", "line 5: a community must name each member once"),
    "names": (EDGES + "a\tb\n", COMMUNITIES, "`edges.txt`, line 82: a node id must be a whole number"),
    "three ids": (EDGES + "1\t2\t3\n", COMMUNITIES, "`edges.txt`, line 82: an edge must be two node ids; found 3."),
    "a pickle": (PICKLE, COMMUNITIES, "must be plain text in UTF-8, or gzipped; found a pickle"),
    "a zip": (ZIP.getvalue(), COMMUNITIES, "`edges.txt` must"),
    "small": (EDGES, "1 2\n", "A community must have at least 3 members"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_GRAPHS)
def test_a_bad_graph_is_one_sentence_with_its_place(add, case):
    edges, communities, sentence = BAD_GRAPHS[case]
    page = add("Graph", ("edges.txt", edges), ("communities.txt", communities))
    (error,) = texts(page.error)
    assert sentence in error
    assert not can_save(page)


def test_bad_texts_and_templates_are_one_sentence_with_their_place(add):
    page = add("Text", ("t.csv", templates.text_csv() + " ,1,1,1\n"))
    assert "`t.csv`, line 50, column `text`: a text must not be empty." in page.error[0].value
    add(
        "Instructions",
        *FORMS["Instructions"][:1],
        ("p.yaml", templates.PROMPTS.replace("{{text2}}", "{{txt2}}", 2)),
    )
    (error,) = texts(page.error)
    assert "`p.yaml`, line" in error and "found `txt2`. Did you mean `text2`?" in error
    add("Instructions", ("p.csv", templates.pairs_csv() + "a,b,maybe\n"), FORMS["Instructions"][1])
    (error,) = texts(page.error)
    assert "`p.csv`, line 50, column `label`: a label must be one of two values" in error


@pytest.mark.parametrize(
    ("train", "validation", "name", "sentence"),
    [
        (0.6, 0.5, "mine", "must leave something for the test split; found 0.6 and 0.5."),
        (0.1, 0.2, "yeast", "`name` must not be that of a suite that ships"),
        (0.1, 0.2, "My data", "`name` must have 1 to 32 lower-case letters"),
        (0.1, 0.2, "taken", "there is a suite `taken` already"),
    ],
)
def test_bad_choices_are_one_sentence(add, small_suite, train, validation, name, sentence):
    add_suite(replace(small_suite, name="taken"))
    page = add("Table", ("fruits.csv", TABLE))
    page.number_input(key="data_train").set_value(train)
    page.number_input(key="data_validation").set_value(validation)
    page.text_input[0].set_value(name).run()
    (error,) = texts(page.error)
    assert sentence in error
    assert not can_save(page)


def test_a_file_is_read_once_whatever_the_knobs(add, monkeypatch):
    page = add("Graph", *FORMS["Graph"])
    monkeypatch.setattr("gradtag_core.tasks.graph_files.read_edges", None)  # what would read again
    page.number_input(key="data_train").set_value(0.3).run()
    page.text_input[1].set_value("A title").run()
    assert not page.exception and not page.error
    page.number_input(key="data_seed").set_value(1).run()
    assert page.exception


def test_removing_asks_first(add):
    page = add("Table", ("fruits.csv", TABLE))
    page.button(key="save_suite").click().run()
    page.button(key="remove_fruits").click().run()
    assert page.button(key="confirm_remove").label == "Remove"  # what it does, the browser shows
    assert (suites_folder() / "fruits").exists()


def test_a_damaged_suite_is_told_of_and_can_be_removed(page, small_suite):
    add_suite(small_suite)
    (suites_folder() / "small" / "suite.json").write_text("{")
    page.run()
    assert "Remove the suite `small`" in page.warning[0].value
    assert page.button(key="remove_small")
    page.switch_page("pages/estimate.py").run()
    assert "The Data page can remove it." in page.warning[0].value


def test_a_suite_that_went_away_leaves_the_estimate_page_whole(page, small_suite):
    add_suite(small_suite)
    page.query_params["suite"] = "small"
    page.switch_page("pages/estimate.py").run()
    assert page.selectbox(key="knob_suite").value == "small"
    shutil.rmtree(suites_folder() / "small")
    page.run()
    assert not page.exception


def test_the_difficulty_is_told_on_request_and_once(page, monkeypatch):
    asked = []

    def fitted(suite, metric, reporter):
        asked.append(metric)
        scores = np.linspace(0.5, 0.9, suite.n_tasks)
        list(reporter.track("Fitting probes", scores, suite.n_tasks))
        return Difficulty(suite.task_names, metric, scores, scores - 0.1, "A probe")

    monkeypatch.setattr("pages.parts.data_difficulty.difficulty", fitted)
    page.session_state["facts"] = "Difficulty"
    page.run()
    assert not page.get("plotly_chart")
    page.button(key="difficulty").click().run()
    page.run()
    assert not page.exception
    assert len(page.get("plotly_chart")) == 1
    assert asked == ["auc"]


def test_what_tasks_share_is_drawn(page):
    page.session_state["facts"] = "Shared by tasks"
    page.run()
    assert not page.exception
    assert len(page.get("plotly_chart")) == 2
