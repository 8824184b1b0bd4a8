"""The worker of a run that notes what it asks of the disk: `python -m benchmarks.faults_recorder EVENTS STOP RUN_ID`.

EVENTS: the file that gets a line of JSON for each time a file or folder was synced, renamed or a folder made. STOP:
`never`, or `MOMENT:N` to be killed at the N-th renaming: `unsynced` (before its file is on the disk), `before` it, or
`after` it (before its folder is on the disk).
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

MOMENTS = ("unsynced", "before", "after")


class Recorder:
    """Stands between this process and the calls of `os` that make a file durable."""

    def __init__(self, events: Path, stop: str):
        self._file = os.open(events, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        moment, _, number = stop.partition(":")
        self._moment, self._number = moment, int(number or 0)
        self._renamings = 0
        self._fsync, self._replace, self._rename, self._mkdir = os.fsync, os.replace, os.rename, os.mkdir

    def install(self) -> None:
        os.fsync, os.mkdir = self.fsync, self.mkdir
        os.replace = lambda source, target, **rest: self.renamed(self._replace, source, target, **rest)
        os.rename = lambda source, target, **rest: self.renamed(self._rename, source, target, **rest)

    def fsync(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if self._moment == "unsynced" and path.name.endswith(".part") and self._renamings + 1 == self._number:
            self._end("unsynced", str(path), "")
        self._fsync(descriptor)
        status = os.fstat(descriptor)
        self._note("sync", path=str(path), modified=status.st_mtime_ns, size=status.st_size)

    def mkdir(self, path: Any, *arguments: Any, **rest: Any) -> None:
        self._mkdir(path, *arguments, **rest)
        self._note("folder", path=str(Path(os.fspath(path)).absolute()))

    def renamed(self, rename: Any, source: Any, target: Any, **rest: Any) -> None:
        source, target = Path(source).absolute(), Path(target).absolute()
        self._renamings += 1
        chosen, status = self._renamings == self._number, source.stat()
        if chosen and self._moment == "before":
            self._end("before", str(source), str(target))
        before = self._digest(target) if chosen else ""
        rename(source, target, **rest)
        if chosen and self._moment == "after":
            self._end("after", str(source), str(target), before)
        self._note(
            "rename", source=str(source), path=str(target), modified=status.st_mtime_ns, size=status.st_size
        )

    def _end(self, moment: str, source: str, target: str, before: str | None = None) -> NoReturn:
        """As if the power were cut."""
        digest = self._digest(Path(target)) if before is None and target else before or ""
        self._note("end", moment=moment, source=source, path=target, before=digest)
        os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError("This process was killed.")

    def _note(self, what: str, **facts: Any) -> None:
        line = {"what": what, "thread": threading.get_ident(), **facts}
        os.write(self._file, json.dumps(line).encode() + b"\n")

    @staticmethod
    def _digest(path: Path) -> str:
        """Of the content; "" where there is no such file."""
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def main(events: str, stop: str, run_id: str) -> int:
    from gradtag_core.runs.worker import main as work

    Recorder(Path(events), stop).install()
    return work(run_id)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
