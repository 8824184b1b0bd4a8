"""Working on a queued run or study in this process, with progress on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from gradtag_core.progress import Progress as StageProgress
    from gradtag_core.runs.engine.engine import Engine
    from gradtag_core.runs.store import RunRow, RunStore


MOST_PLACES = 8  # that are named


@contextmanager
def chosen_engine(workers: int | None, scheduler: str | None) -> Iterator[Engine]:
    """Where units run, by the command line or the environment; says at the end how many ran where."""
    from gradtag_core.runs.engine.engine import EngineSettings, engine_of

    engine = engine_of(EngineSettings.of(workers, scheduler))
    try:
        yield engine
    finally:
        engine.close()
        if engine.places:
            print(f"Units made elsewhere: {place_words(engine.places)}.", file=sys.stderr)


def place_words(places: Mapping[str, int]) -> str:
    """How many units were made where, the busiest places first."""
    listed = sorted(places.items(), key=lambda own: -own[1])
    words = [f"{count} by {place}" for place, count in listed[:MOST_PLACES]]
    rest = listed[MOST_PLACES:]
    if rest:
        words.append(f"{sum(count for _, count in rest)} by {len(rest)} others")
    return "; ".join(words)


def carry_out(store: RunStore, run_id: str, engine: Engine) -> RunRow:
    """Work on a queued run or study in this process, showing progress on standard error; exit code 1 unless it ends
    as done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from gradtag_core.runs.start import execute

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[left]}", markup=False),
    )
    print(f"Units run {engine.where}.", file=sys.stderr)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task("Starting", total=1.0, left="")

        def report(progress: StageProgress, fraction: float, seconds_left: float | None) -> None:
            left = "" if seconds_left is None else f"{seconds_left:.0f} s left"
            bar.update(shown, description=progress.words, completed=fraction, left=left)

        row = execute(store, run_id, report, engine=engine)
    if row.state != "done":
        reason = row.error or f"resume it with: python -m gradtag_core resume {row.id}"
        print(f"The {row.kind} {row.id} is {row.state}: {reason}", file=sys.stderr)
        raise typer.Exit(1)
    return row
