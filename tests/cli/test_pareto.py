"""`pareto` as a user meets it."""

import json

import pytest
from typer.testing import CliRunner

from gradtag_core.cli import main as cli
from gradtag_core.errors import GradTagError
from gradtag_core.study_config import REFERENCES

SMALL = [
    "pareto", "--suite", "digits", "--n-tasks", "4", "--width", "8", "--epochs", "2", "--methods", "tag,hoa",
    "--seeds", "2",
]  # fmt: skip


def gradtag(*words):
    """(exit code, standard output, the error's sentence)."""
    result = CliRunner().invoke(cli.app, list(words))
    if isinstance(result.exception, GradTagError):
        return 2, result.stdout, str(result.exception)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return str(tmp_path_factory.mktemp("home"))


@pytest.fixture(autouse=True)
def _at_home(home, monkeypatch):
    monkeypatch.setenv("GRADTAG_HOME", home)


@pytest.fixture(scope="module")
def study(home):
    """The records of a finished study and its id."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADTAG_HOME", home)
        code, output, _ = gradtag(*SMALL, "--json")
        assert code == 0
        rows = json.loads(gradtag("runs", "--json")[1])
    (row,) = [row for row in rows if row["kind"] == "study" and not row["sample"]]
    return json.loads(output), row["id"]


def test_a_study_is_a_list_of_records(study):
    records, _ = study
    assert {record["method"] for record in records} == {*REFERENCES, "tag", "hoa"}
    for record in records:
        assert {"method", "error", "error_se", "flops", "seconds", "estimated", "on_front"} <= set(record)
        assert 0 < record["error"] < 1 and record["error_se"] >= 0 and record["n_seeds"] == 2
    assert any(record["on_front"] for record in records)


def test_a_budget_names_the_best_within_it(study):
    records, study_id = study
    dearest = max(record["flops"] for record in records)
    code, output, _ = gradtag("pareto", "--resume", study_id, "--budget", str(dearest), "--json")
    chosen = [record for record in json.loads(output) if record["best_within_budget"]]
    assert code == 0 and [record["error"] for record in chosen] == [
        min(record["error"] for record in records)
    ]
    output = gradtag("pareto", "--resume", study_id, "--budget", str(dearest))[1]
    assert "Best within" in output and "Naive multitask" in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--budget", "10"], "`budget` must be at least the FLOPs of the cheapest method"),
        (["--methods", "tagg"], "found `tagg`. Did you mean `tag`"),
        (["--methods", "louvain"], "`louvain` needs a graph"),
        (["--seeds", "0"], "`seeds`: "),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_runs(options, message):
    before = gradtag("runs", "--json")[1]
    code, output, error = gradtag(*SMALL, *options)
    assert (code, output) == (2, "") and message in error
    assert gradtag("runs", "--json")[1] == before


def test_another_configuration_is_refused_with_the_difference_named(study):
    code, _, error = gradtag("pareto", "--resume", study[1], "--seeds", "3")
    assert code == 2 and "`seeds` must be that of the study, 2; found 3." in error
    code, _, error = gradtag("pareto", "--resume", study[1], "--suite", "yeast")
    assert code == 2 and "`suite` must be that of the study, digits; found yeast." in error
    assert gradtag("pareto", "--resume", study[1], "--seeds", "2")[0] == 0


def test_a_study_is_shown_and_no_run(study):
    code, output, _ = gradtag("show", study[1])
    assert code == 0 and "HOA" in output and "pareto --suite digits" in output
    shown = json.loads(gradtag("show", study[1], "--json")[1])
    assert shown["kind"] == "study" and shown["records"] == study[0]
    code, _, error = gradtag("compare", study[1])
    assert code == 2 and "is a study" in error
