"""A run under trial: a worker process, started as the app starts it, that is killed and resumed until it is done."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from benchmarks.faults_compare import Ledger, Results, differing, results_of
from gradtag_core.config import RunConfig, make_config
from gradtag_core.runs.process import launch, log_tail
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.row import OPEN, RunRow
from gradtag_core.runs.start import create_run
from gradtag_core.runs.store import RunStore

# Every kind of unit: 5 base models with their scores, features and estimates, 4 blocks of small models, 4 of the
# truth, the groups, and 4 models of groups.
CONFIG = make_config(
    "quick", suite="yeast", n_inits=5, width=16, epochs=2, base_epochs=2, proj_dim=20, n_subsets=110,
    proxies_per_task=7, truth=64,
)  # fmt: skip
SETTINGS = (
    "GRADTAG_WORKERS",
    "GRADTAG_SCHEDULER",
    "GRADTAG_CACHE",
    "GRADTAG_MAX_RUNS",
)  # of the caller: not ours
END_SECONDS = 300.0  # in which a run that nobody disturbs must end, on whatever machine
GONE_SECONDS = 10.0  # in which a process that was killed, and those it started, must be gone
LOOK_SECONDS = 0.05


@dataclass
class Tally:
    """What became of the faults of one kind. `recovered`: those whose run was done in the end with equal results."""

    name: str
    faults: int = 0
    recovered: int = 0
    runs: int = 0
    lost: int = 0
    twice: int = 0
    differing: int = 0
    seconds: float = 0.0
    skipped: str = ""
    moments: Counter[str] = field(default_factory=Counter)  # the stages in which the faults came
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._started = time.perf_counter()

    def judge(self, trial: Trial, expected: Results) -> None:
        """Count a run that has ended, and what its faults did."""
        self._count(trial)
        row = trial.row()
        if row.state != "done":
            self.problems.append(
                f"the run ended as {row.state}: {row.error or log_tail(trial.store, row.id)}"
            )
        else:
            ledger = trial.ledger
            self.compare(trial.record, expected, trial.faults, [*trial.problems, *ledger.lost, *ledger.twice])

    def compare(
        self, record: RunRecord, expected: Results, faults: int, problems: Sequence[str] = ()
    ) -> None:
        """Count the results of a run that is done after so many faults."""
        found = differing(results_of(record), expected)
        self.differing += bool(found)
        if found:
            self.problems.append(f"other results: {', '.join(found)}")
        if not (found or problems):
            self.recovered += faults

    def _count(self, trial: Trial) -> None:
        ledger = trial.ledger
        ledger.look()
        self.runs += 1
        self.faults += trial.faults
        self.moments += trial.moments
        self.lost += len(ledger.lost)
        self.twice += len(ledger.twice)
        self.problems += trial.problems
        self.problems += [f"lost: {name}" for name in ledger.lost]
        self.problems += [f"computed twice: {name}" for name in ledger.twice]

    def closed(self) -> Tally:
        self.seconds = time.perf_counter() - self._started
        return self


class Trial:
    """One run in a new store; `environment` is that of its workers, `command` makes another command line for them."""

    def __init__(
        self, home: Path, environment: Mapping[str, str] | None = None,
        command: Callable[[str], Sequence[str]] | None = None, config: RunConfig = CONFIG,
    ):  # fmt: skip
        self.store = RunStore(home)
        self.ledger = Ledger(self.store.cache.root)
        self.run_id = create_run(self.store, config).id
        self.environment, self.command = dict(environment or {}), command
        self.faults = 0
        self.moments: Counter[str] = Counter()
        self.problems: list[str] = []
        self.pid = 0

    @property
    def record(self) -> RunRecord:
        return RunRecord(self.store.run_folder(self.run_id))

    def row(self) -> RunRow:
        return self.store.get(self.run_id)

    def start(self) -> None:
        """Start the worker, or resume the run in a new one."""
        if self.row().state != "queued":
            self.store.reopen(self.run_id)
        with environment(self.environment):
            self.pid = launch(self.store, self.run_id, self.command and self.command(self.run_id)) or 0

    def watch(self, seconds: float, until: Callable[[], object] = lambda: False) -> bool:
        """Look at the units for so long, or `until` it is so; returns whether the run is still open."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not until():
            self.ledger.look()
            if self.row().state not in OPEN:
                return False
            time.sleep(LOOK_SECONDS)
        return self.row().state in OPEN

    def fault(self) -> None:
        """Count one that came just now."""
        self.faults += 1
        self.moments[self.row().stage or "starting"] += 1

    def kill(self) -> bool:
        """Kill the worker; False where the run had been done before. What it started must end with it."""
        stage, started = self.row().stage or "starting", descendants(self.pid)
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        if self.watch(GONE_SECONDS):
            self.problems.append("a killed worker was taken for alive")
        left = [pid for pid in started if not wait_until(lambda pid=pid: not lives(pid), GONE_SECONDS)]
        if left:
            self.problems.append(f"{len(left)} processes outlived the worker that started them")
        if self.row().state == "done":
            return False
        if self.row().state != "interrupted":
            self.problems.append(f"the run of a killed worker was {self.row().state}")
        self.faults += 1
        self.moments[stage] += 1
        return True

    def finish(self) -> None:
        """Resume the run unless it is at work or done, and wait for its end."""
        if self.row().state not in (*OPEN, "done"):
            self.start()
        if self.watch(END_SECONDS):
            self.problems.append(f"the run did not end within {END_SECONDS:.0f} s")
            self.kill()


class Bench:
    """What all faults are tried on: a folder for the stores, and the undisturbed run with its results and seconds."""

    def __init__(self, folder: Path, kills: int, seed: int):
        self.folder, self.kills, self.seed = folder, kills, seed
        self._n_stores = 0
        started = time.perf_counter()
        with self.trial() as trial:
            trial.start()
            trial.finish()
            self.seconds = time.perf_counter() - started
            if trial.row().state != "done":
                raise RuntimeError(f"The undisturbed run must end as done; found: {trial.row()}")
            self.expected = results_of(trial.record)
            self.units = trial.ledger.look()
            self.bytes = trial.store.cache.size_bytes()

    def of(self, name: str) -> Random:
        """The draws of one kind of fault."""
        return Random(f"{self.seed} {name}")

    def share(self, part: int) -> int:
        """How many faults of a kind: one where `kills` has `part`."""
        return max(1, round(self.kills / part))

    @contextmanager
    def trial(
        self, environment: Mapping[str, str] | None = None,
        command: Callable[[str], Sequence[str]] | None = None, home: Path | None = None,
    ) -> Iterator[Trial]:  # fmt: skip
        """A run in a store that is removed afterwards."""
        self._n_stores += 1
        home = home or self.folder / f"store {self._n_stores}"
        trial = Trial(home, environment, command)
        try:
            yield trial
        finally:
            if trial.row().state in OPEN and trial.pid:
                trial.kill()
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """The environment with these settings of ours alone, for processes that are started meanwhile."""
    before = dict(os.environ)
    for name in SETTINGS:
        os.environ.pop(name, None)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def wait_until(is_so: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def lives(pid: int) -> bool:
    """A zombie, which nobody has waited for, does not."""
    fields = _status(pid)
    return fields is not None and fields[0] not in ("Z", "X")


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are alive."""
    found = {
        int(path.name): _status(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit()
    }
    return [own for own, fields in found.items() if fields and int(fields[1]) == pid and fields[0] != "Z"]


def descendants(pid: int) -> list[int]:
    found = children(pid)
    return found + [later for own in found for later in descendants(own)]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _status(pid: int) -> list[str] | None:
    """What follows the command in /proc/<pid>/stat: the state, the parent, …; None where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
