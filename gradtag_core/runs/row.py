"""One run or study as the store lists it: its states, its id, whether its process lives, and samples on disk."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from gradtag_core.errors import GradTagError, InvalidInput, StoreError, quoted
from gradtag_core.runs.annotations import is_plain
from gradtag_core.runs.files import read_json

RunKind = Literal["run", "study", "sweep"]
RunState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
OPEN: tuple[RunState, ...] = ("queued", "running")
NEXT_STATES: Mapping[RunState, tuple[RunState, ...]] = {
    "queued": ("running", "failed", "cancelled", "interrupted"),
    "running": ("done", "failed", "cancelled", "interrupted"),
    "done": (),
    "failed": ("queued",),
    "cancelled": ("queued",),
    "interrupted": ("queued",),
}
NAME_LENGTH = 200
RUN_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
LAUNCH_SECONDS = 30.0  # a queued run must get a process within this time
HEARTBEAT_SECONDS = 60.0  # where a process cannot be looked up, this long without a sign of life means gone
# What makes a folder one.
KIND_FILES: Mapping[RunKind, str] = {"run": "run.json", "study": "study.json", "sweep": "sweep.json"}
# What such a file of a sample must hold; it may hold more.
SAMPLE_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "id": str,
    "name": str,
    "suite": str,
    "config": dict,
    "command": str,
    "created": (int, float),
    "seconds": (int, float),
}

NUMBER, NUMBER_OR_NONE = (int, float), (int, float, type(None))
COLUMN_TYPES: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("id", "name", "suite", "command", "stage"), str),
    **dict.fromkeys(("created", "heartbeat", "fraction", "seconds"), NUMBER),
    **dict.fromkeys(("started", "finished", "seconds_left", "waiting_since"), NUMBER_OR_NONE),
    **dict.fromkeys(("done", "total"), int),
    **dict.fromkeys(("error", "process"), (str, type(None))),
    "pid": (int, type(None)),
}
COLUMN_VALUES: Mapping[str, Iterable[str]] = {"state": NEXT_STATES, "kind": KIND_FILES}
COLUMNS = frozenset({*COLUMN_TYPES, *COLUMN_VALUES, "config", "cancel_requested"})

NEVER_LAUNCHED = "The run was never started: what queued it stopped before launching it. Resume it."
ENDED_EARLY = "The worker process ended before the run began; the run's log says why. Resume it."
ENDED_MIDWAY = (
    "The worker process ended without finishing (killed, out of memory, or the machine stopped). "
    "Everything finished so far is kept: resume the run."
)


@dataclass(frozen=True)
class RunRow:
    """What the store knows of a run or a study; times are unix seconds, `seconds` is computing time over all sessions.

    `fraction` and `seconds_left` are of the whole run, `done` and `total` of its `stage`; `heartbeat` is the
    last sign of life; `process` tells `pid` from a later process of the same number. `waiting_since`: when a queued
    run was launched and had to wait for others. `note`, `tags` and `archived` are what users wrote on it.
    """

    id: str
    name: str
    suite: str
    state: RunState
    config: dict[str, Any]
    command: str
    created: float
    started: float | None = None
    finished: float | None = None
    stage: str = ""
    done: int = 0
    total: int = 0
    fraction: float = 0.0
    seconds_left: float | None = None
    heartbeat: float = 0.0
    pid: int | None = None
    process: str | None = None
    error: str | None = None
    cancel_requested: bool = False
    seconds: float = 0.0
    sample: bool = False
    kind: RunKind = "run"
    waiting_since: float | None = None
    note: str = ""
    tags: tuple[str, ...] = ()
    archived: bool = False

    @property
    def waiting(self) -> bool:
        """Whether it stands in the queue: launched, but other runs are at work."""
        return self.state == "queued" and self.waiting_since is not None


class UnknownRun(StoreError):
    """The store has no run of this id (any more)."""


class DamagedRow(StoreError):
    """The database has a row of this run that no store of ours wrote."""


def row_from_fields(fields: Mapping[str, Any]) -> RunRow:
    """The row with the columns of the database, checked: a file that anyone can change is not trusted."""
    missing = sorted(COLUMNS - fields.keys())
    if missing:
        raise DamagedRow(
            f"The store is damaged: its table of runs has no {quoted(missing)}. Move it away: a new one is made, and "
            "the folders beside it in `runs` can be taken in again."
        )
    try:
        config = json.loads(fields["config"])
        wrong = [name for name, types in COLUMN_TYPES.items() if not isinstance(fields[name], types)]
        wrong += [] if isinstance(config, dict) else ["config"]
        wrong += [name for name, known in COLUMN_VALUES.items() if fields[name] not in known]
        if not wrong and RUN_ID.fullmatch(fields["id"]):
            asked = bool(fields["cancel_requested"])
            return RunRow(**{**fields, "config": config, "cancel_requested": asked})
        reason = f"{quoted(wrong)} cannot be what was written" if wrong else "the id is none"
    except (ValueError, TypeError, RecursionError) as error:
        reason = f"`config` is no JSON ({error})"
    raise DamagedRow(f"The run `{fields['id']}` has a damaged row in the store: {reason}. Delete the run.")


def check_run_id(run_id: str) -> str:
    """Refuse anything that is no run id, so that an id can safely be part of a path."""
    if not RUN_ID.fullmatch(run_id):
        raise InvalidInput(
            f"`run_id` must be up to 64 lower-case letters, digits and inner hyphens; found {run_id!r}. "
            f"Copy it from the list of runs."
        )
    return run_id


def random_run_id(suite: str, kind: RunKind, created: float) -> str:
    """An id that tells the suite and the time, and differs from others of the same minute by chance."""
    slug = re.sub(r"[^a-z0-9]+", "-", suite.lower())[:32].strip("-") or kind
    return f"{slug}-{time.strftime('%Y%m%d-%H%M', time.gmtime(created))}-{uuid4().hex[:4]}"


def checked_name(name: str) -> str:
    """The name of a run without spaces around it."""
    name = name.strip()
    if not 1 <= len(name) <= NAME_LENGTH or not is_plain(name):
        raise InvalidInput(
            f"`name` must have 1 to {NAME_LENGTH} characters; found {len(name)}. Choose another one, without control "
            "characters."
        )
    return name


def check_transition(row: RunRow, state: RunState) -> None:
    """Refuse a change of state that a run cannot make."""
    if state not in NEXT_STATES[row.state]:
        allowed = " or ".join(NEXT_STATES[row.state]) or "nothing else"
        raise StoreError(f"The run `{row.id}` is {row.state}: it can become {allowed}, not {state}.")


def read_sample(folder: Path) -> RunRow:
    """The finished, read-only run or study that a folder's file describes; `StoreError` where it does not."""
    kinds: list[RunKind] = [kind for kind, file in KIND_FILES.items() if (folder / file).is_file()]
    kind = kinds[0] if kinds else "run"
    path = folder / KIND_FILES[kind]
    fields = read_json(path)
    if not isinstance(fields, dict):
        raise StoreError(f"`{path}` must hold an object.")
    for key, of_type in SAMPLE_TYPES.items():
        if not isinstance(fields.get(key), of_type) or isinstance(fields[key], bool):
            raise StoreError(f"`{path}` has no valid `{key}`; found {fields.get(key)!r}.")
    check_run_id(fields["id"])
    known = {key: fields[key] for key in SAMPLE_TYPES}
    finished = known["created"] + known["seconds"]
    return RunRow(
        **known, state="done", fraction=1.0, finished=finished, heartbeat=finished, sample=True, kind=kind
    )


def read_samples(folders: Iterable[Path]) -> tuple[dict[str, tuple[RunRow, Path]], list[str]]:
    """Each sample in the `folders` with its own folder, by id, and a sentence for everything that is none."""
    found: dict[str, tuple[RunRow, Path]] = {}
    problems: list[str] = []
    for entry in (entry for folder in folders for entry in _entries(folder, problems)):
        try:
            row = read_sample(entry)
            if row.id in found:
                raise StoreError(f"its id `{row.id}` is that of `{found[row.id][1].name}` too.")
            found[row.id] = (row, entry)
        except GradTagError as error:
            problems.append(f"The sample run `{entry.name}` was skipped: {error}")
    return found, problems


def _entries(folder: Path, problems: list[str]) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "README")))
    except OSError as error:
        problems.append(f"The sample runs in `{folder}` could not be listed: {error}.")
        return []


@cache
def this_machine() -> str | None:
    """The boot and the process namespace within which a pid means something; None outside Linux."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def process_identity(pid: int) -> str | None:
    """A text no other process shares, from pid and start time (/proc/<pid>/stat); None if gone or unknown."""
    machine = this_machine()
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()  # the command before it may hold spaces and brackets
    zombie = fields[0] in (b"Z", b"X")
    return None if machine is None or zombie else f"{machine} {pid} {int(fields[19])}"


def runs_here(row: RunRow) -> bool:
    """Whether the row's pid can be looked up and signalled from this process."""
    return row.pid is not None and (row.process is None or row.process.startswith(f"{this_machine()} "))


def _can_be_signalled(pid: int) -> bool:
    """Whether there is such a process, ours or another user's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def closed_as_lost(row: RunRow) -> RunRow:
    """An open row whose process is gone, as it has to be closed."""
    early = NEVER_LAUNCHED if row.pid is None else ENDED_EARLY
    sentence = ENDED_MIDWAY if row.state == "running" else early
    state, error = ("cancelled", None) if row.cancel_requested else ("interrupted", sentence)
    return replace(row, state=state, error=error, finished=row.heartbeat, seconds_left=None)


def process_ended(row: RunRow) -> bool:
    """Whether the process of an open run is gone: exact on this machine, else by the age of its heartbeat.

    A run that waits in the queue has none yet, and may wait for ever.
    """
    if row.waiting and row.pid is None:
        return False
    if row.pid is not None and runs_here(row):
        if row.process is not None:
            return process_identity(row.pid) != row.process
        if not _can_be_signalled(row.pid):
            return True
    limit = LAUNCH_SECONDS if row.pid is None else HEARTBEAT_SECONDS
    return time.time() - row.heartbeat > limit
