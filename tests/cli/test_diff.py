"""`diff` over the runs that ship, which have truth and groups."""

import json

import pytest
from typer.testing import CliRunner

from gradtag_core.cli import main as cli
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.start import open_store


def diff(*words):
    """(exit code, standard output, sentence of the error) of one call."""
    result = CliRunner().invoke(cli.app, ["diff", *words])
    if isinstance(result.exception, cli.GradTagError):
        return 2, result.stdout, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_run_and_itself_agree_in_everything():
    code, out, _ = diff("sample-yeast", "sample-yeast", "--json")
    found = json.loads(out)
    (difference,) = found["differences"].values()
    assert code == 0
    assert found["parameters"] == {}
    assert difference["affinity"]["row_spearman"] == pytest.approx(1)
    assert difference["affinity"]["clear_cells"] == 0
    assert difference["groups"]["moved"] == [] and difference["groups"]["adjusted_rand"] == 1
    assert difference["remarks"] == []


def test_two_runs_are_told_apart_in_tables_and_in_json():
    words = ("sample-debian", "sample-debian-text")
    code, out, _ = diff(*words, "--json")
    found = json.loads(out)
    assert (code, found["runs"]) == (0, list(words))
    assert found["parameters"]["epochs"] == [10, 3] and "seed" not in found["parameters"]
    assert found["figures"]["sample-debian"]["row_spearman"] == pytest.approx(0.571, abs=1e-3)
    costs = RunRecord(open_store().run_folder(words[1])).summary.costs
    stages = sum(cost.seconds for cost in costs.values())
    assert (
        found["figures"]["sample-debian-text"]["seconds"] == stages > 1000
    )  # its last session took a hundredth
    difference = found["differences"]["sample-debian-text"]
    assert difference["affinity"]["more_than_chance"] is True
    code, out, _ = diff(*words)
    assert code == 0
    for told in (
        "Epochs", "0.571 ± 0.034", "two data sets", "Shared tasks: 30", "than chance", "Adjusted Rand", "pairs with",
    ):  # fmt: skip
        assert told in out
    assert len(json.loads(diff(*words, "--all", "--json")[1])["parameters"]) > len(found["parameters"])


def test_runs_without_common_tasks_are_compared_as_far_as_they_can_be():
    code, out, _ = diff("sample-debian", "sample-yeast", "--metric", "f1")
    assert code == 0
    assert "no task of the same name" in out and "Row Spearman" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("sample-debian",), "`RUN` must be given at least twice; found 1"),
        (("sample-debian", "sample-study-yeast"), "is a study, which has no affinities to compare"),
        (("sample-debian", "no-such-run"), "no-such-run"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(words, sentence):
    code, out, error = diff(*words)
    assert (code, out) == (2, "")
    assert sentence in error
