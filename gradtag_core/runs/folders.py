"""The folders of stored runs, looked over: what is foreign, missing, locked or damaged, a sentence each."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from safetensors import SafetensorError, safe_open

from gradtag_core.runs.row import OPEN, RUN_ID, RunRow

RESULT_SUFFIXES = (".json", ".parquet", ".safetensors")
PARQUET_MARK = b"PAR1"  # at both ends of such a file


def folder_problems(parent: Path, rows: Iterable[RunRow], others: Collection[str] = ()) -> list[str]:
    """What is wrong with the folders in `parent`, where only the `rows` and the ids of `others` belong."""
    rows = list(rows)
    ids = {row.id for row in rows} | {*others}
    try:
        names = {entry.name for entry in parent.iterdir() if not entry.name.startswith(".")}
    except FileNotFoundError:
        names = set()
    except OSError as error:
        return [f"The folder `{parent}` of the runs could not be listed: {error.strerror}."]
    problems = [_foreign(parent / name) for name in sorted(names - ids)]
    for row in rows:
        if row.state not in OPEN:
            problems += _run_problems(parent / row.id, row)
    return problems


def _foreign(path: Path) -> str:
    if path.is_symlink() or not os.path.isdir(path):  # noqa: PTH112 (never raises)
        return f"`{path}` is not the folder of a run. Move it elsewhere."
    known = "take it in as a run, then delete it" if RUN_ID.fullmatch(path.name) else "move it elsewhere"
    return f"The folder `{path}` belongs to no run of the store: {known}."


def _run_problems(folder: Path, row: RunRow) -> Iterator[str]:
    """Of a closed run; one that never began has no files."""
    try:
        files = [path for path in sorted(folder.iterdir()) if path.suffix in RESULT_SUFFIXES]
        stamps = [path.stat() for path in files]
    except FileNotFoundError:
        if row.state == "done":
            yield f"The results of the run `{row.id}` are gone: `{folder}` is missing. Restore it, or delete the run."
        return
    except OSError as error:
        yield f"The folder `{folder}` of the run `{row.id}` cannot be read: {error.strerror}."
        return
    for path, stamp in zip(files, stamps, strict=True):
        fault = _fault(path, stamp.st_size, stamp.st_mtime_ns)
        if fault:
            yield f"`{path}` of the run `{row.id}` {fault}. Restore a copy, or delete the run and run it again."


@lru_cache(maxsize=20_000)
def _fault(path: Path, size: int, stamp: int) -> str | None:
    """What is wrong with a file of this size and time; looked at once, and not deeper than its frame."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="np"):
                pass
        else:
            with path.open("rb") as file:
                begins = file.read(len(PARQUET_MARK))
                file.seek(-min(size, len(PARQUET_MARK)), os.SEEK_END)
                if {begins, file.read()} != {PARQUET_MARK}:
                    return "is damaged or was cut short"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    except (ValueError, RecursionError, SafetensorError):
        return "is damaged or was cut short"
    return None
