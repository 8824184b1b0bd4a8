"""Runs that are disturbed for real: killed, cut off, out of space, damaged; each must end as if nothing had been.

    python -m benchmarks.faults [--kills 50] [--seed 0] [--only NAME] [--json]

A small run of every kind of unit is carried out undisturbed, then again and again in stores of their own, disturbed at
random moments (the same seed draws the same moments; what they hit depends on the machine) and resumed until it is
done. Scores, affinities, groups and FLOPs must then be the same bit for bit, and no file of a finished unit may be gone
or written again. `--kills` of the worker; of the other faults there are as many or fewer. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.faults_dask import dask
from benchmarks.faults_disk import bits, disk
from benchmarks.faults_power import power
from benchmarks.faults_processes import pool, worker
from benchmarks.faults_trial import Bench, Tally
from benchmarks.report import machine

FAULTS: Mapping[str, Callable[[Bench], Iterator[Tally]]] = {
    "worker": worker, "pool": pool, "dask": dask, "disk": disk, "bits": bits, "power": power,
}  # fmt: skip
COLUMNS = ("times", "recovered", "runs", "units lost", "computed twice", "differing results", "seconds")
MOST_SHOWN = 10  # problems of one fault


def tallies(bench: Bench, names: Sequence[str]) -> Iterator[Tally]:
    for name in names:
        yield from FAULTS[name](bench)


def row(tally: Tally) -> str:
    if tally.skipped:
        return f"| {tally.name} | skipped: {tally.skipped} |" + " |" * (len(COLUMNS) - 1)
    numbers = (tally.faults, tally.recovered, tally.runs, tally.lost, tally.twice, tally.differing)
    return f"| {tally.name} | {' | '.join(f'{number:,}' for number in numbers)} | {tally.seconds:.0f} |"


def print_notes(found: Sequence[Tally]) -> None:
    """When the faults came, and all that went wrong."""
    for tally in found:
        if tally.moments:
            moments = ", ".join(f"{name} {count}" for name, count in tally.moments.most_common())
            print(f"- {tally.name}: {moments}")
    for tally in found:
        for problem in tally.problems[:MOST_SHOWN]:
            print(f"- PROBLEM, {tally.name}: {problem}")
        if len(tally.problems) > MOST_SHOWN:
            print(f"- PROBLEM, {tally.name}: {len(tally.problems) - MOST_SHOWN} more")


def as_json(bench: Bench, found: Sequence[Tally]) -> dict[str, Any]:
    undisturbed = {"seconds": bench.seconds, "units": bench.units, "bytes": bench.bytes}
    own = [{**vars(tally), "moments": dict(tally.moments)} for tally in found]
    return {
        "machine": machine(), "undisturbed": undisturbed,
        "faults": [{name: value for name, value in one.items() if not name.startswith("_")} for one in own],
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50, help="of the worker process")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", choices=list(FAULTS), help="may be repeated")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    if given.kills < 1:
        parser.error("--kills must be at least 1")
    started, found = time.perf_counter(), []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        bench = Bench(Path(folder), given.kills, given.seed)
        if not given.json:
            print(f"Undisturbed: {bench.units} units, {bench.bytes / 1e6:.1f} MB, {bench.seconds:.1f} s.\n")
            print(f"| fault | {' | '.join(COLUMNS)} |\n|---|{'---:|' * len(COLUMNS)}", flush=True)
        for tally in tallies(bench, given.only or list(FAULTS)):
            found.append(tally)
            if not given.json:
                print(row(tally), flush=True)
    if given.json:
        print(json.dumps(as_json(bench, found), indent=1))
    else:
        print(f"\n{time.perf_counter() - started:.0f} s in all.")
        print_notes(found)
    return 1 if any(tally.problems for tally in found) else 0


if __name__ == "__main__":
    sys.exit(main())
