import os
from pathlib import Path

import pytest

from gradtag_core.errors import StoreError
from gradtag_core.progress import Progress
from gradtag_core.runs import worker
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.store import RunStore


@pytest.mark.parametrize(
    ("outcome", "code", "line"),
    [
        ("done", 0, "The run is done."),
        ("failed", 1, "The run is failed. No labels."),
        ("error", 1, "The disk is full."),
    ],
)
def test_the_worker_frees_its_place_and_says_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], outcome: str, code: int, line: str
) -> None:
    freed: list[RunStore] = []

    def execute(store: RunStore, run_id: str, on_progress: object) -> RunRow:
        if outcome == "error":
            raise StoreError("The disk is full.")
        state = "done" if outcome == "done" else "failed"
        return RunRow(run_id, "", "", state, {}, "", 0.0, error=None if outcome == "done" else "No labels.")

    monkeypatch.setattr(worker, "execute", execute)
    monkeypatch.setattr(worker, "free_place", freed.append)
    assert worker.main("yeast") == code
    assert len(freed) == 1
    assert capsys.readouterr().out.strip().endswith(line)


def test_a_bug_frees_the_place_too_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[RunStore] = []

    def execute(*_: object) -> RunRow:
        raise KeyError("bug")

    monkeypatch.setattr(worker, "execute", execute)
    monkeypatch.setattr(worker, "free_place", freed.append)
    with pytest.raises(KeyError):
        worker.main("yeast")
    assert len(freed) == 1


def test_a_second_worker_of_a_run_leaves_with_a_sentence(
    own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = RunStore(own_home)
    run_id = store.create({}, "A run", "yeast", "run").id
    store.mark_running(run_id, os.getpid())
    assert worker.main(run_id) == 1
    assert "is running: it can become" in capsys.readouterr().out
    assert store.get(run_id).state == "running"
    store.finish(run_id, "done")


def test_the_log_has_a_line_for_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    log = worker.Log()
    for stage, done in (("Training", 0), ("Training", 1), ("Estimating", 0), ("Estimating", 3)):
        log.on_progress(Progress(stage, done, 3), 0.5, None)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == ["Training (3)", "Estimating (3)"]


def test_a_log_that_cannot_be_written_does_not_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def full(*words: object, **options: object) -> None:
        tried.append(words)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("builtins.print", full)
    worker.Log().say("x")
    assert len(tried) == 1 and str(tried[0][-1]).endswith("x")
