import shlex

import pytest
from typer.testing import CliRunner

from gradtag_core.cli import main as cli
from gradtag_core.cli import pareto, runs
from gradtag_core.config import PRESETS, make_config
from gradtag_core.runs import start
from gradtag_core.runs.command import command_line, python_call, study_command_line
from gradtag_core.runs.record import RunRecord
from gradtag_core.study_config import make_study_config
from gradtag_core.sweep_config import make_sweep_config, read_sweep_config

CONFIGS = [
    make_config(None),
    *(make_config(preset) for preset in PRESETS),
    make_config("quick", suite="debian", n_tasks=30, pairwise=True, train_groups=False, l2=1e-5, truth=3),
    make_config(None, rounding="threshold", rounding_threshold=0.2, seed=7, device="cpu", threads=1),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_the_command_line_gives_the_configuration_back(config, monkeypatch):
    words = shlex.split(command_line(config))
    assert words[:4] == ["python", "-m", "gradtag_core", "run"]
    asked = []
    monkeypatch.setattr(start, "create_run", lambda store, config, name: asked.append(config) or _Row())
    monkeypatch.setattr(runs, "carry_out", lambda *args: None)
    monkeypatch.setattr(runs, "print_outcome", lambda *args: None)
    result = CliRunner().invoke(cli.app, words[3:], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert asked == [config]


STUDIES = [
    make_study_config(),
    make_study_config(
        suite="debian", n_tasks=30, methods="tag,hoa,grad_tag_m7", seeds=1, metric="f1", seed=4, n_groups=5,
        width=32, epochs=3, learning_rate=0.01, batch_size=64, weighting="tasks", search_limit=50.0, device="cpu",
        threads=2, model="sign",
    ),
]  # fmt: skip


@pytest.mark.parametrize("config", STUDIES)
def test_the_command_line_gives_the_study_back(config, monkeypatch):
    words = shlex.split(study_command_line(config))
    assert words[:4] == ["python", "-m", "gradtag_core", "pareto"]
    asked = []
    monkeypatch.setattr(start, "create_study", lambda store, config, name: asked.append(config) or _Row())
    monkeypatch.setattr(pareto, "carry_out", lambda *args: None)
    monkeypatch.setattr(pareto, "print_study", lambda *args: None)
    result = CliRunner().invoke(cli.app, words[3:], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert asked == [config]


@pytest.mark.parametrize("config", CONFIGS)
def test_the_call_in_python_gives_the_configuration_back(config, monkeypatch):
    asked = []

    def ran(given):
        asked.append(given)
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "run", ran)
    with pytest.raises(KeyboardInterrupt):
        exec(python_call(config), {})
    assert asked == [config]
    assert max(map(len, python_call(config).splitlines())) < 120


@pytest.mark.parametrize("config", STUDIES)
def test_the_call_in_python_gives_the_study_back(config, monkeypatch):
    asked = []

    def created(store, given):
        asked.append(given)
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "create_study", created)
    with pytest.raises(KeyboardInterrupt):
        exec(python_call(config), {})
    assert asked == [config]


def test_the_call_in_python_repeats_the_run_when_it_is_pasted(capsys):
    config = make_config(
        suite="digits", n_tasks=4, width=8, epochs=1, base_epochs=1, proj_dim=8, subset_size=2, n_subsets=6,
        proxies_per_task=0, train_groups=False, threads=1,
    )  # fmt: skip
    exec(python_call(config), {})
    (row,) = start.open_store().list("run")[:1]
    record = RunRecord(start.open_store().run_folder(row.id))
    assert record.grouping
    assert (record.config, row.state) == (config, "done")
    assert capsys.readouterr().out.strip() == str(record.grouping.groups)


def test_the_call_in_python_repeats_the_study_when_it_is_pasted(capsys):
    config = make_study_config(
        suite="digits", n_tasks=4, methods="random_groups", seeds=1, width=8, epochs=1, threads=1
    )
    exec(python_call(config), {})
    (row,) = start.open_store().list("study")[:1]
    assert (row.state, make_study_config(**row.config)) == ("done", config)
    assert "'single_task'" in capsys.readouterr().out


def test_the_call_in_python_repeats_the_sweep_when_it_is_pasted(capsys):
    base = make_config(
        suite="digits", n_tasks=4, width=8, epochs=1, base_epochs=1, subset_size=2, n_subsets=6, proxies_per_task=0,
        train_groups=False, threads=1,
    )  # fmt: skip
    config = make_sweep_config(base, {"proj_dim": [4, 8], "n_groups": [2, None]})
    exec(python_call(config), {})
    (row,) = start.open_store().list("sweep")[:1]
    assert (row.state, read_sweep_config(row.config)) == ("done", config)
    assert "proj_dim" in capsys.readouterr().out


class _Row:
    id = "run"
