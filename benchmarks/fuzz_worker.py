"""The process that feeds damaged files to one reader: bounded in memory and time, and expendable."""

import os
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from benchmarks.fuzz_mutations import mutant
from benchmarks.fuzz_reader import Reader
from gradtag_core.cost import forget_peak, peak_resident_bytes

MEMORY_LIMIT = 2**30  # bytes of address space above what the process has once everything is imported
SECONDS_LIMIT = 2.0  # of processor time per input: wall time would measure who else uses the machine
MOST_KEPT = 400  # mutants that reached lines that none before them did
MOST_CHANGED = 2**14  # bytes of an input that is changed further: large ones are for reading alone
CORE = str(Path(__file__).parents[1] / "gradtag_core")

Verdict = Literal["accepted", "refused", "crash", "hang", "memory", "killed"]


@dataclass(frozen=True)
class Report:
    """What one input did: `fault` names what was raised and where, `is_new` whether it reached new lines. `content`: of
    inputs that are a fault or new."""

    index: int
    verdict: Verdict
    seconds: float
    peak_bytes: int
    fault: str = ""
    details: str = ""
    is_new: bool = False
    content: bytes = b""

    @property
    def is_fault(self) -> bool:
        return self.verdict not in ("accepted", "refused")


class Hang(BaseException):
    """Raised by the timer; no reader catches it."""


def work(connection: Connection, folder: str, module: str) -> None:
    """Take jobs from the parent and send a `Report` for each input: (name of the reader, seed, first and last input,
    mutants kept so far, whether hostile files are among them).

    `module`: where the readers are listed as `READERS`; they hold functions, which cannot be sent.
    """
    readers = {reader.name: reader for reader in import_module(module).READERS}
    warnings.simplefilter("ignore")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    signal.signal(signal.SIGPROF, _stop)
    while (job := connection.recv()) is not None:
        name, seed, first, last, kept, hostile = job
        try:
            bench = Bench(readers[name], Path(folder), kept, seed, hostile)
        except Exception:
            connection.send(traceback.format_exc())
            continue
        connection.send("")  # imports are done
        for index in range(first, last):
            connection.send(bench.run(index, random.Random(f"{seed}-{name}-{index}")))


class Bench:
    """One reader with its valid inputs read once, so that what it imports is there before memory is bounded."""

    def __init__(self, reader: Reader, folder: Path, kept: list[bytes], seed: int, hostile: bool):
        self.reader = reader
        self.path = reader.path_in(folder)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        if reader.prepare:
            reader.prepare(self.path.parent)
        self.corpus = reader.corpus()
        self.seen: set[tuple[str, int, int]] = set()
        for content in self.corpus:
            self.path.write_bytes(content)
            self._traced()
        self.hostile = list(reader.hostile()) if hostile else []
        random.Random(seed).shuffle(self.hostile)
        self.pool = [*self.corpus, *(one for one in self.hostile if len(one) <= MOST_CHANGED), *kept]
        self.n_kept = len(kept)
        limit = _address_space() + MEMORY_LIMIT
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        forget_peak()
        self.least_peak = peak_resident_bytes()

    def run(self, index: int, rng: random.Random) -> Report:
        """Hostile inputs as they are, in turn with mutants, of which more are of the corpus than of others."""
        place, is_mutant = divmod(index, 2)
        if not is_mutant and place < len(self.hostile):
            content = self.hostile[place]
        else:
            content = mutant(rng, self.corpus if rng.random() < 0.4 else self.pool)
        self.path.write_bytes(content)
        forget_peak()  # that of changing bytes is the fuzzer's own
        before = len(self.seen)
        report = self._judged(index, trace=True)
        if report.verdict == "hang":  # the tracing of lines takes time itself
            report = self._judged(index, trace=False)
        is_new = len(self.seen) > before and not report.is_fault
        is_new &= self.n_kept < MOST_KEPT and len(content) <= MOST_CHANGED
        if is_new:
            self.n_kept += 1
            self.pool.append(content)
        return replace(report, is_new=is_new, content=content if is_new or report.is_fault else b"")

    def _judged(self, index: int, trace: bool) -> Report:
        verdict: Verdict = "accepted"
        fault = details = ""
        started = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SECONDS_LIMIT)
        try:
            try:
                self._traced() if trace else self.reader.call(self.path)
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
        except self.reader.allowed as error:
            verdict = "memory" if _out_of_memory(error) else "refused"
            fault, details = _place(error), traceback.format_exc()
        except Hang as error:
            verdict, fault, details = "hang", _place(error), traceback.format_exc()
        except BaseException as error:  # a reader must raise nothing else, SystemExit included
            verdict, fault, details = "crash", _place(error), traceback.format_exc()
        seconds = time.process_time() - started
        if seconds > SECONDS_LIMIT and verdict in ("accepted", "refused"):
            verdict, fault = "hang", fault or "slow"
        kept = verdict not in ("accepted", "refused")
        return Report(
            index, verdict, seconds, peak_resident_bytes() - self.least_peak, fault, details if kept else ""
        )

    def _traced(self) -> None:
        """Call the reader and note which lines of the library follow which."""
        seen, last = self.seen, 0

        def local(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal last
            if event == "line":
                seen.add((frame.f_code.co_filename, last, frame.f_lineno))
                last = frame.f_lineno
            return local

        def entered(frame: FrameType, event: str, _: Any) -> Any:
            return local if frame.f_code.co_filename.startswith(CORE) else None

        sys.settrace(entered)
        try:
            self.reader.call(self.path)
        finally:
            sys.settrace(None)


def _stop(signal_number: int, frame: FrameType | None) -> None:
    raise Hang


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _out_of_memory(error: BaseException | None) -> bool:
    """Whether memory ran out, even where a reader says so in a sentence of its own."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _place(error: BaseException) -> str:
    """The type of an error and the last line of the library that it passed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(CORE)]
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
