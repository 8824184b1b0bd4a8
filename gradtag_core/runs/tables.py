"""The rows of the run store's tables, within a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from gradtag_core.runs.annotations import annotation_of, annotations_of
from gradtag_core.runs.row import DamagedRow, RunRow, RunState, row_from_fields


def stored_rows(
    database: sqlite3.Connection, states: Sequence[RunState] = ()
) -> tuple[list[RunRow], dict[str, str]]:
    """The runs (in these states; none: in any), newest first, and a sentence for each that is damaged."""
    condition = f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""
    query = f"SELECT * FROM runs {condition} ORDER BY created DESC, id DESC"
    written = annotations_of(database)
    rows: list[RunRow] = []
    damaged: dict[str, str] = {}
    for record in database.execute(query, tuple(states)):
        try:
            rows.append(row_from_fields({**record, **written.get(record["id"], {})}))
        except DamagedRow as error:
            damaged[str(record["id"])] = str(error)
    return rows, damaged


def stored_row(database: sqlite3.Connection, run_id: str) -> RunRow | None:
    """A stored run, None if there is none; `DamagedRow` where it is damaged."""
    record = database.execute("SELECT * FROM runs WHERE id = ?", (run_id,)).fetchone()
    return None if record is None else row_from_fields({**record, **annotation_of(database, run_id)})


def insert_run(database: sqlite3.Connection, **columns: Any) -> None:
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    database.execute(f"INSERT INTO runs ({names}) VALUES ({marks})", tuple(columns.values()))


def set_columns(database: sqlite3.Connection, run_id: str, **columns: Any) -> None:
    assignments = ", ".join(f"{column} = ?" for column in columns)
    database.execute(f"UPDATE runs SET {assignments} WHERE id = ?", (*columns.values(), run_id))


def remove_run(database: sqlite3.Connection, run_id: str) -> list[tuple[str, str]]:
    """Delete the rows of a run from all tables; returns the (stage, key) units that no other run uses."""
    unused = database.execute(
        "SELECT stage, key FROM run_units AS own WHERE run_id = ? AND NOT EXISTS (SELECT 1 FROM "
        "run_units WHERE stage = own.stage AND key = own.key AND run_id != own.run_id)",
        (run_id,),
    ).fetchall()
    for condition in ("run_units WHERE run_id", "annotations WHERE run_id", "runs WHERE id"):
        database.execute(f"DELETE FROM {condition} = ?", (run_id,))
    return [(unit["stage"], unit["key"]) for unit in unused]
