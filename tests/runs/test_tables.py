"""Rows that no store of ours wrote: told, left out, and never in the way of the others."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gradtag_core.errors import StoreError
from gradtag_core.runs.process import launch
from gradtag_core.runs.row import DamagedRow
from gradtag_core.runs.store import RunStore


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "home")


def change_database(store: RunStore, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(store.home / "runs.sqlite", isolation_level=None)) as database:
        database.execute(statement, values)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("config", "{", "`config` is no JSON"),
        ("config", b"\xff", "`config` is no JSON"),
        ("config", "[" * 100_000, "`config` is no JSON"),
        ("config", "[1]", "`config` cannot be"),
        ("state", "happy", "`state` cannot be"),
        ("kind", "party", "`kind` cannot be"),
        ("created", "today", "`created` cannot be"),
        ("heartbeat", b"x", "`heartbeat` cannot be"),
        ("pid", "none", "`pid` cannot be"),
        ("name", b"\x00", "`name` cannot be"),
        ("error", b"\x00", "`error` cannot be"),
    ],
)
def test_a_damaged_row_is_told_and_can_be_deleted(
    store: RunStore, column: str, value: object, reason: str
) -> None:
    run_id, sound = (store.create({}, name, "yeast", "run").id for name in ("broken", "sound"))
    change_database(store, f"UPDATE runs SET {column} = ? WHERE id = ?", value, run_id)
    assert [row.id for row in store.list()] == [sound]
    assert [row.id for row in store.open_rows()] == [sound]
    (problem,) = store.problems
    assert problem.startswith(f"The run `{run_id}` has a damaged row in the store: {reason}")
    with pytest.raises(DamagedRow):
        store.get(run_id)
    for change in (store.run_folder, store.reopen, store.request_cancel):
        with pytest.raises(StoreError, match="damaged row"):
            change(run_id)
    with pytest.raises(StoreError, match="damaged row"):
        launch(store, run_id)
    assert store.resolve(sound) == sound
    store.delete(run_id)
    assert store.problems == []
    assert not (store.home / "runs" / run_id).exists()


def test_a_row_with_a_foreign_id_never_becomes_a_path(store: RunStore) -> None:
    run_id = store.create({}, "broken", "yeast", "run").id
    change_database(store, "UPDATE runs SET id = '../../etc' WHERE id = ?", run_id)
    assert store.list() == []
    assert any("`../../etc` has a damaged row" in problem for problem in store.problems)


def test_a_damaged_row_that_waits_does_not_stop_the_queue(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADTAG_MAX_RUNS", "1")
    monkeypatch.setattr("gradtag_core.runs.process.tend_queue", lambda store: None)
    monkeypatch.setattr("gradtag_core.runs.process._spawn", lambda *_: os.getpid())
    first, broken, last = (store.create({}, "run", "yeast", "run").id for _ in range(3))
    assert launch(store, first) == os.getpid()
    assert launch(store, broken) is launch(store, last) is None
    change_database(store, "UPDATE runs SET config = '{' WHERE id = ?", broken)
    store.finish(first, "failed")
    from gradtag_core.runs.process import start_waiting

    assert start_waiting(store) == [last]
