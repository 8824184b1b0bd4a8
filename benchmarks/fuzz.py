"""Damaged and hostile files for every reader.

    python -m benchmarks.fuzz [--inputs 100000] [--seed 0] [--only NAME] [--keep FOLDER] [--json]

A reader may accept a file or refuse it by an error of our own; anything else is a fault: another exception, a process
that ends, more than 2 s of processor time, or more memory than 1 GiB above what the imports take. Mutants know the
kinds of files, and those that reach new lines of the library are changed further. One process at work; the same seed
gives the same inputs. `--keep` saves every input that is a fault.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from benchmarks.fuzz_reader import Reader
from benchmarks.fuzz_worker import MEMORY_LIMIT, SECONDS_LIMIT, Report, work

START_SECONDS = 300.0  # imports on a busy machine
WALL_SECONDS = (
    600.0  # in which an input must be done however busy the machine is: native code may hear no timer
)
MOST_SAVED = 3  # inputs of each kind of fault
MIB = 2**20


@dataclass
class Tally:
    """What the inputs of one reader did; `faults` counts each kind, by what was raised and where."""

    name: str
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    kept: int = 0
    slowest: float = 0.0
    peak_bytes: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def count(self, report: Report) -> None:
        self.inputs += 1
        self.accepted += report.verdict == "accepted"
        self.refused += report.verdict == "refused"
        self.kept += report.is_new
        self.slowest = max(self.slowest, report.seconds)
        self.peak_bytes = max(self.peak_bytes, report.peak_bytes)
        if report.is_fault:
            self.faults[f"{report.verdict}: {report.fault}"] += 1


OnTally = Callable[[Tally], None]


class Laboratory:
    """A worker process in `folder`, started again whenever an input ends it; faults go to `keep`, the first
    of each kind.

    `hostile`: whether files made to harm are among the inputs. `module`: where the readers are listed as `READERS`.
    """

    def __init__(
        self,
        folder: Path,
        keep: Path | None = None,
        hostile: bool = True,
        module: str = "benchmarks.fuzz_readers",
    ):
        self.folder, self.keep, self.hostile, self.module = folder, keep, hostile, module
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def campaign(self, reader: Reader, n_inputs: int, seed: int) -> Tally:
        """Feed that many inputs to a reader; RuntimeError where it does not accept what is valid."""
        tally, kept = Tally(reader.name), []
        while tally.inputs < n_inputs:
            connection = self._ready(reader, (reader.name, seed, tally.inputs, n_inputs, kept, self.hostile))
            while tally.inputs < n_inputs:
                report = self._report(connection, reader, tally.inputs)
                tally.count(report)
                if report.is_new:
                    kept.append(report.content)
                if report.is_fault and tally.faults[f"{report.verdict}: {report.fault}"] <= MOST_SAVED:
                    self._save(reader, report)
                if report.verdict == "killed":
                    break
        return tally

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.join()
        self._process = self._connection = None

    def _ready(self, reader: Reader, job: tuple[Any, ...]) -> Connection:
        if self._process is None or not self._process.is_alive():
            context = get_context("spawn")  # a fork would share the locks of threads
            self._connection, other = context.Pipe()
            self._process = context.Process(
                target=work, args=(other, str(self.folder), self.module), daemon=True
            )
            self._process.start()
            other.close()
        connection = self._connection
        assert connection is not None
        connection.send(job)
        problem = connection.recv() if connection.poll(START_SECONDS) else "it did not start"
        if problem:
            raise RuntimeError(f"The reader `{reader.name}` must accept its own corpus; found: {problem}")
        return connection

    def _report(self, connection: Connection, reader: Reader, index: int) -> Report:
        try:
            if connection.poll(WALL_SECONDS):
                return connection.recv()
            reason = f"no answer in {WALL_SECONDS:.0f} s"
        except (EOFError, OSError):
            reason = "the process ended"
        self.stop()
        path = reader.path_in(self.folder)
        content = path.read_bytes() if path.is_file() else b""
        return Report(index, "killed", 0.0, 0, reason, content=content)

    def _save(self, reader: Reader, report: Report) -> None:
        if self.keep:
            self.keep.mkdir(parents=True, exist_ok=True)
            stem = f"{reader.folder}-{report.index}-{report.verdict}"
            (self.keep / f"{stem}{Path(reader.file).suffix}").write_bytes(report.content)
            (self.keep / f"{stem}-fault.txt").write_text(
                f"{report.fault}\n{report.details}", encoding="utf-8"
            )


def shares(readers: Sequence[Reader], n_inputs: int) -> list[int]:
    """How many inputs each reader gets: at least one, and `n_inputs` or a few more in all."""
    total = sum(reader.share for reader in readers)
    return [max(1, ceil(n_inputs * reader.share / total - 1e-9)) for reader in readers]


def run(
    readers: Sequence[Reader],
    n_inputs: int,
    seed: int,
    keep: Path | None = None,
    on_tally: OnTally | None = None,
    hostile: bool = True,
) -> list[Tally]:
    """The tally of each reader; each is told as soon as it is known."""
    tallies = []
    with tempfile.TemporaryDirectory() as folder:
        laboratory = Laboratory(Path(folder), keep, hostile)
        try:
            for reader, own in zip(readers, shares(readers, n_inputs), strict=True):
                tallies.append(laboratory.campaign(reader, own, seed))
                if on_tally:
                    on_tally(tallies[-1])
        finally:
            laboratory.stop()
    return tallies


def print_row(tally: Tally) -> None:
    numbers = (tally.inputs, tally.accepted, tally.refused, tally.faults.total())
    counts = " | ".join(f"{number:,}" for number in numbers)
    print(
        f"| {tally.name} | {counts} | {tally.slowest:.2f} | {tally.peak_bytes / MIB:.0f} | {tally.kept} |",
        flush=True,
    )


def print_end(tallies: Sequence[Tally], seconds: float) -> None:
    everything = Tally("all")
    for tally in tallies:
        for name in ("inputs", "accepted", "refused", "kept"):
            setattr(everything, name, getattr(everything, name) + getattr(tally, name))
        everything.faults += tally.faults
        everything.slowest = max(everything.slowest, tally.slowest)
        everything.peak_bytes = max(everything.peak_bytes, tally.peak_bytes)
    print_row(everything)
    print(
        f"\n{len(tallies)} readers in {seconds:.0f} s; limits: {SECONDS_LIMIT:g} s of processor time, "
        f"{MEMORY_LIMIT // MIB:,} MiB of memory."
    )
    for tally in tallies:
        for fault, count in tally.faults.most_common():
            print(f"{tally.name}: {count:,} × {fault}")


def main(arguments: Sequence[str] | None = None) -> int:
    from benchmarks.fuzz_readers import READERS

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=100_000, help="over all readers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", action="append", help="a reader, or the beginning of its name; may be repeated"
    )
    parser.add_argument("--keep", type=Path, help="folder for inputs that are faults")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    chosen = [
        reader for reader in READERS
        if not given.only or any(reader.name.startswith(name) for name in given.only)
    ]  # fmt: skip
    if not chosen:
        parser.error(f"--only must be one of: {', '.join(reader.name for reader in READERS)}")
    started = time.perf_counter()
    if given.json:
        tallies = run(chosen, given.inputs, given.seed, given.keep)
        print(json.dumps([{**vars(tally), "faults": dict(tally.faults)} for tally in tallies], indent=1))
    else:
        columns = ("inputs", "accepted", "refused", "faults", "slowest, s", "peak, MiB", "kept")
        print(f"| reader | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
        tallies = run(chosen, given.inputs, given.seed, given.keep, print_row)
        print_end(tallies, time.perf_counter() - started)
    return 1 if any(tally.faults for tally in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
