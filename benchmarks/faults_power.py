"""What a power cut could do, told from the calls that make files durable, and from workers that end between them."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.faults_recorder import MOMENTS
from benchmarks.faults_trial import END_SECONDS, Bench, Tally, Trial

Event = dict[str, Any]
# SQLite makes its own file durable, and no result depends on the log.
NOT_OURS = ("runs.sqlite", "log.txt", ".")


def power(bench: Bench) -> Iterator[Tally]:
    """Each file of a run is on the disk before it gets its name, and its name is before the work goes on."""
    events = bench.folder / "events"
    tally, folders = Tally("renaming between syncs"), Tally("new folder synced by name")
    with bench.trial(command=_recorded(events, "never")) as trial:
        trial.start()
        trial.finish()
        found = read_events(events)
        tally.judge(trial, bench.expected)
        home = trial.store.home
        tally.problems += order_faults(found) + never_renamed(home, found)
        folders.problems += [f"{path.relative_to(home)}" for path in unsynced_folders(found, home)]
        folders.faults = sum(event["what"] == "folder" for event in found)
        folders.recovered, folders.runs = folders.faults - len(folders.problems), 1
    renamings = sum(event["what"] == "rename" for event in found)
    tally.faults, tally.recovered = renamings, max(0, renamings - len(tally.problems))
    yield tally.closed()
    yield folders.closed()
    yield _cut(bench, renamings)


def _cut(bench: Bench, renamings: int) -> Tally:
    """Workers that end before a file is synced, before it is renamed, or before that is synced: what the disk need
    not have kept is taken away before the run is resumed."""
    tally, draws = Tally("power cut while a file is written"), bench.of("power")
    for index in range(bench.share(5)):
        stop = f"{MOMENTS[index % len(MOMENTS)]}:{draws.randint(1, renamings)}"
        events = bench.folder / f"events {index}"
        with bench.trial(command=_recorded(events, stop)) as trial:
            trial.start()
            if trial.watch(END_SECONDS) or trial.row().state != "interrupted":
                trial.problems.append(f"the worker did not end at {stop}, but as {trial.row().state}")
            trial.fault()
            _take_away(trial, read_events(events)[-1])
            trial.command = None
            trial.finish()
            tally.judge(trial, bench.expected)
    return tally.closed()


def _recorded(events: Path, stop: str) -> Any:
    return lambda run_id: [sys.executable, "-m", "benchmarks.faults_recorder", str(events), stop, run_id]


def _take_away(trial: Trial, last: Event) -> None:
    """Make the disk what it may be after the power was cut at the last event, and check that no file is half there."""
    if last["what"] != "end":
        return
    target, source = Path(last["path"]), Path(last["source"])
    if last["moment"] == "unsynced":
        source.write_bytes(b"")
        return
    if last["moment"] == "before":
        now = hashlib.sha256(target.read_bytes()).hexdigest() if target.is_file() else ""
        if now != last["before"]:
            trial.problems.append(f"{target.name} changed before it was renamed")
    elif not last["before"]:
        target.rename(source)
        trial.ledger.forget(target)


def read_events(path: Path) -> list[Event]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def order_faults(events: Sequence[Event]) -> list[str]:
    """Files that were not synced as they were when they were renamed, and names that were not synced before the same
    thread went on to the next file."""
    faults: list[str] = []
    synced: dict[str, tuple[int, int]] = {}
    open_names: dict[int, str] = {}  # by thread: what was renamed and is not on the disk yet
    for event in events:
        path, thread = event["path"], event["thread"]
        if event["what"] == "sync":
            synced[path] = (event["modified"], event["size"])
            if path == str(Path(open_names.get(thread, "/")).parent):
                open_names.pop(thread, None)
        elif thread in open_names:
            faults.append(f"{open_names.pop(thread)}: its name was not synced before the next call")
        if event["what"] == "rename":
            if synced.get(event["source"]) != (event["modified"], event["size"]):
                faults.append(f"{path}: renamed before its content was synced")
            open_names[thread] = path
    return faults + [f"{path}: its name was never synced" for path in open_names.values()]


def never_renamed(home: Path, events: Sequence[Event]) -> list[str]:
    """Files of a store that did not get their name by being renamed."""
    renamed = {event["path"] for event in events if event["what"] == "rename"}
    return [
        f"{path.relative_to(home)}: written under its own name"
        for path in sorted(home.rglob("*"))
        if path.is_file() and not path.name.startswith(NOT_OURS) and str(path) not in renamed
    ]


def unsynced_folders(events: Sequence[Event], home: Path) -> list[Path]:
    """New folders of a store whose names were not synced in the folder around them afterwards."""
    left: dict[str, None] = {}
    for event in events:
        if event["what"] == "folder" and Path(event["path"]).is_relative_to(home):
            left[event["path"]] = None
        elif event["what"] == "sync":
            for path in [path for path in left if str(Path(path).parent) == event["path"]]:
                del left[path]
    return [Path(path) for path in left]
