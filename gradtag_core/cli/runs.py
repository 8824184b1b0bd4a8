"""The commands on runs: `suites`, `run`, `resume`, `cancel`, `runs`, `show` and `compare`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gradtag_core.cli.options import (
    AsJson,
    RunId,
    Scheduler,
    Workers,
    keyword,
    knob_options,
    place_options,
    set_options,
)
from gradtag_core.cli.pareto import print_study
from gradtag_core.cli.printing import print_json, print_table
from gradtag_core.cli.sweep import print_sweep
from gradtag_core.cli.work import carry_out, chosen_engine, place_words
from gradtag_core.config import PRESETS, Metric, RunConfig, make_config
from gradtag_core.errors import InvalidInput

if TYPE_CHECKING:
    from gradtag_core.evaluation.comparison import Line
    from gradtag_core.runs.record import RunRecord
    from gradtag_core.runs.store import RunRow, RunStore


def suites(as_json: AsJson = False) -> None:
    """List the data sets that runs can use."""
    from gradtag_core.tasks.registry import suite_infos, suite_problems

    for problem in suite_problems():
        print(f"Warning: {problem}", file=sys.stderr)
    infos = [asdict(info) for info in suite_infos()]
    if as_json:
        print_json(infos)
    else:
        rows = [
            (info["name"], info["title"], info["n_tasks"], f"{info['n_examples']:,}", info["origin"])
            for info in infos
        ]
        print_table(("Name", "Title", "Tasks", "Examples", "Origin"), rows)


def run(
    preset: str | None = None, name: str | None = None, workers: int | None = None, scheduler: str | None = None,
    as_json: bool = False, **values: Any,
) -> None:  # fmt: skip
    """Estimate task affinity, group the tasks, train the groups; with --truth, train subsets for real too."""
    from gradtag_core.runs.start import create_run, open_store

    store, config = open_store(), make_config(preset, **values)
    with chosen_engine(workers, scheduler) as engine:
        row = carry_out(store, create_run(store, config, name).id, engine)
    print_outcome(store, row, as_json)


set_options(run, [
    keyword("preset", Literal[tuple(PRESETS)] | None, typer.Option(  # type: ignore[valid-type]
        help="Settings to start from; options given beside it win.")),
    keyword("name", str | None, typer.Option(help="What to call the run.")),
    *place_options(),
    *knob_options(RunConfig),
])  # fmt: skip


def resume(
    run_id: RunId, workers: Workers = None, scheduler: Scheduler = None, as_json: AsJson = False
) -> None:
    """Finish an interrupted, failed or cancelled run; what it finished is not computed again."""
    from gradtag_core.runs.start import open_store

    store = open_store()
    found = store.resolve(run_id)
    with chosen_engine(workers, scheduler) as engine:
        row = carry_out(store, store.reopen(found).id, engine)
    {"run": print_outcome, "study": print_study, "sweep": print_sweep}[row.kind](store, row, as_json)


def cancel(run_id: RunId, as_json: AsJson = False) -> None:
    """Stop a run; what it finished is kept, and `resume` goes on from there."""
    from gradtag_core.runs.process import cancel as stop
    from gradtag_core.runs.start import open_store

    store = open_store()
    row = stop(store, store.resolve(run_id))
    if as_json:
        print_json({"run": row.id, "state": row.state})
    else:
        print(f"{row.id} is {row.state}.")


def runs(as_json: AsJson = False) -> None:
    """List all runs, the newest first."""
    from gradtag_core.runs.start import open_store

    store = open_store()
    rows = store.list()
    for problem in store.problems:
        print(f"Warning: {problem}", file=sys.stderr)
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        lines = [
            (row.id, row.name, _state(row), f"{row.fraction:.0%}", f"{row.seconds:.0f} s") for row in rows
        ]
        print_table(("Run", "Name", "State", "Done", "Time"), lines)


def _state(row: RunRow) -> str:
    return "waiting" if row.waiting else row.state


def show(run_id: RunId, as_json: AsJson = False) -> None:
    """Show what a run, a study or a sweep was asked, what it cost and what it found."""
    from gradtag_core.runs.record import RunRecord
    from gradtag_core.runs.start import open_store
    from gradtag_core.runs.study_record import StudyRecord
    from gradtag_core.runs.sweep_record import SweepRecord

    store = open_store()
    row = store.get(store.resolve(run_id))
    record = RunRecord(store.run_folder(row.id))
    if as_json and row.kind == "study":
        study = StudyRecord(record.folder)
        records = [each.to_json() for each in study.records()] if study.has_summary else []
        print_json({**asdict(row), "records": records})
        return
    if as_json and row.kind == "sweep":
        print_sweep(store, row, as_json)
        return
    if as_json:
        summary = record.summary.to_json() if record.has_summary else None
        found = record.grouping.to_json() if record.grouping else None
        print_json({**asdict(row), "summary": summary, "grouping": found})
        return
    print(f"{row.id}: {row.name}\nstate: {_state(row)}" + (f" ({row.error})" if row.error else ""))
    print(f"command: {row.command}")
    if row.kind == "study" and StudyRecord(record.folder).has_summary:
        print_study(store, row, as_json)
    if row.kind == "sweep" and SweepRecord(record.folder).has_summary:
        print_sweep(store, row, as_json)
    if record.has_summary:
        for stage, cost in record.summary.costs.items():
            print(f"{stage}: {cost.flops:.3g} FLOPs, {cost.seconds:.1f} s")
        if record.summary.captured_energy is not None:
            print(f"gradient energy kept by the projection: {record.summary.captured_energy:.0%}")
        if record.summary.places:
            print(f"units made elsewhere: {place_words(record.summary.places)}")
    _print_groups(record)


def compare(
    run_id: RunId,
    metric: Annotated[Metric | None, typer.Option(help="Another metric than the run's own.")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge a run's estimate by its really trained subsets, beside the reference lines."""
    from gradtag_core.runs.record import RunRecord
    from gradtag_core.runs.start import open_store

    store = open_store()
    found = store.resolve(run_id)
    kind = store.get(found).kind
    if kind != "run":
        raise InvalidInput(
            f"`{found}` is a {kind}, which has no estimate of its own to judge; `show` prints it."
        )
    comparison = RunRecord(store.run_folder(found)).comparison(metric)
    if comparison is None:
        raise InvalidInput(
            f"The run `{found}` has no really trained subsets to compare with; launch one with `--truth` above 0."
        )
    if as_json:
        print_json(comparison.to_json())
        return
    lines = [
        _comparison_row(name, line)
        for name, line in {"estimate": comparison.estimate, **comparison.lines}.items()
    ]
    headings = ("", "Row Spearman", "Of ceiling", "Column Spearman", "Distance²", "Distance", "FLOPs")
    print_table(headings, lines)
    ceiling = "unknown" if comparison.ceiling is None else f"{comparison.ceiling:.3f}"
    print(
        f"Noise ceiling of the row Spearman: {ceiling}, from {comparison.n_truth_subsets} subsets trained twice."
    )


def print_outcome(store: RunStore, row: RunRow, as_json: bool) -> None:
    """What a finished run found and cost."""
    from gradtag_core.runs.record import RunRecord

    record = RunRecord(store.run_folder(row.id))
    costs = record.summary.costs
    if as_json:
        grouping = record.grouping
        print_json({
            "run": row.id,
            "seconds": row.seconds,
            "flops": sum(cost.flops for cost in costs.values()),
            "groups": grouping.groups if grouping else None,
            "metric": record.config.metric,
            "costs": {stage: cost.to_json() for stage, cost in costs.items()},
            "full_training_flops": record.summary.full_training_flops,
        })  # fmt: skip
        return
    print(f"{row.id} is done after {row.seconds:.1f} s.")
    _print_groups(record)


def _print_groups(record: RunRecord) -> None:
    if record.grouping is None:
        return
    for number, members in enumerate(record.grouping.groups, start=1):
        print(f"Group {number}: {', '.join(members)}")
    print(
        f"Gap to the best possible density: at most {record.grouping.gap:.2%} of the lead over a random grouping."
    )


def _comparison_row(name: str, line: Line) -> tuple[str, ...]:
    found, fraction = line.agreement, line.row_spearman_fraction
    return (
        name.replace("_", " "),
        f"{found.row_spearman:.3f} ± {found.row_spearman_standard_error:.3f}",
        "–" if fraction is None else f"{fraction:.2f}",
        f"{found.column_spearman:.3f}",
        _share(found.distance_squared),
        _share(found.distance),
        _share(line.flops_ratio),
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"
