import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gradtag_core.errors import StoreError
from gradtag_core.runs.files import write_arrays, write_json, write_table
from gradtag_core.runs.folders import folder_problems
from gradtag_core.runs.store import RunStore


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "home")


def finished(store: RunStore) -> Path:
    """The folder of a done run with a file of each kind."""
    import numpy as np
    import pandas as pd

    run_id = store.create({}, "A run", "yeast", "run").id
    folder = store.run_folder(run_id)
    write_json(folder / "run.json", {"id": run_id})
    write_arrays(folder / "arrays.safetensors", {"one": np.arange(3)})
    write_table(folder / "estimated.parquet", pd.DataFrame({"a": [1, 2]}))
    store.mark_running(run_id, os.getpid())
    store.finish(run_id, "done")
    return folder


def test_a_sound_store_has_no_problems(store: RunStore) -> None:
    assert store.problems == []
    finished(store)
    store.create({}, "At work", "yeast", "run")
    (store.home / "runs" / ".hidden").mkdir()
    assert store.problems == []


def test_what_is_foreign_is_named_with_what_to_do(store: RunStore, tmp_path: Path) -> None:
    finished(store)
    runs = store.home / "runs"
    (runs / "yeast-lost").mkdir()
    (runs / "My Photos").mkdir()
    (runs / "stray.txt").touch()
    (runs / "link").symlink_to(tmp_path)
    problems = store.problems
    assert len(problems) == 4
    text = "\n".join(problems)
    assert "yeast-lost` belongs to no run of the store: take it in" in text
    assert "My Photos` belongs to no run of the store: move it" in text
    for name in ("stray.txt", "link"):
        assert f"{name}` is not the folder of a run" in text
    assert len(store.list()) == 1


def damage_json(folder: Path) -> None:
    (folder / "run.json").write_text("{")


def cut_table(folder: Path) -> None:
    path = folder / "estimated.parquet"
    path.write_bytes(path.read_bytes()[:-3])


def empty_table(folder: Path) -> None:
    (folder / "estimated.parquet").write_bytes(b"")


def cut_arrays(folder: Path) -> None:
    path = folder / "arrays.safetensors"
    path.write_bytes(path.read_bytes()[:-3])


@pytest.mark.parametrize("damage", [damage_json, cut_table, empty_table, cut_arrays])
def test_a_damaged_file_is_named_once_and_hides_nothing(
    store: RunStore, damage: Callable[[Path], None]
) -> None:
    sound, folder = finished(store), finished(store)
    assert store.problems == []
    damage(folder)
    (problem,) = store.problems
    assert f"of the run `{folder.name}` is damaged or was cut short" in problem
    assert store.problems == [problem]
    assert {row.id for row in store.list()} == {sound.name, folder.name}
    store.delete(folder.name)
    assert store.problems == []


def test_results_that_are_gone_are_told(store: RunStore) -> None:
    folder = finished(store)
    folder.rename(store.home / "elsewhere")
    (problem,) = store.problems
    assert f"The results of the run `{folder.name}` are gone" in problem
    assert store.run_folder(folder.name) == folder
    assert not folder.exists()  # looking at a closed run makes nothing
    assert store.get(folder.name).state == "done"


@pytest.mark.parametrize("what", ["runs", "run"])
def test_a_folder_without_permission_is_told(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    folder, other = finished(store), finished(store)
    locked = folder if what == "run" else folder.parent
    listed = Path.iterdir

    def refuse(path: Path) -> object:
        if path == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    (problem,) = store.problems
    assert str(locked) in problem
    assert "Permission denied" in problem
    assert {row.id for row in store.list()} == {folder.name, other.name}


def test_a_run_folder_that_may_not_be_read_is_a_sentence(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = finished(store)
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder)
    with pytest.raises(StoreError, match=r"cannot be read\. Check its permissions"):
        store.run_folder(folder.name)


def test_a_file_in_place_of_a_run_folder_is_a_sentence(store: RunStore) -> None:
    folder = finished(store)
    folder.rename(store.home / "elsewhere")
    folder.touch()
    with pytest.raises(StoreError, match="cannot be read"):
        store.run_folder(folder.name)
    assert len(store.problems) == 1


def test_no_folder_of_runs_yet(tmp_path: Path) -> None:
    assert folder_problems(tmp_path / "nothing", []) == []
