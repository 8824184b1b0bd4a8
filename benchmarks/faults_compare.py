"""What must be the same after a fault: the results of a run, bit for bit, and the files of its finished units."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.runs.engine.work import MARKS
from gradtag_core.runs.files import read_arrays
from gradtag_core.runs.record import ARRAYS, RunRecord

Results = dict[str, np.ndarray]
TABLES = ("estimated", "gradients", "proxies", "trained")


def results_of(record: RunRecord) -> Results:
    """Every number that a run found, by what it is; seconds, which no two runs share, are left out."""
    found: Results = {}
    for table in TABLES:
        scores = getattr(record, table)
        if scores is not None:
            members = np.array([task for subset in scores.subsets for task in (-1, *subset)])
            parts = {
                "values": scores.values,
                "subset": scores.subset,
                "task": scores.task,
                "seed": scores.seed,
            }
            found |= {f"{table} {name}": part for name, part in {**parts, "members": members}.items()}
    for metric in record.metrics if record.estimated else ():
        found |= _of_affinity(f"affinity in {metric}", record.affinity(metric))
        found |= _of_affinity(f"true affinity in {metric}", record.true_affinity(metric))
    grouping, scores = record.grouping, record.group_scores
    if grouping is not None:
        density = np.array([grouping.density, grouping.upper_bound, grouping.random_density])
        found |= {"groups": grouping.labels, "density": density}
    if scores is not None:
        found |= {"group scores": scores.grouped, "scores together": scores.together}
    if (record.folder / ARRAYS).is_file():
        found |= read_arrays(record.folder / ARRAYS)[0]
    costs = record.summary.costs
    return found | {f"FLOPs of {stage}": np.array(cost.flops) for stage, cost in costs.items()}


def _of_affinity(name: str, affinity: AffinityMatrix | None) -> Results:
    if affinity is None:
        return {}
    parts = {"": affinity.values, " counts": affinity.counts, " errors": affinity.standard_errors}
    return {f"{name}{part}": values for part, values in parts.items()}


def differing(results: Results, expected: Results) -> list[str]:
    """The names of what is missing on one side, or has another type, shape or any other bit."""
    return sorted(
        name
        for name in results.keys() | expected.keys()
        if name not in results or name not in expected or not _same_bits(results[name], expected[name])
    )


def _same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """As bytes: 0.0 is not -0.0, and a value that is no number equals itself."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


class Stamp(NamedTuple):
    """A file that is replaced, or written again, gets another one."""

    inode: int
    modified: int
    size: int


def finished_units(root: Path) -> dict[Path, Stamp]:
    """The files of a cache under their final names, but for the marks of engines, which are no units."""
    found = {}
    for path in root.rglob("*"):
        try:
            status = path.stat()
        except FileNotFoundError:  # a hidden file that has got its final name since
            continue
        if path.is_file() and not path.name.startswith(".") and path.parent.parent.name != MARKS:
            found[path] = Stamp(status.st_ino, status.st_mtime_ns, status.st_size)
    return found


class Ledger:
    """Watches the units of a cache: one that was finished must stay as it is. `look` often: of two changes between
    two looks it sees one."""

    def __init__(self, root: Path):
        self.root = root
        self.lost: list[str] = []
        self.twice: list[str] = []
        self._known: dict[Path, Stamp] = {}

    def look(self) -> int:
        """Note what was lost or written again since the last look; returns how many units are there."""
        now = finished_units(self.root)
        for path, stamp in self._known.items():
            if path not in now:
                self.lost.append(self._named(path))
            elif now[path] != stamp:
                self.twice.append(self._named(path))
        self._known = now
        return len(now)

    def forget(self, path: Path) -> None:
        """This file is meant to be written again."""
        self._known.pop(path, None)

    def _named(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()
