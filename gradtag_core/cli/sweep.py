"""`sweep`: one configuration with one or two knobs varied over a grid, and what that does to the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import typer

from gradtag_core.cli.options import keyword, knob_options, place_options, set_options
from gradtag_core.cli.printing import print_json, print_table
from gradtag_core.cli.work import carry_out, chosen_engine
from gradtag_core.config import PRESETS, RunConfig, make_config
from gradtag_core.sweep_config import make_sweep_config, parse_vary, value_text

if TYPE_CHECKING:
    from gradtag_core.runs.store import RunRow, RunStore
    from gradtag_core.runs.sweep_record import SweepRecord


def sweep(
    vary: list[str], preset: str | None = None, name: str | None = None, workers: int | None = None,
    scheduler: str | None = None, as_json: bool = False, **values: Any,
) -> None:  # fmt: skip
    """Vary one or two knobs of a run over a grid; cells share what they have in common."""
    from gradtag_core.runs.start import create_sweep, open_store

    store = open_store()
    config = make_sweep_config(make_config(preset, **values), parse_vary(vary))
    with chosen_engine(workers, scheduler) as engine:
        row = carry_out(store, create_sweep(store, config, name).id, engine)
    print_sweep(store, row, as_json)


set_options(sweep, [
    keyword("vary", list[str], typer.Option(
        metavar="KNOB=A,B,…", help="A knob and its values, as proj_dim=50,100,200; give it once or twice. `automatic` "
        "leaves a knob open. Varying the seed tells how far results scatter."), ...),
    keyword("preset", Literal[tuple(PRESETS)] | None, typer.Option(  # type: ignore[valid-type]
        help="Settings to start from; options given beside it win.")),
    keyword("name", str | None, typer.Option(help="What to call the sweep.")),
    *place_options(),
    *knob_options(RunConfig),
])  # fmt: skip


def print_sweep(store: RunStore, row: RunRow, as_json: bool) -> None:
    """The cells of a sweep with their results, the best one marked."""
    from gradtag_core.runs.sweep_record import SweepRecord

    record = SweepRecord(store.run_folder(row.id))
    if as_json:
        print_json(_to_json(record, row))
        return
    for line in _tables(record):
        print(line)
    for index, reason in record.summary.failed.items():
        print(f"Cell {index + 1} failed: {reason}")
    print(f"Sweep {row.id}")


def _tables(record: SweepRecord) -> list[str]:
    """Print the table of cells; returns the sentences below it."""
    judged = "row_spearman" if "row_spearman" in record.measures else "gain"
    found = record.surface(judged)
    rows = []
    for index, (values, _) in enumerate(record.config.cells()):
        result = record.results.get(index)
        mark = "*" if index == found.best else "≈" if index in found.alike else " "
        cells = [mark, *map(value_text, values.values())]
        if result is None:
            rows.append((*cells, "failed", *[""] * 7))
            continue
        rows.append((
            *cells, _number(*result.value("row_spearman")), _number(*result.value("share_of_ceiling")),
            f"{result.flops:.3g}", f"{result.seconds:.1f}", f"{result.gap:.2%}", _number(*result.value("gain")),
            _number(*result.value("agreement")), _number(*result.value("adjusted_rand")),
        ))  # fmt: skip
    headings = ("", *record.config.knobs, "Row Spearman", "Of ceiling", "FLOPs", "Seconds", "Gap", "Test gain",
                "As base", "Rand")  # fmt: skip
    print_table(headings, rows)
    name = {"row_spearman": "row Spearman", "gain": "test gain"}[judged]
    words = [f"*: best {name}; ≈: not told apart from it (less than two standard errors of the difference)."]
    if "row_spearman" not in record.measures:
        words.append(
            "No cell is judged by real training: give --truth a number of subsets to train for real."
        )
    if record.n_truths > 1:
        words.append(
            f"The cells are judged by {record.n_truths} different sets of real trainings, which scatter too."
        )
    return words


def _to_json(record: SweepRecord, row: RunRow) -> dict[str, Any]:
    failed = record.summary.failed
    cells = [
        {
            "cell": index,
            "values": values,
            "results": record.results[index].to_json() if index in record.results else None,
            "error": failed.get(index),
        }
        for index, (values, _) in enumerate(record.config.cells())
    ]
    for cell in cells:
        result = record.results.get(cell["cell"])
        for measure in record.measures if result else ():
            value, error = result.value(measure) if result else (None, None)
            cell[measure] = {"value": value, "standard_error": error}
    vary = {name: list(values) for name, values in record.config.vary.items()}
    return {"sweep": row.id, "seconds": row.seconds, "vary": vary, "base": record.summary.base,
            "truths": record.n_truths, "cells": cells}  # fmt: skip


def _number(value: float | None, error: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" + ("" if error is None else f" ± {error:.3f}")
