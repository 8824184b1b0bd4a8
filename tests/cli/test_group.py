"""The `group` command: everything that grouping can do, from a CSV file."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from gradtag_core.cli import main as cli


def group(*words):
    """One call: (exit code, standard output, sentence of the error)."""
    result = CliRunner().invoke(cli.app, ["group", *map(str, words)])
    ours = isinstance(result.exception, cli.GradTagError)
    return (2 if ours else result.exit_code), result.stdout, str(result.exception) if ours else result.stderr


def found(*words):
    code, out, error = group(*words, "--json")
    assert code == 0, error
    return json.loads(out)


@pytest.fixture
def matrix(tmp_path):
    """Three planted groups of three, asymmetric; tasks a to i, `a` with `d` and `g`, and so on."""
    labels = np.arange(9) % 3
    values = (labels[:, None] == labels) + 0.1 * np.random.default_rng(0).normal(size=(9, 9))
    path = tmp_path / "affinity.csv"
    rows = [
        ",".join([name, *(repr(float(value)) for value in row)])
        for name, row in zip("abcdefghi", values, strict=True)
    ]
    path.write_text("\n".join(["," + ",".join("abcdefghi"), *rows]))
    return path


@pytest.mark.parametrize("method", ["auto", "sdp", "local", "spectral", "lloyd", "milp"])
def test_every_method(matrix, method):
    grouping = found(matrix, "--n-groups", 3, "--method", method)
    assert sorted(map("".join, grouping["groups"])) == ["adg", "beh", "cfi"]
    assert grouping["density"] <= grouping["upper_bound"]
    assert grouping["method"] == ("sdp" if method == "auto" else method)
    assert grouping["symmetrised"] is True


@pytest.mark.parametrize("solver", ["ADMM", "SCS", "CLARABEL"])
def test_every_solver(matrix, solver):
    grouping = found(matrix, "--n-groups", 3, "--solver", solver)
    assert (grouping["solver"], grouping["status"]) == (solver, "optimal")


def test_a_penalty_in_place_of_the_number(matrix):
    grouping = found(matrix, "--penalty", 1.5)
    assert (len(grouping["groups"]), grouping["n_groups_asked"], grouping["penalty"]) == (3, None, 1.5)


def test_constraints(matrix, tmp_path):
    costs = tmp_path / "costs.csv"
    costs.write_text("".join(f"{name},{4 if name == 'a' else 1}\n" for name in "abcdefghi"))
    groups = found(
        matrix, "--n-groups", 3, "--must-link", "a,b", "--must-link", "b,c", "--cannot-link", "a,d",
        "--max-size", 4, "--min-size", 2, "--task-costs", costs, "--max-group-cost", 6,
    )["groups"]  # fmt: skip
    assert any({"a", "b", "c"} <= set(members) for members in groups)
    assert all(2 <= len(members) <= 4 for members in groups)


def test_overlapping_groups(matrix):
    cover = found(matrix, "--n-groups", 3, "--overlap", "--max-size", 4)
    assert cover["status"] == "optimal"
    assert all(
        name in cover["groups"][number] for name, number in zip("abcdefghi", cover["served_by"], strict=True)
    )
    code, out, _ = group(matrix, "--n-groups", 2, "--overlap", "--max-size", 5)
    assert code == 0
    assert "Group 2: " in out
    assert "optimal" in out


def test_words_for_people(matrix):
    code, out, _ = group(matrix, "--n-groups", 3)
    assert code == 0
    assert "Group 1: a, d, g" in out
    assert "Found by sdp" in out
    assert "not symmetric" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Give either `n_groups`, or `penalty`"),
        (("--n-groups", 3, "--penalty", 1), "found `n_groups` = 3 and `penalty` = 1.0"),
        (("--n-groups", 10), "`n_groups` must be a whole number from 1 to the number of tasks, 9; found 10"),
        (
            ("--n-groups", 3, "--max-size", 2),
            "No grouping satisfies all of: `max_size` = 2, `n_groups` = 3, 9 tasks",
        ),
        (
            ("--n-groups", 2, "--must-link", "a,b", "--cannot-link", "a,b"),
            "`must_link` a,b, `cannot_link` a,b",
        ),
        (("--n-groups", 2, "--must-link", "a,z"), "`must_link` takes two task names"),
        (("--n-groups", 2, "--task-costs", "/nowhere.csv"), "/nowhere.csv"),
        (("--n-groups", 2, "--overlap", "--penalty", 1), "`overlap` needs `n_groups`"),
        (
            ("--n-groups", 2, "--method", "lloyd", "--max-size", 5),
            "`method` = lloyd does not go with constraints",
        ),
    ],
)
def test_what_cannot_be_done_is_one_sentence(matrix, words, sentence):
    code, out, error = group(matrix, *words)
    assert (code, out) == (2, "")
    assert sentence in error


def test_one_task_and_as_many_groups_as_tasks(tmp_path, matrix):
    path = tmp_path / "one.csv"
    path.write_text(",a\na,0.5\n")
    assert found(path, "--n-groups", 1)["groups"] == [["a"]]
    assert found(path, "--penalty", 1)["groups"] == [["a"]]
    assert len(found(matrix, "--n-groups", 9)["groups"]) == 9
