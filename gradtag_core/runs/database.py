"""The SQLite file of the run store (WAL mode): its tables, and short-lived connections that wait for each other."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gradtag_core.errors import StoreError
from gradtag_core.runs.disk import full_disk, is_full

BUSY_SECONDS = 10.0
PATIENT_SECONDS = 60.0  # for what a worker must write: its run would fail without
SCHEMA_VERSION = 3
ANNOTATIONS = """CREATE TABLE IF NOT EXISTS annotations (
    run_id TEXT PRIMARY KEY, note TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT '',
    archived INTEGER NOT NULL DEFAULT 0)"""
SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, suite TEXT NOT NULL, state TEXT NOT NULL, config TEXT NOT NULL,
    command TEXT NOT NULL, created REAL NOT NULL, started REAL, finished REAL, stage TEXT NOT NULL DEFAULT '',
    done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, fraction REAL NOT NULL DEFAULT 0,
    seconds_left REAL, heartbeat REAL NOT NULL, pid INTEGER, process TEXT, error TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0,
    kind TEXT NOT NULL DEFAULT 'run', waiting_since REAL);
CREATE TABLE IF NOT EXISTS run_units (
    run_id TEXT NOT NULL, stage TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (run_id, stage, key))
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS runs_of_unit ON run_units (stage, key);
{ANNOTATIONS};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
# By schema version: what makes the next one of it.
MIGRATIONS = {
    1: ("ALTER TABLE runs ADD COLUMN kind TEXT NOT NULL DEFAULT 'run'",),
    2: ("ALTER TABLE runs ADD COLUMN waiting_since REAL", ANNOTATIONS),
}


@contextmanager
def opened(path: Path, write: bool = False, patience: float | None = None) -> Iterator[sqlite3.Connection]:
    """A transaction on the database at `path`, made or brought up to date where needed; with `write` it holds the
    write lock, for which it waits `patience` seconds. What SQLite refuses raises `StoreError`.

    On a disk that is full or read-only, it can still be read.
    """
    try:
        with closing(_connected(path, write, BUSY_SECONDS if patience is None else patience)) as database:
            database.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            with database:  # commits, or rolls back on an error
                yield database
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise StoreError(_sentence(path, error)) from error


def _connected(path: Path, write: bool, patience: float) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=patience, isolation_level=None)
    try:
        database.row_factory = sqlite3.Row
        _prepare(database)
    except sqlite3.OperationalError as error:
        database.close()
        if write or not _can_be_read_alone(path, error):
            raise
        return _as_it_lies(path, error)
    except BaseException:
        database.close()
        raise
    return database


def _can_be_read_alone(path: Path, error: sqlite3.OperationalError) -> bool:
    """Whether only the files beside the database could not be made, and nobody else has it open."""
    log = path.with_name(f"{path.name}-wal")
    causes = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR")
    try:
        is_alone = path.is_file() and (not log.exists() or log.stat().st_size == 0)
    except OSError:
        return False
    return is_alone and error.sqlite_errorname.startswith(causes)


def _as_it_lies(path: Path, error: sqlite3.OperationalError) -> sqlite3.Connection:
    database = sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True, isolation_level=None)
    database.row_factory = sqlite3.Row
    try:
        if _version(database) == SCHEMA_VERSION:
            return database
    except sqlite3.Error:
        database.close()
        raise
    database.close()
    raise error


def _prepare(database: sqlite3.Connection) -> None:
    version = _version(database)
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"The run store was written by a newer version of the program (schema {version}; this one knows "
            f"{SCHEMA_VERSION}). Update the program, or choose another folder with GRADTAG_HOME."
        )
    database.execute("PRAGMA synchronous = NORMAL")  # in WAL mode a power cut cannot corrupt it
    deadline = time.monotonic() + BUSY_SECONDS
    while version == 0:
        _refuse_foreign(database)
        try:
            database.execute("PRAGMA journal_mode = WAL")  # SQLite does not wait for a lock here
            database.executescript(SCHEMA)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    if version < SCHEMA_VERSION:
        _bring_up_to_date(database)


def _refuse_foreign(database: sqlite3.Connection) -> None:
    tables = [row["name"] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    if tables and _version(database) == 0:  # ours get their number together with their tables
        raise StoreError(
            f"`runs.sqlite` is a database of another program; it has the table `{tables[0]}`. Choose another folder "
            "with GRADTAG_HOME."
        )


def _bring_up_to_date(database: sqlite3.Connection) -> None:
    database.execute("BEGIN IMMEDIATE")
    with database:
        for version in range(_version(database), SCHEMA_VERSION):  # none, if another process was faster
            for statement in MIGRATIONS[version]:
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _version(database: sqlite3.Connection) -> int:
    return database.execute("PRAGMA user_version").fetchone()[0]


def _sentence(path: Path, error: sqlite3.Error | UnicodeDecodeError) -> str:
    name = getattr(error, "sqlite_errorname", "")  # errors of the module itself have none
    if name == "SQLITE_FULL" or (name.startswith("SQLITE_IOERR") and is_full(path.parent)):
        return full_disk(path)
    no_text = isinstance(error, UnicodeDecodeError) or "decode to UTF-8" in str(error)
    if no_text or name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return (
            f"The run store `{path}` could not be used: it is damaged or no database ({error}). Move it away: a new "
            "one is made, and the folders beside it in `runs` can be taken in again."
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return (
            f"The run store `{path}` could not be used: another program keeps it locked ({error}). Try again."
        )
    if path.parent.is_dir() and not os.access(path.parent, os.W_OK):
        return (
            f"The run store `{path}` could not be used: its folder may not be written, since the disk is read-only or "
            "the folder belongs to another user. Change that, or choose another one with GRADTAG_HOME."
        )
    return (
        f"The run store `{path}` could not be used: {error}. Check that its folder exists, is "
        f"writable and has free space, or choose another one with GRADTAG_HOME."
    )
