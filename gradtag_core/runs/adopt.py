"""Taking in the folder of a finished run, study or sweep of another store: copied, and read before it counts."""

from __future__ import annotations

import math
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np

from gradtag_core.config import METRICS
from gradtag_core.errors import GradTagError, InvalidInput, StoreError
from gradtag_core.runs.annotations import is_plain
from gradtag_core.runs.disk import refused
from gradtag_core.runs.files import LEFTOVER_SECONDS, read_json, replacing, write_json
from gradtag_core.runs.row import KIND_FILES, RunKind, RunRow, read_sample

if TYPE_CHECKING:
    from gradtag_core.runs.record import RunRecord

RESULT_FILES: Mapping[RunKind, tuple[str, ...]] = {
    "run": (
        "run.json", "estimated.parquet", "gradients.parquet", "proxies.parquet", "trained.parquet",
        "arrays.safetensors", "grouping.json", "groups.json", "linearisation.json",
    ),
    "study": ("study.json", "scores.parquet"),
    "sweep": ("sweep.json",),
}  # fmt: skip
CELLS, CELL = "cells", re.compile(r"[0-9]{1,6}")  # the runs of a sweep
MAX_CELLS = 1000
MAX_JSON_BYTES = 64 * 2**20
MAX_FILE_BYTES = 512 * 2**20
MAX_TABLE_CELLS = 2**28  # a small parquet file can hold a table larger than the memory
MAX_TEXT = 200
MAX_COMMAND = 100_000
LAST_SECOND = 32_503_680_000.0  # the year 3000: later moments break calendars
CHUNK_BYTES = 2**20
PREFIX = ".adopting-"


@contextmanager
def checked_copy(folder: Path, parent: Path) -> Iterator[tuple[Path, RunRow]]:
    """A copy of the result files of `folder` in `parent`, under a hidden name, and its row; both are gone at the end
    unless the copy was renamed.

    Raises `InvalidInput` for a folder that holds no finished run, links, files that are too large, and content
    that does not fit together.
    """
    _remove_leftovers(parent)
    copy = parent / f"{PREFIX}{uuid4().hex}"
    try:
        try:
            _copy_results(folder, copy)
        except OSError as error:
            raise refused(folder, error, "copied") from error
        yield copy, _checked_row(folder, copy)
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _copy_results(folder: Path, copy: Path) -> None:
    if folder.is_symlink() or not folder.is_dir():
        raise InvalidInput(f"`folder` must be a folder with the results of a run; `{folder}` is none.")
    kinds: list[RunKind] = [kind for kind, name in KIND_FILES.items() if os.path.lexists(folder / name)]
    if len(kinds) != 1:
        raise InvalidInput(
            f"`folder` must hold exactly one of {', '.join(f'`{name}`' for name in KIND_FILES.values())}; found "
            f"{len(kinds)} of them in `{folder}`."
        )
    _copy_files(folder, copy, kinds[0])
    if kinds[0] == "sweep" and os.path.lexists(folder / CELLS):
        cells = [cell for cell in sorted((folder / CELLS).iterdir()) if CELL.fullmatch(cell.name)]
        if len(cells) > MAX_CELLS or any(path.is_symlink() for path in (folder / CELLS, *cells)):
            raise InvalidInput(f"`{folder / CELLS}` must have at most {MAX_CELLS:,} folders, and no links.")
        for cell in cells:
            _copy_files(cell, copy / CELLS / cell.name, "run")


def _copy_files(folder: Path, copy: Path, kind: RunKind) -> None:
    copy.mkdir(parents=True)
    for name in RESULT_FILES[kind]:
        if os.path.lexists(folder / name):
            _copy_file(folder / name, copy / name)


def _copy_file(source: Path, target: Path) -> None:
    """Copy a plain file; a link is not followed, and a pipe not waited for."""
    limit = MAX_JSON_BYTES if source.suffix == ".json" else MAX_FILE_BYTES
    if not stat.S_ISREG(source.lstat().st_mode):
        raise InvalidInput(f"`{source}` must be a plain file; it is a link or something else.")
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as reader, replacing(target) as part, part.open("wb") as writer:
        while chunk := reader.read(CHUNK_BYTES):
            if writer.tell() + len(chunk) > limit:
                raise InvalidInput(f"`{source}` must have at most {limit // 2**20} MiB; it has more.")
            writer.write(chunk)


def _checked_row(folder: Path, copy: Path) -> RunRow:
    try:
        row = replace(read_sample(copy), sample=False)
        row = replace(row, heartbeat=row.created + row.seconds, started=row.created)
        _check_fields(row)
        for path in copy.rglob("*.parquet"):
            _check_size(path)
        CHECKS[row.kind](copy)
        return row
    except GradTagError as error:
        reason = str(error).replace(str(copy), str(folder))
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        reason = f"its files do not fit together ({type(error).__name__}: {error})"
    raise InvalidInput(f"`folder` must hold the results of a finished run; `{folder}` does not: {reason}")


def _check_fields(row: RunRow) -> None:
    limits = {"name": MAX_TEXT, "suite": MAX_TEXT, "command": MAX_COMMAND}
    for field, limit in limits.items():
        text = getattr(row, field)
        if not 1 <= len(text) <= limit or not is_plain(text, but="\n"):
            raise StoreError(
                f"`{field}` must have 1 to {limit:,} characters that can be seen; found {len(text)}."
            )
    moments = (row.created, row.seconds, row.created + row.seconds)
    if not all(math.isfinite(moment) and 0 <= moment <= LAST_SECOND for moment in moments):
        raise StoreError(f"`created` and `seconds` must be times; found {row.created!r} and {row.seconds!r}.")


def _check_size(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as table:
            cells = table.metadata.num_rows * table.metadata.num_columns
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"`{path}` is damaged or was cut short: {error}.") from error
    if cells > MAX_TABLE_CELLS:
        raise StoreError(f"`{path}` must have at most {MAX_TABLE_CELLS:,} cells; found {cells:,}.")


def _check_run(folder: Path) -> None:
    from gradtag_core.runs.record import RunRecord

    record = RunRecord(folder)
    names = record.summary.task_names
    if not names or not all(isinstance(name, str) and is_plain(name, but="\n\t") for name in names):
        raise StoreError("`task_names` must be texts.")
    if len(set(names)) != len(names):
        raise StoreError("`task_names` must differ from each other.")
    if record.estimated is None or record.affinity() is None:
        raise StoreError("it has no estimate (`estimated.parquet`).")
    _ = record.config, record.gradients, record.proxies, record.true_affinity(), record.linearisation
    _check_groups(record, len(names))
    if record.trained is not None:
        record.comparison()


def _check_groups(record: RunRecord, n_tasks: int) -> None:
    grouping, scores, names = record.grouping, record.group_scores, record.summary.task_names
    if grouping is not None:
        labels = np.asarray(grouping.labels)
        whole = labels.shape == (n_tasks,) and labels.dtype.kind in "iu"
        members = sorted(name for group in grouping.groups for name in group)
        if not whole or tuple(grouping.task_names) != names or members != sorted(names):
            raise StoreError("`grouping.json` must put every task of the run into one group.")
    shape = (n_tasks, len(METRICS))
    if scores is not None and (scores.grouped.shape != shape or scores.together.shape != shape):
        raise StoreError(f"`groups.json` must have scores of shape {shape}.")


def _check_study(folder: Path) -> None:
    from gradtag_core.runs.study_record import StudyRecord

    record = StudyRecord(folder)
    if not record.results:
        raise StoreError("it has no results.")
    _ = record.config, record.records()


def _check_sweep(folder: Path) -> None:
    from gradtag_core.runs.sweep_record import SweepRecord

    record = SweepRecord(folder)
    if not record.results:
        raise StoreError("it has no results.")
    record.table()
    for index in record.results:
        _check_run(record.cell(index).folder)


CHECKS = {"run": _check_run, "study": _check_study, "sweep": _check_sweep}


def is_same_run(own: RunRow, other: RunRow) -> bool:
    """Whether a run is the finished one that another row tells of, whatever its id."""
    facts = [(row.kind, row.suite, row.created, row.config) for row in (own, other)]
    return own.state == "done" and facts[0] == facts[1]


def rename_inside(copy: Path, kind: RunKind, run_id: str) -> None:
    """Write the id under which a copy is stored into its own file."""
    path = copy / KIND_FILES[kind]
    write_json(path, {**read_json(path), "id": run_id})


def _remove_leftovers(parent: Path) -> None:
    """Of processes that were killed while they copied."""
    with suppress(OSError):
        for path in parent.glob(f"{PREFIX}*"):
            if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
