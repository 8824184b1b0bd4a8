"""Suites of the user on disk: add one, whole or not at all, and remove one."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from gradtag_core.errors import InvalidInput, StoreError, quoted
from gradtag_core.models.families import DEFAULTS
from gradtag_core.runs.files import LEFTOVER_SECONDS, json_text, write_json
from gradtag_core.runs.row import OPEN, RunRow
from gradtag_core.runs.store import RunStore
from gradtag_core.tasks.registry import SHIPPED
from gradtag_core.tasks.stored import (
    ARRAYS,
    FACTS,
    MAX_FACTS_BYTES,
    StoredSuite,
    arrays_of,
    is_suite_name,
    require_suite_name,
    stored_suites,
    suites_folder,
)
from gradtag_core.tasks.suite import TaskSuite

MAX_TEXT = 500  # characters of a title or a description


def require_free_name(name: str, home: Path | None = None) -> Path:
    """The folder of a new suite called `name`; `InvalidInput` where there can be none."""
    folder = suites_folder(home) / require_suite_name(name, SHIPPED)
    if folder.exists():
        raise InvalidInput(f"`name` must be a new one; there is a suite `{name}` already. Remove it first.")
    return folder


def add_suite(
    suite: TaskSuite,
    *,
    origin: Sequence[str | Path] = (),
    title: str | None = None,
    description: str = "",
    options: dict[str, Any] | None = None,
    home: Path | None = None,
) -> StoredSuite:
    """Store a suite under its name in `home`; from then on `load_suite`, runs and pages know it.

    `origin`: the files it was read from, of which the names are kept without folders; `options`: how, as JSON.
    """
    folder = require_free_name(suite.name, home)
    for parameter, text in (("title", title or suite.name), ("description", description)):
        if len(text) > MAX_TEXT or not (text.isprintable() and text.strip() == text):
            raise InvalidInput(
                f"`{parameter}` must be one line of at most {MAX_TEXT} characters; found {text[:40]!r}."
            )
    json_text(options or {})
    part = folder.with_name(f".{suite.name}.{os.getpid()}-{uuid4().hex[:8]}.part")
    try:
        part.mkdir(parents=True)
        _remove_leftovers(folder.parent)
        n_bytes, checksum = _write_arrays(part / ARRAYS, suite)
        facts = StoredSuite(
            name=suite.name,
            title=title or suite.name,
            description=description,
            origin=list(dict.fromkeys(Path(path).name for path in origin)),
            options=options or {},
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            task_names=list(suite.task_names),
            n_tasks=suite.n_tasks,
            n_examples=suite.n_examples,
            default_model=DEFAULTS[suite.modality],
            kinds=None if suite.all_binary else list(suite.kinds),
            choices=None if suite.choices is None else [list(own) for own in suite.choices],
            split_rule=asdict(suite.split_rule),
            fingerprint=suite.fingerprint,
            n_bytes=n_bytes,
            checksum=checksum,
        )
        write_json(part / FACTS, facts.model_dump())
        if (part / FACTS).stat().st_size > MAX_FACTS_BYTES:
            raise InvalidInput(
                f"The names of columns and tasks must come to less than {MAX_FACTS_BYTES:,} bytes. Shorten them, or "
                "leave columns out."
            )
        part.rename(folder)  # fails if another process was faster: a folder that holds files is not replaced
    except OSError as error:
        raise StoreError(
            f"The suite `{suite.name}` could not be written to `{folder}`: {error}. Free some space, or make the "
            "folder writable."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return facts


def runs_of_suite(store: RunStore, name: str) -> list[RunRow]:
    """The user's runs and studies of a suite: without it they keep their results, but cannot be resumed."""
    return [row for row in store.list() if row.suite == name and not row.sample]


def remove_unused_suite(store: RunStore, name: str) -> list[RunRow]:
    """`remove_suite` from the home of a store, unless a run needs it now; returns the runs of it that remain."""
    runs = runs_of_suite(store, name)
    active = tuple(row.id for row in runs if row.state in OPEN)
    if active:
        raise StoreError(f"`{name}` is in use by {quoted(active)}: wait, or cancel before removing it.")
    remove_suite(name, store.home)
    return runs


def damaged_suites(home: Path | None = None) -> list[str]:
    """The names of suites that cannot be read, only removed."""
    folder, whole = suites_folder(home), {facts.name for facts in stored_suites(home)[0]}
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    return [name for name in names if is_suite_name(name) and name not in whole]


def remove_suite(name: str, home: Path | None = None) -> None:
    """Delete a suite of the user, damaged or not; runs of it keep their results."""
    if name in SHIPPED:
        raise InvalidInput(f"`name` must be that of a suite of your own; `{name}` ships with the project.")
    folder = suites_folder(home) / name
    if not is_suite_name(name) or not folder.exists():
        raise InvalidInput(f"`name` must be that of a suite of your own; there is no {name[:40]!r}.")
    hidden = folder.with_name(f".{name}.{os.getpid()}-{uuid4().hex[:8]}.part")
    try:
        folder.rename(hidden)  # at once, so that nobody reads half a suite
        if hidden.is_dir() and not hidden.is_symlink():
            shutil.rmtree(hidden)
        else:
            hidden.unlink()
    except OSError as error:
        raise StoreError(f"The folder `{folder}` could not be deleted: {error}. Make it writable.") from error


def _write_arrays(path: Path, suite: TaskSuite) -> tuple[int, str]:
    with path.open("wb") as file:
        np.savez(file, **{name: np.ascontiguousarray(array) for name, array in arrays_of(suite).items()})  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _remove_leftovers(folder: Path) -> None:
    """What processes that were killed left behind."""
    for part in folder.glob(".*.part"):
        with suppress(OSError):  # another process removed it meanwhile
            if time.time() - part.stat().st_mtime > LEFTOVER_SECONDS:
                shutil.rmtree(part)
