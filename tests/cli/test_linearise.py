"""Table 1 of the paper on the command line."""

import json

import pytest
from typer.testing import CliRunner

from gradtag_core.cli import main as cli
from gradtag_core.evaluation.linearisation import LinearisationTable
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.start import open_store

TINY = [
    "--suite", "digits", "--n-tasks", "4", "--width", "4", "--epochs", "2", "--base-epochs", "1", "--proj-dim", "4",
    "--subset-size", "2", "--n-subsets", "6", "--proxies-per-task", "0", "--no-train-groups", "--n-groups", "2",
    "--threads", "1",
]  # fmt: skip


def gradtag(*words: str) -> str:
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, result.exception or result.stderr
    return result.stdout


@pytest.fixture
def run_id() -> str:
    return json.loads(gradtag("run", *TINY, "--json"))["run"]


def test_a_run_is_judged_beside_the_paper_and_the_table_is_kept(run_id: str):
    shown = json.loads(gradtag("linearise", run_id, "--subsets", "2", "--json"))
    table = LinearisationTable.from_json(shown)
    assert (shown["run"], shown["trust"], shown["verdict"]) == (run_id, table.trust, table.verdict)
    assert len(table.complete) == 2
    assert RunRecord(open_store().run_folder(run_id)).linearisation == table

    printed = gradtag("linearise", run_id[:-2], "--subsets", "2")
    lines = {
        line.split()[0]: line.split()[1:] for line in printed.splitlines() if "%" in line.split(" ")[1:2][0]
    }
    assert lines["10%"][-3:] == ["3.4e-02", "5.1e-03", "4.1e-03"]
    assert "GNN (paper)" in printed and "linear estimate" in printed and "Not kept" not in printed


def test_what_cannot_be_judged_is_one_sentence():
    result = CliRunner().invoke(cli.app, ["linearise", "sample-study-yeast"])
    assert isinstance(result.exception, cli.GradTagError)
    assert "`run` must be a finished run; `sample-study-yeast` is a study." in str(result.exception)


def test_a_sample_is_judged_and_not_kept():
    printed = gradtag("linearise", "sample-yeast", "--subsets", "1")
    assert "Not kept: the run is a read-only sample." in printed
    assert RunRecord(open_store().run_folder("sample-yeast")).linearisation is None
