import shlex

import pytest
from typer.testing import CliRunner

from gradtag_core import cli
from gradtag_core.config import PRESETS, make_config
from gradtag_core.runs import start
from gradtag_core.runs.command import command_line

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
    monkeypatch.setattr(cli, "_carry_out", lambda *args: None)
    result = CliRunner().invoke(cli.app, words[3:], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert asked == [config]


class _Row:
    id = "run"
