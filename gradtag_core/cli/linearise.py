"""`linearise`: whether a run's base model is linear enough for its estimate, beside table 1 of the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gradtag_core.cli.options import AsJson, RunId
from gradtag_core.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from gradtag_core.evaluation.linearisation import LinearisationTable
    from gradtag_core.progress import Progress as StageProgress
    from gradtag_core.runs.store import RunStore


def linearise(
    run_id: RunId,
    subsets: Annotated[
        int, typer.Option(min=1, help="Subsets of tasks to fine-tune the base model on.")
    ] = 10,
    as_json: AsJson = False,
) -> None:
    """Fine-tune a run's base model and compare its first-order expansion with what comes out (paper, table 1)."""
    from gradtag_core.runs.start import open_store

    store = open_store()
    found = store.resolve(run_id)
    table = _with_progress(store, found, subsets)
    if as_json:
        print_json({"run": found, "trust": table.trust, "verdict": table.verdict, **table.to_json()})
        return
    _print(table)
    if store.get(found).sample:
        print("Not kept: the run is a read-only sample.")


def _with_progress(store: RunStore, run_id: str, n_subsets: int) -> LinearisationTable:
    from rich.console import Console
    from rich.progress import Progress

    from gradtag_core.progress import Reporter
    from gradtag_core.runs.linearise import linearise as judge

    with Progress(console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task("Starting", total=1.0)

        def report(progress: StageProgress) -> None:
            bar.update(shown, description=progress.stage, completed=progress.fraction)

        return judge(store, run_id, n_subsets, Reporter(report))


def _print(table: LinearisationTable) -> None:
    from gradtag_core.evaluation.linearisation import PAPER

    lines = []
    for row in table.table().to_dict("records"):
        figures = (row["rss"], row["missed"], *(row[name] for name in PAPER))
        lines.append(
            (
                _distance(row["distance"]),
                row["models"],
                *("–" if each != each else f"{each:.1e}" for each in figures),
            )
        )
    print_table(("Distance", "Models", "RSS", "Of the change", *(f"{name} (paper)" for name in PAPER)), lines)
    print(
        "Distance: up to this share of the base model's length. RSS: squared error of the first-order expansion over"
    )
    print(
        "the squared outputs, as in the paper; of the change: over that of what fine-tuning changed in the outputs."
    )
    print(table.verdict)


def _distance(upper: float) -> str:
    return "more" if upper == float("inf") else f"{upper:.0%}"
