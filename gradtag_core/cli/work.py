"""Working on a queued run or study in this process, with progress on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from gradtag_core.progress import Progress as StageProgress
    from gradtag_core.runs.store import RunRow, RunStore


def carry_out(store: RunStore, run_id: str) -> RunRow:
    """Work on a queued run or study in this process, showing progress on standard error; exit code 1 unless it ends
    as done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from gradtag_core.runs.start import execute

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[left]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task("Starting", total=1.0, left="")

        def report(progress: StageProgress, fraction: float, seconds_left: float | None) -> None:
            left = "" if seconds_left is None else f"{seconds_left:.0f} s left"
            bar.update(shown, description=progress.stage, completed=fraction, left=left)

        row = execute(store, run_id, report)
    if row.state != "done":
        reason = row.error or f"resume it with: python -m gradtag_core resume {row.id}"
        print(f"The {row.kind} {row.id} is {row.state}: {reason}", file=sys.stderr)
        raise typer.Exit(1)
    return row
