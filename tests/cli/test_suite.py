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
from gradtag_core.tasks.registry import load_suite, suite_content
from gradtag_core.tasks.stored import suites_folder

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


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Exactly one source must be given, `--tabular` or `--graph`; found neither"),
        (["--tabular", "t.csv", "--graph", "e.txt"], "Exactly one source must be given, .* found both"),
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
    assert [info["name"] for info in json.loads(result.stdout)][4:] == ["second"]
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
