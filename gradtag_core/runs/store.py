"""The run store: one SQLite row and one folder per run or study, safe for many processes at once."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradtag_core.errors import InvalidInput, StoreError, quoted
from gradtag_core.runs.adopt import checked_copy, is_same_run, rename_inside
from gradtag_core.runs.annotations import (
    annotation_of,
    annotations_of,
    checked_annotation,
    write_annotation,
)
from gradtag_core.runs.database import PATIENT_SECONDS, opened
from gradtag_core.runs.disk import make_folder, remove_folder, rename_folder
from gradtag_core.runs.engine.shared_cache import store_cache
from gradtag_core.runs.files import json_text
from gradtag_core.runs.folders import folder_problems
from gradtag_core.runs.row import (
    OPEN,
    DamagedRow,
    RunKind,
    RunRow,
    RunState,
    UnknownRun,
    check_run_id,
    check_transition,
    checked_name,
    closed_as_lost,
    process_ended,
    process_identity,
    random_run_id,
    read_samples,
)
from gradtag_core.runs.tables import insert_run, remove_run, set_columns, stored_row, stored_rows
from gradtag_core.tasks.stored import home_folder

logger = logging.getLogger(__name__)
# What a run that is resumed has lost.
UNSTARTED: Mapping[str, Any] = {
    "state": "queued", "pid": None, "process": None, "error": None, "finished": None, "cancel_requested": 0,
    "seconds_left": None, "waiting_since": None, "stage": "", "done": 0, "total": 0, "fraction": 0.0,
}  # fmt: skip
PROGRESS_PATIENCE = 1.0  # seconds
ADOPTED_COLUMNS = (
    "name", "suite", "state", "command", "created", "started", "finished", "heartbeat", "kind", "seconds", "fraction",
)  # fmt: skip


class RunStore:
    """Runs under `home` (default: $GRADTAG_HOME, else the user's data folder) and read-only `samples`.

    Units are cached in `home`, or where $GRADTAG_CACHE says. Every operation opens its own short-lived connection.
    The `samples` are folders of folders with a run.json or a study.json, read once. Malformed ids raise `InvalidInput`;
    unknown ids, illegal changes of state, changing a sample, and what the disk or SQLite refuses raise `StoreError`.
    """

    def __init__(self, home: Path | None = None, samples: Iterable[Path] = ()):
        self.home = home_folder(home)
        self.cache = store_cache(self.home)
        self._samples, self._sample_problems = read_samples(samples)
        make_folder(self.home)
        with self.transaction():
            pass  # an unusable store is told at once

    def create(
        self, config: dict[str, Any], name: str, suite: str, command: str, kind: RunKind = "run"
    ) -> RunRow:
        """Queue a run or a study; `command` is the command line that reproduces it."""
        name, text, now = checked_name(name), json_text(config).decode(), time.time()
        with self.transaction(write=True) as database:
            run_id = self._new_id(database, suite, kind, now)
            insert_run(
                database, id=run_id, name=name, suite=suite, state="queued", config=text, command=command, created=now,
                heartbeat=now, kind=kind,
            )  # fmt: skip
            make_folder(self._folder(run_id))
        return self.get(run_id)

    def adopt(self, folder: Path) -> RunRow:
        """Take in a copy of the folder of a finished run or study, under its own id where that is free.

        Gives the run that is here already if it is the same one. Raises `InvalidInput` for a folder that holds none.
        """
        with checked_copy(Path(folder), self.home / "runs") as (copy, row):
            same = [own for own in self.list(row.kind) if is_same_run(own, row)]
            if same:
                return next((own for own in same if own.id == row.id), same[0])
            run_id = row.id
            with self.transaction(write=True) as database:
                if self._is_taken(database, run_id):
                    run_id = self._new_id(database, row.suite, row.kind, row.created)
                    rename_inside(copy, row.kind, run_id)
                insert_run(
                    database, id=run_id, config=json_text(row.config).decode(),
                    **{name: getattr(row, name) for name in ADOPTED_COLUMNS},
                )  # fmt: skip
                rename_folder(copy, self._folder(run_id))
        return self.get(run_id)

    def annotate(
        self, run_id: str, *, note: str | None = None, tags: Sequence[str] | None = None,
        archived: bool | None = None,
    ) -> RunRow:  # fmt: skip
        """Write on a run or a sample; None leaves a part as it is."""
        columns = checked_annotation(note, tags, archived)
        with self.transaction(write=True) as database:
            self._row(database, run_id)
            write_annotation(database, run_id, columns)
        return self.get(run_id)

    def get(self, run_id: str) -> RunRow:
        """The run; an open one whose process is gone is first closed as interrupted (or cancelled)."""
        with self.transaction() as database:
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
        with self.transaction() as database:
            row = self._row(database, run_id)
        folder = self._samples[run_id][1] if row.sample else self._folder(run_id)
        if row.state in OPEN:  # of a closed run, somebody else may be deleting it
            make_folder(folder)
        if os.path.lexists(folder) and not (folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)):
            raise StoreError(
                f"The folder `{folder}` of the run `{run_id}` cannot be read. Check its permissions."
            )
        return folder

    def open_rows(self) -> list[RunRow]:
        """The runs that are at work or wait, the newest first."""
        with self.transaction() as database:
            rows, _ = stored_rows(database, OPEN)
        return [row for row in map(self._close_if_lost, rows) if row.state in OPEN]

    def mark_running(self, run_id: str, pid: int) -> RunRow:
        """queued → running, called by the worker itself: of two workers only one can win."""
        now = time.time()
        with self.changing(run_id, "started", PATIENT_SECONDS) as (database, row):
            check_transition(row, "running")
            set_columns(
                database, run_id, state="running", pid=pid, process=process_identity(pid), heartbeat=now
            )
            set_columns(database, run_id, started=now, waiting_since=None)
        return self.get(run_id)

    def update_progress(
        self, run_id: str, stage: str, done: int, total: int, fraction: float, seconds_left: float | None
    ) -> None:
        """Note where a running run stands; `fraction` is of the whole run and is clipped to 0..1.

        It waits a second at most for other writers: the work must not stand still for it.
        """
        share = min(1.0, max(0.0, fraction))
        with self.changing(run_id, "changed", PROGRESS_PATIENCE) as (database, row):
            if row.state == "running":
                set_columns(database, run_id, stage=stage, done=done, total=total, fraction=share)
                set_columns(database, run_id, seconds_left=seconds_left, heartbeat=time.time())

    def heartbeat(self, run_id: str, seconds: float | None = None) -> bool:
        """A sign of life from the worker's own process; returns whether cancelling was requested.

        A run wrongly taken for interrupted (say, after the machine slept) is running again.
        """
        with self.changing(run_id, "changed") as (database, row):
            if row.state == "running" or (row.state == "interrupted" and row.pid == os.getpid()):
                spent = row.seconds if seconds is None else seconds
                set_columns(database, run_id, state="running", heartbeat=time.time(), seconds=spent)
                set_columns(database, run_id, error=None, finished=None)
            return row.cancel_requested

    def finish(
        self, run_id: str, state: RunState, error: str | None = None, seconds: float | None = None
    ) -> RunRow:
        """Close a run as done, failed, cancelled or interrupted; the same once more is no error."""
        if state in OPEN:
            raise InvalidInput(f"`state` must be a final one; found {state!r}. Use `reopen` to resume a run.")
        with self.changing(run_id, "finished", PATIENT_SECONDS) as (database, row):
            if row.state != state:
                check_transition(row, state)
                fraction = 1.0 if state == "done" else row.fraction
                spent = row.seconds if seconds is None else seconds
                set_columns(database, run_id, state=state, error=error, finished=time.time(), seconds=spent)
                set_columns(database, run_id, fraction=fraction, seconds_left=None, waiting_since=None)
        return self.get(run_id)

    def reopen(self, run_id: str) -> RunRow:
        """Queue an interrupted, failed or cancelled run again; its finished units are still in the cache."""
        self.get(run_id)  # a run whose process just died must count as interrupted
        with self.changing(run_id, "resumed") as (database, row):
            check_transition(row, "queued")
            set_columns(database, run_id, **UNSTARTED, heartbeat=time.time())
        return self.get(run_id)

    def request_cancel(self, run_id: str) -> RunRow:
        """Ask a run to stop; one that has no process yet is cancelled at once."""
        self.get(run_id)
        with self.changing(run_id, "cancelled") as (database, row):
            if row.state not in OPEN:
                raise StoreError(f"The run `{run_id}` is already {row.state}: there is nothing to cancel.")
            set_columns(database, run_id, cancel_requested=1)
            if row.pid is None:
                set_columns(database, run_id, state="cancelled", finished=time.time(), waiting_since=None)
        return self.get(run_id)

    def cancel_requested(self, run_id: str) -> bool:
        with self.transaction() as database:
            return self._row(database, run_id).cancel_requested

    def rename(self, run_id: str, name: str) -> RunRow:
        name = checked_name(name)
        with self.changing(run_id, "renamed") as (database, _):
            set_columns(database, run_id, name=name)
        return self.get(run_id)

    def record_unit(self, run_id: str, stage: str, key: str) -> None:
        self.record_units(run_id, [(stage, key)])

    def record_units(self, run_id: str, units: Iterable[tuple[str, str]]) -> None:
        """Note the (stage, key) units of a run before it computes or reads them, so that none is orphaned."""
        with self.changing(run_id, "changed", PATIENT_SECONDS) as (database, _):
            database.executemany(
                "INSERT OR IGNORE INTO run_units VALUES (?, ?, ?)", [(run_id, *unit) for unit in units]
            )

    def delete(self, run_id: str) -> None:
        """Delete a closed run: its row, what is written on it, its folder, and the cached units that no other uses."""
        with self.transaction() as database:
            damaged = self._is_damaged(database, run_id)
        if not damaged:
            self.get(run_id)
        with self.transaction(write=True) as database:
            if not damaged:
                row = self._own_row(database, run_id, "deleted")
                if row.state in OPEN:
                    raise StoreError(f"The run `{run_id}` is {row.state}: cancel it before deleting it.")
            remove_folder(self._folder(run_id))  # first: if it fails, the row stays and one can try again
            unused = remove_run(database, run_id)
        self.cache.remove(unused)

    def list(self, kind: RunKind | None = None) -> list[RunRow]:
        """All of a kind (None: of any), newest first, then the samples; lost ones are closed as in `get`."""
        with self.transaction() as database:
            stored, _ = stored_rows(database)
            written = annotations_of(database)
        stored = [self._close_if_lost(row) for row in stored]
        ids = {row.id for row in stored}
        samples = [row for row, _ in self._samples.values() if row.id not in ids]
        rows = stored + [replace(row, **written.get(row.id, {})) for row in samples]
        return [row for row in rows if kind in (None, row.kind)]

    @property
    def problems(self) -> list[str]:
        """A sentence for each sample, row, folder and file that cannot be listed or read."""
        with self.transaction() as database:
            rows, damaged = stored_rows(database)
        return [
            *self._sample_problems,
            *damaged.values(),
            *folder_problems(self.home / "runs", rows, damaged),
        ]

    def _folder(self, run_id: str) -> Path:
        return self.home / "runs" / check_run_id(run_id)

    def _new_id(self, database: sqlite3.Connection, suite: str, kind: RunKind, created: float) -> str:
        while self._is_taken(database, run_id := random_run_id(suite, kind, created)):
            pass
        return run_id

    def _is_taken(self, database: sqlite3.Connection, run_id: str) -> bool:
        has_row = database.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchone()
        return bool(has_row) or run_id in self._samples or os.path.lexists(self._folder(run_id))

    def _is_damaged(self, database: sqlite3.Connection, run_id: str) -> bool:
        try:
            self._row(database, run_id)
        except DamagedRow:
            return True
        return False

    def _row(self, database: sqlite3.Connection, run_id: str) -> RunRow:
        check_run_id(run_id)
        row = stored_row(database, run_id)
        if row is not None:
            return row
        if run_id in self._samples:
            return replace(self._samples[run_id][0], **annotation_of(database, run_id))
        newest = database.execute("SELECT id FROM runs ORDER BY created DESC").fetchall()
        known = [str(row["id"]) for row in newest] + [*self._samples]
        hint = f"The newest are {quoted(known)}." if known else "The store is empty."
        raise UnknownRun(f"There is no run `{run_id}` in `{self.home}`. {hint}")

    def _close_if_lost(self, row: RunRow) -> RunRow:
        """The row as it is now; where the store cannot be written, it is closed for the reader alone."""
        if row.state not in OPEN or not process_ended(row):
            return row
        closed = closed_as_lost(row)
        try:
            with self.transaction(write=True) as database:  # unless it changed since it was read
                database.execute(
                    "UPDATE runs SET state = ?, error = ?, finished = heartbeat, seconds_left = NULL "
                    "WHERE id = ? AND state = ? AND pid IS ? AND heartbeat = ?",
                    (closed.state, closed.error, row.id, row.state, row.pid, row.heartbeat),
                )
        except StoreError as refusal:
            logger.warning("A lost run could not be closed: %s", refusal)
            return closed
        with self.transaction() as database:
            return self._row(database, row.id)

    @contextmanager
    def changing(
        self, run_id: str, verb: str, patience: float | None = None
    ) -> Iterator[tuple[sqlite3.Connection, RunRow]]:
        """Hold the write lock while a stored run is looked at and changed."""
        with self.transaction(write=True, patience=patience) as database:
            yield database, self._own_row(database, run_id, verb)

    def _own_row(self, database: sqlite3.Connection, run_id: str, verb: str) -> RunRow:
        row = self._row(database, run_id)
        if row.sample:
            raise StoreError(f"The run `{run_id}` is a read-only sample: it cannot be {verb}.")
        return row

    def transaction(
        self, write: bool = False, patience: float | None = None
    ) -> AbstractContextManager[sqlite3.Connection]:
        return opened(self.home / "runs.sqlite", write, patience)
