"""The README does what it says."""

import re
from pathlib import Path

from gradtag_core.cli import main as cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_library_example_runs(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(example.strip().splitlines()) <= 12
    exec(compile(example, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "Class1" in printed
    assert "at most" in printed


def test_every_make_target_that_it_names_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)", README))
    assert {"app", "test"} <= named <= targets


def test_every_command_that_it_names_exists_and_the_other_way_round():
    registered = {
        command.name or command.callback.__name__
        for command in cli.app.registered_commands
        if command.callback
    } | {group.name for group in cli.app.registered_groups}
    named = set(re.findall(r"^\| `([a-z]+)[^|]*` \|", README, re.MULTILINE))
    assert named == registered


def test_every_file_that_it_links_exists():
    for target in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", README):
        path = next(filter(None, target))
        if not path.startswith("http"):
            assert (ROOT / path).exists(), path
