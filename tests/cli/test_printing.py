"""Names are printed as they are: rich, which draws the tables, has a markup of its own."""

import pytest
from typer.testing import CliRunner

from gradtag_core.cli import main as cli
from gradtag_core.cli.printing import print_table
from gradtag_core.runs.start import open_store

HOSTILE = ("[red]x[/red]", "[/]", "[bold]", "[link=http://x]y[/link]", ":smile:", "\\[", "[[a]]", "a[/b]c")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_table_shows_every_name_as_it_is(name, capsys):
    print_table((name, "Value"), [(name, 1), ("other", name)])
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == [name, "Value"]
    assert [line.split() for line in lines] == [[name, "1"], ["other", name]]


def test_runs_are_listed_by_the_names_that_they_were_given(tmp_path, monkeypatch, make_hostile_row):
    monkeypatch.setenv("GRADTAG_HOME", str(tmp_path))
    make_hostile_row("[/] [red]mine[/red]")
    result = CliRunner().invoke(cli.app, ["runs"])
    assert result.exit_code == 0, result.exception
    assert "[/] [red]mine[/red]" in result.stdout


@pytest.fixture
def make_hostile_row(tmp_path):
    """Puts a waiting run of that name into the store in `tmp_path`."""

    def made(name):
        from gradtag_core.config import make_config
        from gradtag_core.runs.start import create_run

        create_run(open_store(), make_config("quick", suite="planted"), name)

    return made
