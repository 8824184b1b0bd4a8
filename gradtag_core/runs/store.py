"""The run store: one SQLite row and one folder per run or study, safe for many processes at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from gradtag_core.errors import InvalidInput, StoreError, quoted
from gradtag_core.runs.database import opened
from gradtag_core.runs.files import UnitCache, json_text
from gradtag_core.runs.row import (
    OPEN,
    RunKind,
    RunRow,
    RunState,
    check_run_id,
    check_transition,
    process_ended,
    process_identity,
    read_samples,
)
from gradtag_core.tasks.stored import home_folder

NAME_LENGTH = 200
NEVER_LAUNCHED = "The run was never started: what queued it stopped before launching it. Resume it."
ENDED_EARLY = "The worker process ended before the run began; the run's log says why. Resume it."
ENDED_MIDWAY = (
    "The worker process ended without finishing (killed, out of memory, or the machine stopped). "
    "Everything finished so far is kept: resume the run."
)


class RunStore:
    """Runs under `home` (default: $GRADTAG_HOME, else the user's data folder) and read-only `samples`.

    Every operation opens its own short-lived connection. The `samples` are folders of folders with a run.json or a
    study.json, read once; `problems` has a sentence for each that cannot be listed. Malformed ids raise
    `InvalidInput`; unknown ids, illegal changes of state, changing a sample, and what the disk or SQLite refuses
    raise `StoreError`.
    """

    def __init__(self, home: Path | None = None, samples: Iterable[Path] = ()):
        self.home = home_folder(home)
        self.cache = UnitCache(self.home / "cache")
        self._samples, self.problems = read_samples(samples)
        _make_folder(self.home)
        with self._database():
            pass  # an unusable store is told at once

    def create(
        self, config: dict[str, Any], name: str, suite: str, command: str, kind: RunKind = "run"
    ) -> RunRow:
        """Queue a run or a study; `command` is the command line that reproduces it."""
        name, text, now = _checked_name(name), json_text(config).decode(), time.time()
        slug = re.sub(r"[^a-z0-9]+", "-", suite.lower())[:32].strip("-") or kind
        stem = f"{slug}-{time.strftime('%Y%m%d-%H%M', time.gmtime(now))}"
        with self._database(write=True) as database:
            taken = {row["id"] for row in database.execute("SELECT id FROM runs")} | self._samples.keys()
            run_id = f"{stem}-{uuid4().hex[:4]}"
            while run_id in taken:
                run_id = f"{stem}-{uuid4().hex[:4]}"
            database.execute(
                "INSERT INTO runs (id, name, suite, state, config, command, created, heartbeat, kind) "
                "VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?)",
                (run_id, name, suite, text, command, now, now, kind),
            )
            _make_folder(self._folder(run_id))
        return self.get(run_id)

    def get(self, run_id: str) -> RunRow:
        """The run; an open one whose process is gone is first closed as interrupted (or cancelled)."""
        with self._database() as database:
            row = self._row(database, run_id)
        return self._close_if_lost(row)

    def resolve(self, text: str) -> str:
        """The id of the only run whose id is `text` or begins with it."""
        start = check_run_id(text.rstrip("-"))
        ids = [row.id for row in self.list()]
        found = [run_id for run_id in ids if run_id.startswith(text)]
        if text in ids or not found:
            return self.get(start).id
        if len(found) > 1:
            raise StoreError(f"{len(found)} run ids begin with `{text}`: {quoted(found)}. Give more of it.")
        return found[0]

    def run_folder(self, run_id: str) -> Path:
        """The folder of the run's result files."""
        with self._database() as database:
            row = self._row(database, run_id)
        return self._samples[run_id][1] if row.sample else _make_folder(self._folder(run_id))

    def mark_launched(self, run_id: str, pid: int) -> None:
        """Note the process started for a queued run; without effect once the worker has marked itself."""
        with self._changing(run_id, "launched") as (database, row):
            if row.state == "queued" and row.pid is None:
                _set(database, run_id, pid=pid, process=process_identity(pid), heartbeat=time.time())

    def mark_running(self, run_id: str, pid: int) -> RunRow:
        """queued → running, called by the worker itself: of two workers only one can win."""
        now = time.time()
        with self._changing(run_id, "started") as (database, row):
            check_transition(row, "running")
            _set(database, run_id, state="running", pid=pid, process=process_identity(pid), heartbeat=now)
            _set(database, run_id, started=now)
        return self.get(run_id)

    def update_progress(
        self, run_id: str, stage: str, done: int, total: int, fraction: float, seconds_left: float | None
    ) -> None:
        """Note where a running run stands; `fraction` is of the whole run and is clipped to 0..1."""
        share = min(1.0, max(0.0, fraction))
        with self._changing(run_id, "changed") as (database, row):
            if row.state == "running":
                _set(database, run_id, stage=stage, done=done, total=total, fraction=share)
                _set(database, run_id, seconds_left=seconds_left, heartbeat=time.time())

    def heartbeat(self, run_id: str, seconds: float | None = None) -> bool:
        """A sign of life from the worker's own process; returns whether cancelling was requested.

        A run wrongly taken for interrupted (say, after the machine slept) is running again.
        """
        with self._changing(run_id, "changed") as (database, row):
            if row.state == "running" or (row.state == "interrupted" and row.pid == os.getpid()):
                spent = row.seconds if seconds is None else seconds
                _set(database, run_id, state="running", heartbeat=time.time(), seconds=spent)
                _set(database, run_id, error=None, finished=None)
            return row.cancel_requested

    def finish(
        self, run_id: str, state: RunState, error: str | None = None, seconds: float | None = None
    ) -> RunRow:
        """Close a run as done, failed, cancelled or interrupted; the same once more is no error."""
        if state in OPEN:
            raise InvalidInput(f"`state` must be a final one; found {state!r}. Use `reopen` to resume a run.")
        with self._changing(run_id, "finished") as (database, row):
            if row.state != state:
                check_transition(row, state)
                fraction = 1.0 if state == "done" else row.fraction
                spent = row.seconds if seconds is None else seconds
                _set(database, run_id, state=state, error=error, finished=time.time(), seconds=spent)
                _set(database, run_id, fraction=fraction, seconds_left=None)
        return self.get(run_id)

    def reopen(self, run_id: str) -> RunRow:
        """Queue an interrupted, failed or cancelled run again; its finished units are still in the cache."""
        self.get(run_id)  # a run whose process just died must count as interrupted
        with self._changing(run_id, "resumed") as (database, row):
            check_transition(row, "queued")
            _set(database, run_id, state="queued", pid=None, process=None, heartbeat=time.time(), error=None)
            _set(database, run_id, finished=None, cancel_requested=0, seconds_left=None)
            _set(database, run_id, stage="", done=0, total=0, fraction=0.0)
        return self.get(run_id)

    def request_cancel(self, run_id: str) -> RunRow:
        """Ask a run to stop; one that has no process yet is cancelled at once."""
        self.get(run_id)
        with self._changing(run_id, "cancelled") as (database, row):
            if row.state not in OPEN:
                raise StoreError(f"The run `{run_id}` is already {row.state}: there is nothing to cancel.")
            _set(database, run_id, cancel_requested=1)
            if row.pid is None:
                _set(database, run_id, state="cancelled", finished=time.time())
        return self.get(run_id)

    def cancel_requested(self, run_id: str) -> bool:
        with self._database() as database:
            return self._row(database, run_id).cancel_requested

    def rename(self, run_id: str, name: str) -> RunRow:
        name = _checked_name(name)
        with self._changing(run_id, "renamed") as (database, _):
            _set(database, run_id, name=name)
        return self.get(run_id)

    def record_unit(self, run_id: str, stage: str, key: str) -> None:
        self.record_units(run_id, [(stage, key)])

    def record_units(self, run_id: str, units: Iterable[tuple[str, str]]) -> None:
        """Note the (stage, key) units of a run before it computes or reads them, so that none is orphaned."""
        with self._changing(run_id, "changed") as (database, _):
            database.executemany(
                "INSERT OR IGNORE INTO run_units VALUES (?, ?, ?)", [(run_id, *unit) for unit in units]
            )

    def delete(self, run_id: str) -> None:
        """Delete a closed run: its row, its folder, and the cached units that no other run uses."""
        self.get(run_id)
        with self._changing(run_id, "deleted") as (database, row):
            if row.state in OPEN:
                raise StoreError(f"The run `{run_id}` is {row.state}: cancel it before deleting it.")
            _remove_folder(self._folder(run_id))  # first: if it fails, the row stays and one can try again
            unused = database.execute(
                "SELECT stage, key FROM run_units AS own WHERE run_id = ? AND NOT EXISTS (SELECT 1 FROM "
                "run_units WHERE stage = own.stage AND key = own.key AND run_id != own.run_id)",
                (run_id,),
            ).fetchall()
            database.execute("DELETE FROM run_units WHERE run_id = ?", (run_id,))
            database.execute("DELETE FROM runs WHERE id = ?", (run_id,))
        self.cache.remove((unit["stage"], unit["key"]) for unit in unused)

    def list(self, kind: RunKind | None = None) -> list[RunRow]:
        """All of a kind (None: of any), newest first, then the samples; lost ones are closed as in `get`."""
        with self._database() as database:
            records = database.execute("SELECT * FROM runs ORDER BY created DESC, id DESC").fetchall()
        stored = [self._close_if_lost(_as_row(record)) for record in records]
        ids = {row.id for row in stored}
        rows = stored + [row for row, _ in self._samples.values() if row.id not in ids]
        return [row for row in rows if kind in (None, row.kind)]

    def _folder(self, run_id: str) -> Path:
        return self.home / "runs" / check_run_id(run_id)

    def _row(self, database: sqlite3.Connection, run_id: str) -> RunRow:
        check_run_id(run_id)
        record = database.execute("SELECT * FROM runs WHERE id = ?", (run_id,)).fetchone()
        if record is not None:
            return _as_row(record)
        if run_id in self._samples:
            return self._samples[run_id][0]
        newest = database.execute("SELECT id FROM runs ORDER BY created DESC").fetchall()
        known = [row["id"] for row in newest] + [*self._samples]
        hint = f"The newest are {quoted(known)}." if known else "The store is empty."
        raise StoreError(f"There is no run `{run_id}` in `{self.home}`. {hint}")

    def _close_if_lost(self, row: RunRow) -> RunRow:
        if row.state not in OPEN or not process_ended(row):
            return row
        state = "cancelled" if row.cancel_requested else "interrupted"
        early = NEVER_LAUNCHED if row.pid is None else ENDED_EARLY
        error = None if row.cancel_requested else (ENDED_MIDWAY if row.state == "running" else early)
        with self._database(write=True) as database:  # unless it changed since it was read
            database.execute(
                "UPDATE runs SET state = ?, error = ?, finished = heartbeat, seconds_left = NULL "
                "WHERE id = ? AND state = ? AND pid IS ? AND heartbeat = ?",
                (state, error, row.id, row.state, row.pid, row.heartbeat),
            )
            return self._row(database, row.id)

    @contextmanager
    def _changing(self, run_id: str, verb: str) -> Iterator[tuple[sqlite3.Connection, RunRow]]:
        """Hold the write lock while a stored run is looked at and changed."""
        with self._database(write=True) as database:
            row = self._row(database, run_id)
            if row.sample:
                raise StoreError(f"The run `{run_id}` is a read-only sample: it cannot be {verb}.")
            yield database, row

    def _database(self, write: bool = False) -> AbstractContextManager[sqlite3.Connection]:
        return opened(self.home / "runs.sqlite", write)


def _as_row(record: sqlite3.Row) -> RunRow:
    fields = dict(record)
    fields["config"] = json.loads(fields["config"])
    fields["cancel_requested"] = bool(fields["cancel_requested"])
    return RunRow(**fields)


def _set(database: sqlite3.Connection, run_id: str, **columns: Any) -> None:
    assignments = ", ".join(f"{column} = ?" for column in columns)
    database.execute(f"UPDATE runs SET {assignments} WHERE id = ?", (*columns.values(), run_id))


def _checked_name(name: str) -> str:
    if not 1 <= len(name.strip()) <= NAME_LENGTH:
        raise InvalidInput(
            f"`name` must have 1 to {NAME_LENGTH} characters; found {len(name.strip())}. Choose another one."
        )
    return name.strip()


def _make_folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder `{path}` could not be made: {error}. Choose another one with GRADTAG_HOME."
        ) from error
    return path


def _remove_folder(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"The folder `{path}` could not be deleted: {error}. Make it writable.") from error
