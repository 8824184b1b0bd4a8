import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gradtag_core.errors import GradTagError, InvalidInput, StoreError
from gradtag_core.runs import adopt
from gradtag_core.runs.files import read_table, write_table
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.store import RunStore
from gradtag_core.runs.study_record import StudyRecord
from gradtag_core.runs.sweep_measures import CellResult
from gradtag_core.runs.sweep_record import SweepRecord, SweepSummary, cell_record
from gradtag_core.sweep_config import make_sweep_config

ROOT = Path(__file__).parents[2] / "sample_data"
SAMPLE, STUDY = ROOT / "runs" / "yeast", ROOT / "studies" / "yeast"


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a finished run that may be spoilt; without the truth, which takes long to compare with."""
    target = tmp_path / "given"
    shutil.copytree(SAMPLE, target)
    (target / "trained.parquet").unlink()
    return target


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def leftovers(store: RunStore) -> list[str]:
    runs = store.home / "runs"
    return [path.name for path in runs.iterdir()] if runs.exists() else []


def test_a_run_is_taken_in_with_its_id_time_and_command(store: RunStore) -> None:
    summary = RunRecord(SAMPLE).summary
    row = store.adopt(SAMPLE)
    assert (row.id, row.state, row.sample, row.fraction) == (summary.id, "done", False, 1.0)
    assert (row.name, row.suite, row.command, row.config) == (
        summary.name, summary.suite, summary.command, summary.config,
    )  # fmt: skip
    assert (row.created, row.seconds) == (summary.created, summary.seconds)
    assert row.finished == row.created + row.seconds
    record = RunRecord(store.run_folder(row.id))
    assert record.summary == summary
    assert record.comparison() is not None
    assert store.problems == []
    assert SAMPLE.is_dir()  # copied, not moved
    store.delete(row.id)
    assert store.list() == []


def test_the_same_run_is_taken_in_once(store: RunStore, folder: Path) -> None:
    row = store.adopt(folder)
    store.annotate(row.id, note="mine")
    assert store.adopt(folder).note == "mine"
    assert leftovers(store) == [row.id]


def test_a_sample_is_the_same_run_too(tmp_path: Path, folder: Path) -> None:
    store = RunStore(tmp_path / "home", samples=[ROOT / "runs"])
    assert store.adopt(folder).sample
    assert leftovers(store) == []


def test_another_run_of_that_id_gets_an_id_of_its_own(store: RunStore, folder: Path) -> None:
    first = store.adopt(folder)
    change(folder / "run.json", created=first.created + 60)
    second = store.adopt(folder)
    assert second.id != first.id
    assert second.id.startswith("yeast-2026")
    assert RunRecord(store.run_folder(second.id)).summary.id == second.id
    assert store.adopt(folder) == second  # also under its new id
    assert len(store.list()) == 2


def test_an_unfinished_run_here_is_not_the_finished_one(store: RunStore, folder: Path) -> None:
    own = store.create({}, "run", "yeast", "run")
    store.finish(own.id, "cancelled")
    change(folder / "run.json", id=own.id, created=own.created, config=own.config)
    row = store.adopt(folder)
    assert row.id != own.id
    assert store.get(own.id).state == "cancelled"


def test_a_folder_without_a_row_is_not_overwritten(store: RunStore, folder: Path) -> None:
    run_id = RunRecord(folder).summary.id
    shutil.copytree(folder, store.home / "runs" / run_id)
    (store.home / "runs" / run_id / "mine.txt").touch()
    row = store.adopt(store.home / "runs" / run_id)
    assert row.id != run_id
    assert (store.home / "runs" / run_id / "mine.txt").exists()


def test_a_study_is_taken_in(store: RunStore) -> None:
    row = store.adopt(STUDY)
    assert (row.kind, row.state) == ("study", "done")
    assert StudyRecord(store.run_folder(row.id)).records() == StudyRecord(STUDY).records()


@pytest.fixture
def sweep(tmp_path: Path, folder: Path) -> Path:
    """A sweep of two cells, both with the same run."""
    run = RunRecord(folder)
    vary = {"l2": (1e-4, 1e-3)}
    found = SweepSummary(
        "yeast-sweep", "A sweep", run.summary.suite, "sweep", 5.0, make_sweep_config(run.config, vary).to_json(),
        run.summary.fingerprint, {}, "cpu", 0, (None, None), 2.0,
    )  # fmt: skip
    target = tmp_path / "sweep"
    record = SweepRecord(target)
    for index in range(2):
        shutil.copytree(folder, record_folder(target, index))
    record.write(found, {index: CellResult(1.0, 2.0, 3, 0.5, 0.0) for index in range(2)})
    return target


def record_folder(target: Path, index: int) -> Path:
    return cell_record(target, index).folder


def test_a_sweep_is_taken_in_with_its_cells(store: RunStore, sweep: Path) -> None:
    row = store.adopt(sweep)
    assert (row.kind, row.id) == ("sweep", "yeast-sweep")
    record = SweepRecord(store.run_folder(row.id))
    assert record.summary == SweepRecord(sweep).summary
    assert record.cell(1).affinity() is not None
    assert store.adopt(sweep) == row


@pytest.mark.parametrize("damage", ["linked cells", "linked cell", "missing cell", "broken cell", "results"])
def test_a_bad_sweep_is_one_sentence_and_leaves_nothing(store: RunStore, sweep: Path, damage: str) -> None:
    cells, cell = record_folder(sweep, 1).parent, record_folder(sweep, 1)
    if damage == "results":
        stored = json.loads((sweep / "sweep.json").read_text())["results"]
        change(sweep / "sweep.json", results={**stored, "1": {**stored["1"], "flops": "many"}})
    elif damage == "broken cell":
        (cell / "run.json").write_text("{")
    else:
        moved = cells if damage == "linked cells" else cell
        moved.rename(sweep / "elsewhere")
        if damage != "missing cell":
            moved.symlink_to(sweep / "elsewhere")
    with pytest.raises(InvalidInput):
        store.adopt(sweep)
    assert store.list() == []
    assert leftovers(store) == []


def test_only_known_files_are_copied(store: RunStore, folder: Path) -> None:
    (folder / "log.txt").write_text("secret")
    (folder / "deep").mkdir()
    (folder / "deep" / "run.json").write_text("{}")
    (folder / "index.html").write_text("<script>")
    copied = {path.name for path in store.run_folder(store.adopt(folder).id).iterdir()}
    assert copied == {path.name for path in SAMPLE.iterdir()} - {"trained.parquet"}


def spoil(file: str, /, **fields: Any) -> Callable[[Path], None]:
    return lambda folder: change(folder / file, **fields)


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def link(name: str) -> Callable[[Path], None]:
    def linked(folder: Path) -> None:
        (folder / name).rename(folder / "elsewhere")
        (folder / name).symlink_to(folder / "elsewhere")

    return linked


def pipe(folder: Path) -> None:
    (folder / "groups.json").unlink()
    os.mkfifo(folder / "groups.json")


def cut(name: str) -> Callable[[Path], None]:
    def shortened(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:-9])

    return shortened


def unknown_task(folder: Path) -> None:
    table = read_table(folder / "estimated.parquet")
    write_table(folder / "estimated.parquet", table.assign(task="nobody"))


def foreign_table(folder: Path) -> None:
    write_table(folder / "estimated.parquet", pd.DataFrame({"a": [1]}))


def two_kinds(folder: Path) -> None:
    shutil.copy(STUDY / "study.json", folder)


BAD = {
    "no run": (remove("run.json"), "exactly one of `run.json`"),
    "two kinds": (two_kinds, "found 2"),
    "no estimate": (remove("estimated.parquet"), "no estimate"),
    "no arrays": (remove("arrays.safetensors"), "arrays.safetensors"),
    "linked file": (link("run.json"), "must be a plain file"),
    "linked table": (link("estimated.parquet"), "must be a plain file"),
    "pipe": (pipe, "must be a plain file"),
    "cut table": (cut("estimated.parquet"), "damaged or was cut short"),
    "cut arrays": (cut("arrays.safetensors"), "damaged or was cut short"),
    "cut json": (cut("run.json"), "damaged or was cut short"),
    "unknown task": (unknown_task, "unknown tasks"),
    "foreign table": (foreign_table, "lacks the columns"),
    "id": (spoil("run.json", id="../../x"), "`run_id`"),
    "format": (spoil("run.json", format=99), "`format`"),
    "config": (spoil("run.json", config={"n_inits": "many"}), "n_inits"),
    "time": (spoil("run.json", created=1e300), "must be times"),
    "name": (spoil("run.json", name="x" * 201), "`name` must have"),
    "control": (spoil("run.json", command="\x1b[2J"), "`command` must have"),
    "names": (spoil("run.json", task_names=[1, 2]), "`task_names`"),
    "twins": (spoil("run.json", task_names=["a", "a"]), "`task_names`"),
    "costs": (spoil("run.json", costs={"train": {"dollars": 1}}), "dollars"),
    "labels": (spoil("grouping.json", labels=[0]), "`labels`"),
    "status": (spoil("grouping.json", status="lucky"), "status"),
    "grouped": (spoil("groups.json", grouped=[[1.0]]), "groups.json"),
    "text scores": (spoil("groups.json", grouped="none"), "do not fit together"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_finished_run_is_one_sentence_and_leaves_nothing(
    store: RunStore, folder: Path, case: str
) -> None:
    damage, reason = BAD[case]
    damage(folder)
    with pytest.raises(InvalidInput) as caught:
        store.adopt(folder)
    assert reason in str(caught.value)
    assert adopt.PREFIX not in str(caught.value)  # the given folder is named, not the copy
    assert store.list() == []
    assert leftovers(store) == []


@pytest.mark.parametrize("limit", ["MAX_JSON_BYTES", "MAX_FILE_BYTES", "MAX_TABLE_CELLS"])
def test_what_is_too_large_is_refused(
    store: RunStore, folder: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(adopt, limit, 1000)
    with pytest.raises(InvalidInput, match="must have at most"):
        store.adopt(folder)
    assert leftovers(store) == []


def test_links_and_files_are_no_folder(store: RunStore, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    for path in (tmp_path / "link", folder / "run.json", tmp_path / "nothing"):
        with pytest.raises(InvalidInput, match="`folder` must be a folder"):
            store.adopt(path)


def test_a_full_disk_leaves_neither_row_nor_folder(
    store: RunStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gradtag_core.runs.files.sync", full)
    with pytest.raises(StoreError, match="is full"):
        store.adopt(folder)
    monkeypatch.undo()
    monkeypatch.setattr("gradtag_core.runs.disk.sync", full)  # after the renaming
    with pytest.raises(StoreError, match="is full"):
        store.adopt(folder)
    assert store.list() == []


def test_two_at_once_make_one_run_or_two_whole_ones(store: RunStore, folder: Path) -> None:
    def take(_: int) -> str:
        return store.adopt(folder).id

    with ThreadPoolExecutor(3) as pool:
        ids = set(pool.map(take, range(3)))
    for run_id in ids:
        assert RunRecord(store.run_folder(run_id)).summary.id == run_id
    assert {row.id for row in store.list()} == ids == set(leftovers(store))


def test_copies_of_killed_processes_are_removed(store: RunStore, folder: Path) -> None:
    old = store.home / "runs" / f"{adopt.PREFIX}old"
    old.mkdir(parents=True)
    os.utime(old, (1, 1))
    fresh = store.home / "runs" / f"{adopt.PREFIX}fresh"
    fresh.mkdir()
    store.adopt(folder)
    assert not old.exists()
    assert fresh.exists()


def test_errors_are_ours(store: RunStore, folder: Path) -> None:
    (folder / "run.json").write_text('{"id": "x", "name": ' + "[" * 100_000)
    with pytest.raises(GradTagError):
        store.adopt(folder)
