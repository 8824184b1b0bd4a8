"""The queue: how many runs work at once, which one is next, and starting it exactly once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.runs.database import PATIENT_SECONDS
from gradtag_core.runs.row import OPEN, RunRow, process_ended, process_identity, runs_here
from gradtag_core.runs.tables import set_columns, stored_rows

if TYPE_CHECKING:
    from gradtag_core.runs.store import RunStore

LIMIT = "GRADTAG_MAX_RUNS"


def concurrent_limit() -> int:
    """How many runs of a store may be at work at once on this machine: $GRADTAG_MAX_RUNS, else half of the cores, so
    that the pages stay quick."""
    text = os.environ.get(LIMIT, "").strip()
    if not text:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, cores // 2)
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= 1000:
        raise InvalidInput(f"`{LIMIT}` must be a whole number from 1 to 1000; found {text!r}. Correct it.")
    return int(text)


def wait_in_line(store: RunStore, run_id: str) -> None:
    """Put a queued run at the end of the queue, unless it stands there already."""
    with store.changing(run_id, "launched") as (database, row):
        if row.state != "queued" or row.pid is not None:
            state = "already launched" if row.state == "queued" else row.state
            raise StoreError(f"The run `{run_id}` is {state}: only a queued run can be launched.")
        if not row.waiting:
            set_columns(database, run_id, waiting_since=time.time(), heartbeat=time.time())


def start_next(store: RunStore, spawn: Callable[[str], int]) -> str | None:
    """Start the run that waits longest if there is room on this machine; returns its id, None if nothing started.

    `spawn` starts the process and returns its pid. It is called under the write lock, so that no two processes
    start the same run; a `StoreError` of it closes the run as failed.
    """
    if not any(row.waiting for row in store.open_rows()):
        return None  # nobody needs the write lock for that
    limit = concurrent_limit()
    with store.transaction(write=True, patience=PATIENT_SECONDS) as database:
        rows, _ = stored_rows(database, OPEN)
        line, busy = waiting_line(rows), [row for row in rows if is_busy(row)]
        if not line or len(busy) >= limit:
            return None
        run_id, now = line[0].id, time.time()
        try:
            pid = spawn(run_id)
        except StoreError as error:
            sentence = str(error)
            set_columns(database, run_id, state="failed", error=sentence, finished=now, waiting_since=None)
        else:
            process = process_identity(pid)
            set_columns(database, run_id, pid=pid, process=process, heartbeat=now, waiting_since=None)
    return run_id


def is_busy(row: RunRow) -> bool:
    """Whether a process of this machine works on the run, or is about to."""
    return row.state in OPEN and row.pid is not None and runs_here(row) and not process_ended(row)


def waiting_line(rows: Sequence[RunRow]) -> list[RunRow]:
    """Those of the rows that wait, the next one first."""
    waiting = [row for row in rows if row.waiting]
    return sorted(waiting, key=lambda row: (row.waiting_since or 0.0, row.created, row.id))
