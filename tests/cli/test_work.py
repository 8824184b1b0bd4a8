"""Where units run, by the command line."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from gradtag_core.cli import main as cli
from gradtag_core.cli.work import place_words
from gradtag_core.runs.record import RunRecord

SMALL = [
    "--suite", "digits", "--model", "mlp", "--n-tasks", "4", "--width", "8", "--epochs", "2", "--n-inits", "2",
    "--proj-dim", "8", "--subset-size", "2", "--n-subsets", "6", "--no-train-groups", "--threads", "1",
]  # fmt: skip
RUN = ("run", *SMALL, "--json")


@pytest.mark.xdist_group("processes")
def test_a_run_in_two_processes_says_so_and_has_the_numbers_of_one(tmp_path, monkeypatch):
    found = []
    for words in ((), ("--workers", "2")):
        monkeypatch.setenv("GRADTAG_HOME", str(tmp_path / f"home {len(words)}"))
        result = CliRunner().invoke(cli.app, [*RUN, *words])
        assert result.exit_code == 0, result.exception
        folder = tmp_path / f"home {len(words)}" / "runs" / json.loads(result.stdout)["run"]
        estimated = RunRecord(folder).estimated
        assert estimated is not None
        found.append((result.stderr, estimated.values))
    (alone, expected), (elsewhere, numbers) = found
    assert "Units run in one process of this machine." in alone
    assert "Units made elsewhere" not in alone
    assert "Units run in 2 processes of this machine." in elsewhere
    assert "Units made elsewhere: " in elsewhere and ", process " in elsewhere
    np.testing.assert_array_equal(numbers, expected)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--workers", "0"), "`workers` must be a whole number from 1 to 1024; found 0"),
        (("--scheduler", "here:8786"), "`scheduler` must be the address of a Dask scheduler"),
        (("--scheduler", "tcp://127.0.0.1:9"), "nobody answered at tcp://127.0.0.1:9"),
        (("--workers", "2", "--scheduler", "tcp://127.0.0.1:9"), "must not both be given"),
    ],
)
def test_places_that_cannot_be_are_refused_before_anything_is_stored(words, sentence, own_home):
    result = CliRunner().invoke(cli.app, [*RUN, *words])
    assert isinstance(result.exception, cli.GradTagError)
    assert sentence in str(result.exception)
    stored = json.loads(CliRunner().invoke(cli.app, ["runs", "--json"]).stdout)
    assert all(row["id"].startswith("sample-") for row in stored)


def test_the_busiest_places_are_named_first():
    words = place_words({f"worker {number}": number for number in range(1, 11)})
    assert words.startswith("10 by worker 10; 9 by worker 9; ")
    assert words.endswith("; 3 by worker 3; 3 by 2 others")
