"""`sweep` as a user meets it."""

import json

import pytest
from typer.testing import CliRunner

from gradtag_core.cli import main as cli
from gradtag_core.errors import GradTagError
from gradtag_core.runs.start import open_store
from gradtag_core.runs.sweep_record import SweepRecord

SMALL = [
    "sweep", "--suite", "planted", "--n-tasks", "5", "--width", "8", "--epochs", "2", "--base-epochs", "1",
    "--n-subsets", "10", "--subset-size", "2", "--n-groups", "2", "--proxies-per-task", "0", "--truth", "10",
    "--vary", "proj_dim=4", "--vary", "seed=0,1",
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
def swept(home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADTAG_HOME", home)
        code, output, errors = gradtag(*SMALL, "--json")
    assert code == 0, errors
    return json.loads(output)


def test_json_has_every_cell_with_values_and_errors(swept):
    assert swept["vary"] == {"proj_dim": [4], "seed": [0, 1]} and swept["truths"] == 2
    assert [cell["values"] for cell in swept["cells"]][1] == {"proj_dim": 4, "seed": 1}
    for cell in swept["cells"]:
        assert cell["error"] is None and cell["results"]["n_groups"] == 2
        assert cell["row_spearman"]["standard_error"] >= 0 and cell["flops"]["value"] > 0


def test_show_and_resume_print_the_table(swept, monkeypatch):
    code, output, _ = gradtag("show", swept["sweep"])
    assert code == 0 and "Row Spearman" in output and "*: best row Spearman" in output
    assert "judged by 2 different sets of real trainings" in output
    assert "python -m gradtag_core sweep --suite planted" in output
    assert json.loads(gradtag("show", swept["sweep"], "--json")[1])["cells"] == swept["cells"]
    store = open_store()
    row = store.get(swept["sweep"])
    again = store.create(row.config, "again", row.suite, row.command, "sweep")
    store.request_cancel(again.id)
    code, output, _ = gradtag("resume", again.id)
    assert code == 0 and f"Sweep {again.id}" in output
    first, second = (SweepRecord(store.run_folder(run_id)).results for run_id in (row.id, again.id))
    assert [one.spearman for one in first.values()] == [one.spearman for one in second.values()]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--vary", "proj_dim=4"], "`vary` must make 2 to 64 cells; found 1."),
        (["--vary", "n_groups=2,9"], "The cell `n_groups` = 9 cannot be run: `n_groups` must be at most"),
        (["--vary", "suite=a,b"], "`vary` must name knobs among"),
        (["--vary", "l2=1,x"], "`l2`: input should be a valid number"),
    ],
)
def test_a_bad_grid_is_one_sentence_and_stores_nothing(words, sentence):
    before = len(open_store().list())
    code, _, error = gradtag("sweep", "--suite", "planted", "--n-tasks", "5", *words)
    assert code == 2 and error.startswith(sentence)
    assert len(open_store().list()) == before


def test_a_sweep_has_no_estimate_of_its_own_to_compare(swept):
    code, _, error = gradtag("compare", swept["sweep"])
    assert code == 2 and "is a sweep, which has no estimate of its own to judge" in error
