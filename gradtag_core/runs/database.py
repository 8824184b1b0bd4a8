"""The SQLite file of the run store (WAL mode): its tables, and short-lived connections that wait for each other."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gradtag_core.errors import StoreError

BUSY_SECONDS = 10.0
SCHEMA_VERSION = 2
SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, suite TEXT NOT NULL, state TEXT NOT NULL, config TEXT NOT NULL,
    command TEXT NOT NULL, created REAL NOT NULL, started REAL, finished REAL, stage TEXT NOT NULL DEFAULT '',
    done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, fraction REAL NOT NULL DEFAULT 0,
    seconds_left REAL, heartbeat REAL NOT NULL, pid INTEGER, process TEXT, error TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0,
    kind TEXT NOT NULL DEFAULT 'run');
CREATE TABLE IF NOT EXISTS run_units (
    run_id TEXT NOT NULL, stage TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (run_id, stage, key))
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS runs_of_unit ON run_units (stage, key);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


@contextmanager
def opened(path: Path, write: bool = False) -> Iterator[sqlite3.Connection]:
    """A transaction on the database at `path`, made or brought up to date where needed; with `write` it holds the
    write lock. What SQLite refuses raises `StoreError`."""
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
            database.row_factory = sqlite3.Row
            _prepare(database)
            database.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            with database:  # commits, or rolls back on an error
                yield database
    except sqlite3.Error as error:
        raise StoreError(
            f"The run store `{path}` could not be used: {error}. Check that its folder exists, is "
            f"writable and has free space, or choose another one with GRADTAG_HOME."
        ) from error


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


def _bring_up_to_date(database: sqlite3.Connection) -> None:
    database.execute("BEGIN IMMEDIATE")
    with database:
        if _version(database) == 1:  # no other process was faster
            database.execute("ALTER TABLE runs ADD COLUMN kind TEXT NOT NULL DEFAULT 'run'")
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _version(database: sqlite3.Connection) -> int:
    return database.execute("PRAGMA user_version").fetchone()[0]
