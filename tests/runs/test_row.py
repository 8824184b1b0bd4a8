import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.runs import row as rows
from gradtag_core.runs.files import write_json
from gradtag_core.runs.row import RunRow, check_run_id, process_ended, process_identity, read_samples

SAMPLE = {
    "id": "yeast-sample",
    "name": "Yeast",
    "suite": "yeast",
    "config": {"n_groups": 3},
    "command": "gradtag run yeast",
    "created": 1_700_000_000,
    "seconds": 12.5,
}


def running(pid: int | None, process: str | None, age: float = 0.0) -> RunRow:
    state = "queued" if pid is None else "running"
    beat = time.time() - age
    return RunRow("a", "a", "a", state, {}, "", beat, heartbeat=beat, pid=pid, process=process)


@pytest.mark.parametrize(
    "bad", ["", "..", "a/b", "../a", "a\\b", "A", "-a", "a-", "a.b", "a\n", "a\0", "a" * 65, "ä"]
)
def test_ids_that_could_leave_the_folder_are_refused(bad: str) -> None:
    with pytest.raises(InvalidInput, match="`run_id`"):
        check_run_id(bad)


@settings(deadline=None)
@given(st.text(max_size=12))
def test_an_accepted_id_is_one_plain_folder_name(text: str) -> None:
    try:
        check_run_id(text)
    except InvalidInput:
        return
    assert (Path("/home") / text).resolve().parent == Path("/home").resolve()
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_identity_belongs_to_one_process() -> None:
    own = process_identity(os.getpid())
    if own is None:
        pytest.skip("processes have no known start time here")
    assert own == process_identity(os.getpid())
    assert own != process_identity(os.getppid())
    assert not process_ended(running(os.getpid(), own))
    assert process_ended(running(os.getpid(), own + "1"))  # same pid, other start time


def test_zombie_counts_as_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.DEVNULL)
    row = running(child.pid, process_identity(child.pid))
    if row.process is None:
        pytest.skip("processes have no known start time here")
    deadline = time.monotonic() + 60
    while not process_ended(row) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process_ended(row)  # although nobody has waited for it
    child.wait()
    assert process_ended(row)


def test_process_that_cannot_be_looked_up_lives_by_its_heartbeat() -> None:
    elsewhere = "another-boot pid:[1] 5"
    assert not process_ended(running(os.getpid(), elsewhere, age=50))
    assert process_ended(running(os.getpid(), elsewhere, age=70))


def test_without_start_times_the_pid_and_the_heartbeat_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "this_machine", lambda: None)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert process_identity(os.getpid()) is None
    assert not process_ended(running(os.getpid(), None))
    assert process_ended(running(os.getpid(), None, age=70))
    assert process_ended(running(child.pid, None))


def test_run_without_a_process_waits_for_one_but_not_forever() -> None:
    assert not process_ended(running(None, None, age=25))
    assert process_ended(running(None, None, age=35))


def test_samples_are_read_and_the_rest_is_reported(tmp_path: Path) -> None:
    write_json(tmp_path / "good" / "run.json", {**SAMPLE, "costs": {}})
    write_json(tmp_path / "twin" / "run.json", SAMPLE)
    write_json(tmp_path / "list" / "run.json", [1])
    for key, value in {"id": "../x", "config": None, "seconds": True, "created": "today"}.items():
        write_json(tmp_path / f"wrong-{key}" / "run.json", {**SAMPLE, key: value})
    (tmp_path / "empty").mkdir()
    (tmp_path / "stray.txt").touch()
    (tmp_path / "README.md").touch()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "run.json").write_text('{"id": ')
    found, problems = read_samples([tmp_path])
    ((row, folder),) = found.values()
    assert folder == tmp_path / "good"
    assert row.sample
    assert (row.id, row.state, row.fraction, row.config) == ("yeast-sample", "done", 1.0, {"n_groups": 3})
    text = "\n".join(problems)
    for name in (
        "twin",
        "list",
        "wrong-id",
        "wrong-config",
        "wrong-seconds",
        "wrong-created",
        "empty",
        "stray.txt",
        "cut",
    ):
        assert f"The sample run `{name}` was skipped" in text
    assert len(problems) == 9


def test_missing_folder_of_samples_is_a_problem_not_an_error(tmp_path: Path) -> None:
    found, (problem,) = read_samples([tmp_path / "nowhere"])
    assert found == {}
    assert "nowhere" in problem
