"""The command line as a user meets it: in a process of its own, with its exit code and its two streams."""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from gradtag_core.cli import main as cli

SMALL = [
    "--suite", "digits", "--n-tasks", "5", "--width", "8", "--epochs", "2", "--n-inits", "2", "--proj-dim", "8",
    "--subset-size", "2", "--n-subsets", "10", "--threads", "1",
]  # fmt: skip
COMPARED = {
    "row_spearman",
    "row_spearman_fraction",
    "column_spearman",
    "distance_squared",
    "distance",
    "flops_ratio",
}


def gradtag(*words):
    """One call in this process: (exit code, standard output, sentence of the error)."""
    result = CliRunner().invoke(cli.app, list(words))
    sentence = str(result.exception) if isinstance(result.exception, cli.GradTagError) else result.stderr
    return (
        (2 if isinstance(result.exception, cli.GradTagError) else result.exit_code),
        result.stdout,
        sentence,
    )


def process(*words):
    command = [sys.executable, "-m", "gradtag_core", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, env=os.environ, check=False)


@pytest.fixture
def toy_csv(tmp_path):
    """The matrix of the paper's example 4.1 (appendix B)."""
    rows = ["7,7,6,6,5,5"] * 2 + ["6,6,20,20,19,19"] * 2 + ["5,5,19,19,20,20"] * 2
    names = [f"t{index}" for index in range(1, 7)]
    path = tmp_path / "toy.csv"
    lines = [",".join(["", *names]), *(f"{name},{row}" for name, row in zip(names, rows, strict=True))]
    path.write_text("\n".join(lines))
    return path


def test_run_compare_show_and_runs_print_every_figure():
    finished = process("run", *SMALL, "--truth", "6", "--json")
    assert finished.returncode == 0, finished.stderr
    run = json.loads(finished.stdout)
    assert {"run", "seconds", "flops", "groups", "metric"} <= run.keys()
    assert sorted(name for group in run["groups"] for name in group) == [
        f"digit {index}" for index in range(5)
    ]
    assert run["seconds"] > 0 and run["flops"] > 0

    code, out, _ = gradtag("compare", run["run"], "--json")
    compared = json.loads(out)
    assert code == 0
    assert COMPARED | {"row_spearman_ceiling"} <= compared.keys()
    for line in ("constant", "random", "label_similarity", "equal_flops"):
        assert compared[line].keys() >= COMPARED

    code, out, _ = gradtag("show", run["run"][:-2], "--json")
    shown = json.loads(out)
    assert (code, shown["state"], shown["grouping"]["groups"]) == (0, "done", run["groups"])
    assert shown["id"] in {row["id"] for row in json.loads(gradtag("runs", "--json")[1])}
    for words in (("compare", run["run"]), ("show", run["run"]), ("runs",), ("suites",)):
        code, out, _ = gradtag(*words)
        assert code == 0 and out.strip()


def test_errors_are_one_sentence_on_standard_error_with_exit_code_two(tmp_path):
    finished = process("run", "--suite", "yaest", "--json")
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr.startswith("Error: `suite` must be one of")
    assert "Did you mean `yeast`?" in finished.stderr
    assert finished.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("run", "--preset", "fast"), "'fast' is not one of 'quick'"),
        (("run", "--n-inits", "many"), "Invalid value for '--n-inits'"),
        (("group",), "Missing argument"),
        (("teach",), "No such command 'teach'"),
    ],
)
def test_wrong_usage_is_one_sentence_too(words, sentence):
    finished = process(*words)
    assert finished.returncode == 2
    assert sentence in finished.stderr
    assert finished.stderr.startswith("Error: ") and finished.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("run", *SMALL, "--n-groups", "6"), "`n_groups` must be at most the number of tasks, 5; found 6"),
        (
            ("run", *SMALL[:-6], "--subset-size", "6"),
            "`subset_size` must be at most the number of tasks, 5; found 6",
        ),
        (
            ("run", *SMALL, "--proj-dim", "0"),
            "`proj_dim`: input should be greater than or equal to 1; found 0",
        ),
        (("run", *SMALL, "--n-subsets", "3"), "cells stay empty: `digit"),
        (
            ("run", *SMALL, "--n-tasks", "50"),
            "`n_tasks` must be between 1 and the 10 tasks of `digits`; found 50",
        ),
        (("compare", "no-such-run"), "no-such-run"),
        (("show", "../etc"), "`run_id`"),
        (("group", "/nowhere.csv", "--n-groups", "2"), "/nowhere.csv"),
    ],
)
def test_bad_input_is_refused_with_its_rule(words, sentence):
    code, out, error = gradtag(*words)
    assert code == 2
    assert out == ""
    assert sentence in error


def test_group_finds_the_pairs_of_the_papers_example(toy_csv):
    code, out, _ = gradtag("group", str(toy_csv), "--n-groups", "3", "--json")
    found = json.loads(out)
    assert code == 0
    assert {"labels", "density", "upper_bound", "gap", "status", "seconds"} <= found.keys()
    assert found["labels"] == [0, 0, 1, 1, 2, 2]
    assert found["density"] == pytest.approx(94)
    assert found["upper_bound"] == pytest.approx(94, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("a,b\n1,2\n3,4\n5,6\n", "square"), (",a,b\na,1,x\nb,2,3\n", "x"), (",a,b\na,1\nb,2,3\n", "ine 2")],
)
def test_a_bad_matrix_is_refused_by_place(tmp_path, text, sentence):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    code, _, error = gradtag("group", str(path), "--n-groups", "2")
    assert code == 2
    assert sentence in error


def test_more_groups_than_tasks(toy_csv):
    code, _, error = gradtag("group", str(toy_csv), "--n-groups", "7")
    assert code == 2
    assert "7" in error and "6" in error


def test_comparing_without_truth_says_how_to_get_it():
    _, out, _ = gradtag("run", *SMALL, "--no-train-groups", "--json")
    code, _, error = gradtag("compare", json.loads(out)["run"])
    assert code == 2
    assert "--truth" in error


def test_cancelling_a_finished_run_is_refused():
    _, out, _ = gradtag("run", *SMALL, "--no-train-groups", "--json")
    code, _, error = gradtag("cancel", json.loads(out)["run"])
    assert code == 2
    assert "done" in error


def test_a_run_in_line_is_listed_as_waiting(own_home):
    from gradtag_core.runs.queue import wait_in_line
    from gradtag_core.runs.store import RunStore

    store = RunStore(own_home)
    run_id = store.create({}, "In line", "yeast", "run").id
    wait_in_line(store, run_id)
    line = next(line for line in gradtag("runs")[1].splitlines() if run_id in line)
    assert "waiting" in line
    assert "state: waiting" in gradtag("show", run_id)[1]
    assert json.loads(gradtag("runs", "--json")[1])[0]["waiting_since"] > 0
    assert "cancelled" in gradtag("cancel", run_id)[1]
