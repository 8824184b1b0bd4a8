"""The process of one run: `python -m gradtag_core.runs.worker RUN_ID`. What it prints is the run's log."""

import sys
import time
from contextlib import suppress

from gradtag_core.errors import GradTagError
from gradtag_core.progress import Progress
from gradtag_core.runs.process import free_place
from gradtag_core.runs.start import execute, open_store


class Log:
    """Prints a line when a stage begins, so that the log of a worker that was killed tells how far it came."""

    def __init__(self) -> None:
        self._stage = ""

    def on_progress(self, progress: Progress, fraction: float, seconds_left: float | None) -> None:
        if progress.words != self._stage:
            self._stage = progress.words
            self.say(f"{progress.words} ({progress.total})")

    def say(self, text: str) -> None:
        with suppress(OSError):  # a full disk: the results come first
            print(time.strftime("%Y-%m-%d %H:%M:%S"), text, flush=True)


def main(run_id: str) -> int:
    """Carry out the run, then start what waits for its place; 0 when it is done, 1 otherwise (the store, or the log,
    says why)."""
    log = Log()
    try:
        store = open_store()
        try:
            row = execute(store, run_id, log.on_progress)
        finally:
            free_place(store)
    except GradTagError as error:
        log.say(str(error))
        return 1
    log.say(f"The {row.kind} is {row.state}." + (f" {row.error}" if row.error else ""))
    return 0 if row.state == "done" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
