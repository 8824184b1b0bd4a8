"""Disks that are full, and files that were damaged."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

from benchmarks.faults_compare import Ledger, finished_units
from benchmarks.faults_trial import CONFIG, Bench, Tally, Trial, environment
from gradtag_core.runs.files import CHECKSUM
from gradtag_core.runs.process import log_tail
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.start import create_run, execute
from gradtag_core.runs.store import RunStore

FULL = "is full: free some space, then resume; everything finished is kept."
ROOM = 4  # times what the units of a run take: the disk itself is large enough
LEAST_BYTES = 2**19  # for the database and the log
AT_ONCE = 5  # files damaged before a run


def disk(bench: Bench) -> Iterator[Tally]:
    """A disk that fills up while a run is at work, and has space again before it is resumed."""
    tally, draws, mount = Tally("disk full"), bench.of("disk"), bench.folder / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM * bench.bytes + 2**24}", "tmpfs", str(mount)]
    if not _done(command):
        yield Tally("disk full", skipped="this user may not mount a small disk (tmpfs).")
        return
    try:
        for number in range(bench.share(10)):
            with bench.trial(home=mount / str(number)) as trial:
                _fill_and_resume(trial, mount, LEAST_BYTES + int(draws.uniform(0, 0.9) * bench.bytes))
                tally.judge(trial, bench.expected)
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=False)
    yield tally.closed()


def _done(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _fill_and_resume(trial: Trial, mount: Path, left: int) -> None:
    filler = mount / "filler"
    filler.write_bytes(bytes(_free(mount) - left))
    trial.start()
    trial.finish()
    row = trial.row()
    trial.fault()
    if row.state == "done":
        trial.problems.append(f"the disk was large enough with {left:,} bytes left")
    elif FULL not in f"{row.error} {log_tail(trial.store, row.id)}":
        trial.problems.append(f"a full disk was said as: {row.error}")
    filler.unlink()
    trial.finish()


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def bits(bench: Bench) -> Iterator[Tally]:
    """Files of finished units with a bit that is flipped, or without their end; a new run finds them in the cache."""
    tally, draws = Tally("file damaged"), bench.of("bits")
    store = RunStore(bench.folder / "damaged")
    with environment({}):
        execute(store, create_run(store, CONFIG).id)
        tally.runs = 1
        while tally.faults < bench.kills:
            _damage_and_repeat(bench, tally, draws, store, min(AT_ONCE, bench.kills - tally.faults))
    yield tally.closed()


def _damage_and_repeat(bench: Bench, tally: Tally, draws: Random, store: RunStore, n_files: int) -> None:
    """Each file must be told of, all others stay as they are, and the results are the same."""
    ledger = Ledger(store.cache.root)
    ledger.look()
    before = {path: path.read_bytes() for path in _chosen(draws, store.cache.root, n_files)}
    what = {path: damage(path, draws) for path in before}
    for path in before:
        ledger.forget(path)
    store.cache.damaged.clear()
    run_id = create_run(store, CONFIG).id
    tally.runs, tally.faults = tally.runs + 1, tally.faults + n_files
    tally.moments.update(path.parent.parent.name for path in before)
    try:
        execute(store, run_id)
    except Exception as error:  # a fault of ours: counted, and the campaign goes on
        tally.problems.append(f"{', '.join(what.values())}: {type(error).__name__}: {error}")
    record = RunRecord(store.run_folder(run_id))
    told = " ".join(record.summary.warnings) if record.has_summary else ""
    unseen = [path for path in before if path.name not in told]
    tally.problems += [f"not noticed: {what[path]}" for path in unseen]
    if store.get(run_id).state == "done":
        tally.compare(record, bench.expected, n_files - len(unseen))
    else:
        tally.differing += 1
        tally.problems.append(f"the run ended as {store.get(run_id).state}: {store.get(run_id).error}")
    for path in unseen:
        path.write_bytes(before[path])
    ledger.look()
    tally.lost, tally.twice = tally.lost + len(ledger.lost), tally.twice + len(ledger.twice)


def _chosen(draws: Random, root: Path, n_files: int) -> list[Path]:
    """Files of different kinds, however many there are of each."""
    by_kind: dict[str, list[Path]] = {}
    for path in sorted(finished_units(root)):
        by_kind.setdefault(path.parent.parent.name, []).append(path)
    return [draws.choice(by_kind[kind]) for kind in draws.sample(sorted(by_kind), n_files)]


def damage(path: Path, draws: Random) -> str:
    """Flip a bit of a file that matters, or cut it short; returns what was done."""
    before, kind = path.read_bytes(), path.parent.parent.name
    if draws.random() < 0.5:
        length = draws.randrange(len(before))
        path.write_bytes(before[:length])
        return f"{kind} cut to {length} of {len(before)} bytes"
    while True:
        position, bit = draws.randrange(len(before)), draws.randrange(8)
        content = bytearray(before)
        content[position] ^= 1 << bit
        if not _says_the_same(path.suffix, before, bytes(content)):
            break
    path.write_bytes(content)
    return f"{kind} with bit {bit} of byte {position} of {len(before)} flipped"


def _says_the_same(suffix: str, before: bytes, content: bytes) -> bool:
    """Whether a flipped bit is no damage: 1E-5 is 1e-5, and the name of the checksum is no content."""
    if suffix == ".safetensors":
        return CHECKSUM.encode() in before and CHECKSUM.encode() not in content
    try:
        return json.loads(content) == json.loads(before)
    except ValueError:
        return False
