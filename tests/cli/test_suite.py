"""Data sets of the user's own on the command line."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gradtag_core.cli import main as cli
from gradtag_core.runs.start import open_store
from gradtag_core.tasks.registry import SHIPPED, load_suite, suite_content
from gradtag_core.tasks.stored import suites_folder
from gradtag_core.tasks.suite import SplitRule, TaskSuite

TINY = [
    "--width", "4", "--epochs", "1", "--base-epochs", "1", "--n-inits", "1", "--proj-dim", "4", "--subset-size", "2",
    "--n-subsets", "3", "--proxies-per-task", "0", "--no-train-groups", "--n-groups", "2", "--threads", "1",
]  # fmt: skip
EDGES = "".join(f"{node}\t{(node + step) % 40}\n" for node in range(40) for step in (1, 3))
COMMUNITIES = "".join(" ".join(map(str, range(start, start + 15))) + "\n" for start in (0, 10, 20))


def gradtag(*words: object) -> tuple[int, str, str]:
    """One call in this process: (exit code, standard output, sentence of the error or standard error)."""
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    known = isinstance(result.exception, cli.GradTagError)
    sentence = str(result.exception) if known else result.stderr
    return 2 if known else result.exit_code, result.stdout, sentence


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    size = rng.normal(size=60)
    rows = [
        f"{value:.4f},{'red' if row % 3 else 'blue'},{int(value > 0)},{'yes' if value < 0.3 else 'no'},"
        f"{['', 'true', 'false'][row % 3]}"
        for row, value in enumerate(size)
    ]
    path = tmp_path / "table.csv"
    path.write_text("size,colour,tall,short,odd\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    (tmp_path / "edges.txt").write_text(EDGES)
    (tmp_path / "communities.txt").write_text(COMMUNITIES)
    labels = np.zeros((40, 3))
    for column, start in enumerate((0, 10, 20)):
        labels[start : start + 15, column] = 1
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "features.npy", np.random.default_rng(0).normal(size=(40, 2)))
    return tmp_path


def test_a_table_is_added_listed_shown_run_and_removed(table: Path) -> None:
    code, out, _ = gradtag("suite", "add", "mine", "--tabular", table, "--labels", "tall,odd, short", "--train", "0.3",
                           "--validation", "0.3", "--title", "My table", "--json")  # fmt: skip
    added = json.loads(out)
    assert code == 0 and added["task_names"] == ["tall", "odd", "short"]
    assert added["options"] == {
        "tabular": "table.csv", "labels": "tall,odd, short", "train": 0.3, "validation": 0.3, "seed": 0,
    }  # fmt: skip
    assert str(table.parent) not in (suites_folder() / "mine" / "suite.json").read_text()

    listed = {info["name"]: info for info in json.loads(gradtag("suites", "--json")[1])}
    assert listed["mine"]["origin"] == "your table.csv" and listed["mine"]["title"] == "My table"
    assert "your table.csv" in gradtag("suites")[1]

    shown = json.loads(gradtag("suite", "show", "mine", "--json")[1])
    suite = load_suite("mine")
    assert shown["fingerprint"] == added["fingerprint"] == suite.fingerprint
    for task, counts in enumerate(shown["tasks"]):
        splits = [counts[split] for split in ("train", "validation", "test")]
        for label, kind in ((1, "positive"), (0, "negative")):
            assert sum(split[kind] for split in splits) == (suite.labels[:, task] == label).sum()
        assert counts["unlabelled"] == (suite.labels[:, task] == -1).sum()
    assert shown["tasks"][1]["unlabelled"] == 20
    assert "tall" in gradtag("suite", "show", "mine")[1]

    code, out, error = gradtag("run", "--suite", "mine", *TINY, "--json")
    assert code == 0, error
    run = json.loads(out)["run"]
    summary = json.loads(gradtag("show", run, "--json")[1])["summary"]
    assert summary["fingerprint"] == suite.fingerprint

    code, out, _ = gradtag("suite", "remove", "mine")
    assert code == 0 and run in out
    assert gradtag("show", run)[0] == 0
    code, _, error = gradtag("run", "--suite", "mine", *TINY)
    assert code == 2 and "A suite of your own that was removed must be added again" in error


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--communities", "communities.txt"], ["community 1", "community 2", "community 3"]),
        (
            ["--communities", "communities.txt", "--features", "svd", "--tasks", "2"],
            ["community 1", "community 2"],
        ),
        (["--labels-file", "labels.npy", "--features", "features.npy"], ["label 1", "label 2", "label 3"]),
    ],
)
def test_a_graph_is_added(graph: Path, words: list[str], names: list[str]) -> None:
    paths = [graph / word if (graph / word).is_file() else word for word in words]
    small = "--hops", 1, "--dim", 4
    code, out, error = gradtag(
        "suite", "add", "net", "--graph", graph / "edges.txt", *paths, *small, "--json"
    )
    assert code == 0, error
    added = json.loads(out)
    assert (added["task_names"], added["default_model"]) == (names, "sign")
    assert added["origin"] == ["edges.txt", *(word for word in words if "." in word)]
    assert str(graph) not in json.dumps(added)
    assert load_suite("net").inputs.shape[1:] == (2, 2 if "features.npy" in words else 4)
    assert load_suite("net").n_examples == (40 if "labels.npy" in words else 25 if "2" in words else 35)


def test_all_nodes_can_be_examples(graph: Path) -> None:
    files = (
        "--graph",
        graph / "edges.txt",
        "--communities",
        graph / "communities.txt",
        "--hops",
        0,
        "--dim",
        2,
    )
    assert gradtag("suite", "add", "all", *files, "--all-nodes")[0] == 0
    assert load_suite("all").n_examples == 40


def test_texts_are_added_and_shown(tmp_path: Path) -> None:
    rows = "".join(
        f'"note {row},\nand ""more""",{row % 2},{["no", "yes", ""][row % 3]}\n' for row in range(30)
    )
    (tmp_path / "notes.csv").write_text("body,odd,third\n" + rows)
    words = "--text", tmp_path / "notes.csv", "--text-column", "body", "--labels", "odd,third"
    code, out, error = gradtag("suite", "add", "notes", *words, "--json")
    assert code == 0, error
    added = json.loads(out)
    assert (added["task_names"], added["default_model"]) == (["odd", "third"], "transformer")
    assert added["origin"] == ["notes.csv"] and added["options"]["text_column"] == "body"
    assert "choices" not in added or added["choices"] is None
    shown = json.loads(gradtag("suite", "show", "notes", "--json")[1])
    assert shown["texts"][1] == 'note 1,\nand "more"' and len(shown["texts"]) == 3
    assert 'Text: note 2, and "more"\n' in gradtag("suite", "show", "notes")[1]
    (tmp_path / "notes.csv").write_text(
        "body,odd,third\n" + rows.replace("note 7,\nand", " \n").replace('""more""', "")
    )
    code, _, error = gradtag("suite", "add", "other", *words)
    assert code == 2 and error == (
        "`notes.csv`, line 17, column `body`: a text must not be empty. Fill it in, or leave the row out."
    )
    assert [path.name for path in suites_folder().iterdir()] == ["notes"]


def test_instructions_are_added_and_shown(tmp_path: Path) -> None:
    rows = "".join(
        f'{row}\tp{row} "\th{row}\t{["not_entailment", "entailment"][row % 2]}\n' for row in range(20)
    )
    (tmp_path / "pairs.tsv").write_text("index\tsentence1\tsentence2\tlabel\n" + rows)
    for name, choices in (("one", "no, yes"), ("two", "wrong, right")):
        prompt = f"- name: {name}\n  prompt: '{{{{text1}}}} {name} {{{{text2}}}}'\n  choices: [{choices}]\n"
        (tmp_path / f"{name}.yaml").write_text(prompt)
    files = "--templates", tmp_path / "one.yaml", "--templates", tmp_path / "two.yaml"
    data = "--instructions", tmp_path / "pairs.tsv"
    code, out, error = gradtag("suite", "add", "asked", *data, *files, "--pairs", "10", "--json")
    assert code == 0, error
    added = json.loads(out)
    assert (added["task_names"], added["n_examples"]) == (["one", "two"], 20)
    assert added["origin"] == ["pairs.tsv", "one.yaml", "two.yaml"] and added["choices"] == [
        ["no", "yes"],
        ["wrong", "right"],
    ]
    assert added["options"]["templates"] == ["one.yaml", "two.yaml"] and str(tmp_path) not in out
    shown = json.loads(gradtag("suite", "show", "asked", "--json")[1])
    assert shown["choices"] == added["choices"] and shown["tasks"][0]["unlabelled"] == 10
    assert re.search(r'Text: p\d+ " one h', gradtag("suite", "show", "asked")[1])

    labels = "--labels", "entailment,not_entailment"
    assert gradtag("suite", "add", "turned", *data, *files, *labels)[0] == 0
    assert load_suite("turned").labels[0, 0] == 1  # the first row is `not_entailment`
    (tmp_path / "two.yaml").write_text("- name: two\n  prompt: '{{text1}} {{text3}}'\n  choices: [no, yes]\n")
    code, _, error = gradtag("suite", "add", "broken", *data, *files)
    assert code == 2 and "`two.yaml`, line 1, template `two`: a placeholder must be one of" in error
    assert sorted(path.name for path in suites_folder().iterdir()) == ["asked", "turned"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Exactly one source must be given, .*`--graph`, `--tabular`, `--text` or `--instructions`; found none"),
        (["--tabular", "t.csv", "--graph", "e.txt"],
         "Exactly one source must be given, .* found `--graph` and `--tabular`"),
        (["--text", "t.csv", "--instructions", "e.txt"], "found `--text` and `--instructions`"),
        (["--text", "t.csv"], "`--text` needs `--text-column`, `--labels`"),
        (["--text", "t.csv", "--text-column", "x", "--labels", "a", "--features", "b", "--pairs", "2"],
         "`--features`, `--pairs` must not stand beside `--text`"),
        (["--instructions", "t.tsv"], "`--instructions` needs `--templates`"),
        (["--instructions", "t.tsv", "--templates", "t.yaml", "--text-column", "x"],
         "`--text-column` must not stand beside `--instructions`"),
        (["--tabular", "t.csv", "--labels", "a", "--templates", "t.yaml"], "`--templates` must not stand beside"),
        (["--text", "/none.csv", "--text-column", "x", "--labels", "a"], "`/none.csv` must be a file; there is none"),
        (["--instructions", "/none.tsv", "--templates", "/none.yaml"], "`/none.tsv` must be a file; there is none"),
        (["--tabular", "t.csv"], "`--tabular` needs `--labels`"),
        (["--tabular", "t.csv", "--labels", "a", "--hops", "2", "--labels-file", "x"],
         "`--labels-file`, `--hops` must not stand beside `--tabular`"),
        (["--graph", "e.txt", "--labels", "a"], "`--labels` must not stand beside `--graph`"),
        (["--graph", "/none/e.txt"], "`/none/e.txt` must be a file; there is none"),
        (["--tabular", "/none/t.csv", "--labels", "a"], "`/none/t.csv` must be a file; there is none"),
        (["--tabular", "t.csv", "--labels", "a", "--seed", "-1"], "--seed"),
        (["--tabular", "t.csv", "--labels", "a\rb"], "Names of columns must stand between commas"),
    ],
)  # fmt: skip
def test_wrong_options_are_one_sentence(words: list[str], sentence: str) -> None:
    code, out, error = gradtag("suite", "add", "mine", *words)
    assert (code, out) == (2, "")
    assert re.search(sentence, error)
    assert not suites_folder().exists()


@pytest.mark.parametrize("name", ["../mine", "yeast", "Mine", "a/b", "a" * 33])
def test_other_names_are_refused(name: str, table: Path) -> None:
    code, _, error = gradtag("suite", "add", name, "--tabular", table, "--labels", "tall")
    assert code == 2 and "`name` must" in error
    for command in ("remove", "show"):
        if name != "yeast" or command == "remove":
            assert gradtag("suite", command, name)[0] == 2


def test_a_name_is_not_taken_twice_and_the_table_is_not_read_for_it(table: Path) -> None:
    assert gradtag("suite", "add", "mine", "--tabular", table, "--labels", "tall")[0] == 0
    code, _, error = gradtag("suite", "add", "mine", "--tabular", "/none.csv", "--labels", "tall")
    assert code == 2 and "there is a suite `mine` already. Remove it first" in error


def test_one_damaged_suite_does_not_hide_the_others(table: Path) -> None:
    for name in ("first", "second"):
        assert gradtag("suite", "add", name, "--tabular", table, "--labels", "tall")[0] == 0
    (suites_folder() / "first" / "suite.json").write_text("{")
    result = CliRunner().invoke(cli.app, ["suites", "--json"])
    assert [info["name"] for info in json.loads(result.stdout)][len(SHIPPED) :] == ["second"]
    assert "Warning" in result.stderr and "first" in result.stderr
    code, _, error = gradtag("suite", "show", "first")
    assert code == 2 and "is damaged: it is no JSON. Remove the suite `first`" in error
    removed = json.loads(gradtag("suite", "remove", "first", "--json")[1])
    assert removed == {"removed": "first", "runs": []}
    assert CliRunner().invoke(cli.app, ["suites"]).stderr == ""


def test_a_run_does_not_go_on_with_other_data_of_the_same_name(table: Path) -> None:
    gradtag("suite", "add", "mine", "--tabular", table, "--labels", "tall,odd,short", "--train", "0.3")
    first = suite_content("mine")
    run = json.loads(gradtag("run", "--suite", "mine", *TINY, "--json")[1])["run"]
    gradtag("suite", "remove", "mine")
    gradtag("suite", "add", "mine", "--tabular", table, "--labels", "tall,short,odd", "--train", "0.3")
    assert suite_content("mine") != first and suite_content("yeast") == ""
    with closing(sqlite3.connect(open_store().home / "runs.sqlite")) as database, database:
        database.execute("UPDATE runs SET state = 'interrupted'")
    code, _, error = gradtag("resume", run)
    assert code == 1 and "`mine` has other content now" in error


def test_a_suite_in_use_is_not_removed(table: Path) -> None:
    gradtag("suite", "add", "mine", "--tabular", table, "--labels", "tall,short")
    queued = open_store().create({}, "a run", "mine", "")
    code, _, error = gradtag("suite", "remove", "mine")
    assert code == 2 and f"`mine` is in use by `{queued.id}`" in error
    assert load_suite("mine").n_tasks == 2


def test_names_with_commas_stand_in_quotes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        'x,"a, b",c\n' + "".join(f"{row},{row % 2},{row % 2}\n" for row in range(20))
    )
    assert gradtag("suite", "add", "mine", "--tabular", tmp_path / "t.csv", "--labels", 'c, "a, b"')[0] == 0
    assert load_suite("mine").task_names == ("c", "a, b")


def test_what_to_beware_of_is_shown_beside_the_kinds_of_tasks(table: Path) -> None:
    gradtag("suite", "add", "mine", "--tabular", table, "--labels", "tall,odd", "--validation", "0.3")
    shown = json.loads(gradtag("suite", "show", "mine", "--json")[1])
    assert [task["kind"] for task in shown["tasks"]] == ["binary", "binary"]
    (few,) = [warning for warning in shown["warnings"] if "rarest class" in warning]
    assert "`tall`, `odd`: fewer than 10 validation examples" in few
    printed = gradtag("suite", "show", "mine")[1]
    assert f"Warning: {few}" in printed and "binary" in printed
    assert json.loads(gradtag("suite", "show", "digits", "--json")[1])["warnings"] == []


def test_a_task_that_is_not_binary_is_shown_by_its_number_of_examples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    labels = np.stack([rng.integers(0, 2, 90), rng.integers(0, 3, 90), rng.normal(size=90)], axis=1)
    mixed = TaskSuite(
        "mixed", ("yes", "which", "how"), rng.normal(size=(90, 2)).astype(np.float32), labels.astype(np.float32),
        rng.permutation(90), SplitRule(0.3, 0.3), kinds=("binary", "multiclass", "regression"),
    )  # fmt: skip
    monkeypatch.setattr("gradtag_core.tasks.registry.load_suite", lambda name: mixed)
    tasks = json.loads(gradtag("suite", "show", "digits", "--json")[1])["tasks"]
    assert [task["kind"] for task in tasks] == ["binary", "multiclass", "regression"]
    assert set(tasks[0]["train"]) == {"positive", "negative"}
    for task, name in ((1, "which"), (2, "how")):
        assert tasks[task]["train"] == {"examples": len(mixed.indices("train", task))}
        assert name in gradtag("suite", "show", "digits")[1]


def test_label_columns_may_be_declared_with_their_kind(tmp_path: Path) -> None:
    path = tmp_path / "kinds.csv"
    rows = [f"{row % 7},{row % 2},{'abc'[row % 3]},{row * 1.5},{(row // 2) % 2}" for row in range(60)]
    path.write_text("x,yes,class,number,odd:regression\n" + "\n".join(rows) + "\n")
    words = ["--tabular", path, "--labels", "yes,class:multiclass,number:regression,odd:regression"]
    code, _, error = gradtag("suite", "add", "mine", *words)
    assert (code, error) == (0, "")
    suite = load_suite("mine")
    assert suite.task_names == ("yes", "class", "number", "odd:regression")
    assert suite.kinds == ("binary", "multiclass", "regression", "binary")
    shown = json.loads(gradtag("suite", "show", "mine", "--json")[1])
    assert [task["kind"] for task in shown["tasks"]] == list(suite.kinds)
    code, _, error = gradtag("run", "--suite", "mine", "--metric", "f1", *TINY)
    assert code == 2 and re.search("found `f1`, .*`number`", error)
    code, _, error = gradtag("run", "--suite", "mine", *TINY, "--n-subsets", "6")
    assert code == 0, error
    code, _, error = gradtag("suite", "add", "other", "--tabular", path, "--labels", "yes,class")
    assert code == 2 and "declare it `class:multiclass`" in error
