"""Each example as a user runs it: in a process of its own, without a network, into an empty store."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.start import open_store

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
OWN_MODELS = ["own_pytorch_model", "hugging_face_model", "pyg_model"]
LONGEST_PROTOCOL = 25  # lines that a user writes


def output_of(name: str, folder: Path) -> str:
    """What an example prints; its temporary files go to `folder`."""
    offline = {"HF_HUB_OFFLINE": "1", "TMPDIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", f"examples.{name}"], cwd=ROOT, env={**os.environ, **offline}, timeout=115,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def only_record() -> RunRecord:
    store = open_store()
    (row,) = (row for row in store.list() if not row.sample)
    assert row.state == "done"
    return RunRecord(store.run_folder(row.id))


def printed_groups(output: str) -> list[list[str]]:
    return [line.split(", ") for line in re.findall(r"^Group \d+: (.+)$", output, re.MULTILINE)]


def assert_groups_and_share(output: str, record: RunRecord) -> None:
    groups = printed_groups(output)
    assert record.grouping is not None and groups == [list(group) for group in record.grouping.groups]
    assert sorted(task for group in groups for task in group) == sorted(record.summary.task_names)
    (share,) = re.findall(r"^FLOPs.*: ([\d.]+)%$", output, re.MULTILINE)
    assert 0 < float(share) < 100


def assert_own_model(output: str, record: RunRecord) -> None:
    assert_groups_and_share(output, record)
    summary = record.summary
    assert summary.warnings == ()  # no layer is one whose gradients are slow
    assert "model=<" in summary.command
    assert summary.captured_energy is not None and 0 < summary.captured_energy <= 1 + 1e-6


@pytest.mark.parametrize("name", OWN_MODELS[1:])
def test_an_own_model_gives_groups_at_a_share_of_the_training(name, tmp_path):
    assert_own_model(output_of(name, tmp_path), only_record())


@pytest.mark.slow
def test_a_second_time_everything_comes_from_the_cache(tmp_path):
    first = output_of("own_pytorch_model", tmp_path)
    assert_own_model(first, only_record())
    store = open_store()
    files = {path: path.stat().st_mtime_ns for path in store.cache.root.rglob("*") if path.is_file()}
    assert files
    assert output_of("own_pytorch_model", tmp_path) == first
    assert files == {path: path.stat().st_mtime_ns for path in store.cache.root.rglob("*") if path.is_file()}
    assert len([row for row in store.list() if not row.sample]) == 2


def test_from_data_to_groups(tmp_path):
    output, record = output_of("from_data_to_groups", tmp_path), only_record()
    assert_groups_and_share(output, record)
    comparison = record.comparison()
    assert comparison is not None
    row_spearman = comparison.estimate.agreement.row_spearman
    assert f"Row Spearman against the truth: {row_spearman:.2f}" in output
    assert row_spearman > 0.2
    (figure,) = tmp_path.rglob("affinity.html")
    assert str(figure) in output and "Class14" in figure.read_text()
    cells = (EXAMPLES / "from_data_to_groups.py").read_text().count("\n# %% ")
    assert cells >= 5


@pytest.mark.parametrize("name", OWN_MODELS)
def test_what_a_user_writes_is_short(name):
    text = (EXAMPLES / f"{name}.py").read_text()
    (protocol,) = re.findall(r"# --- what you write: (\d+) lines ---\n(.*?)# --- end ---", text, re.DOTALL)
    lines = [line for line in protocol[1].splitlines() if line.strip()]
    assert len(lines) == int(protocol[0]) <= LONGEST_PROTOCOL


def test_the_readme_tells_of_every_example():
    readme = (EXAMPLES / "README.md").read_text()
    assert set(re.findall(r"`examples\.(\w+)`", readme)) == {path.stem for path in EXAMPLES.glob("*.py")}
