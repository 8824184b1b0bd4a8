"""The command line: `python -m gradtag_core COMMAND`; every command takes `--json` for scripts."""

from __future__ import annotations

import inspect
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
import typer.exceptions

from gradtag_core.config import PRESETS, Metric, Rounding, RunConfig, make_config, paper_reference
from gradtag_core.errors import GradTagError, InvalidInput

if TYPE_CHECKING:
    from gradtag_core.evaluation.comparison import Line
    from gradtag_core.progress import Progress as StageProgress
    from gradtag_core.runs.record import RunRecord
    from gradtag_core.runs.store import RunStore

app = typer.Typer(
    help="Which tasks should be learned together? Task affinity by Grad-TAG, and groups from it.",
    add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on standard output.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")]


def main() -> None:
    """Run the command line; bad input is one sentence on standard error and exit code 2."""
    try:
        sys.exit(app(args=sys.argv[1:] or ["--help"], standalone_mode=False))
    except typer.exceptions.TyperException as error:
        print(f"Error: {error.format_message()}", file=sys.stderr)
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(130)
    except GradTagError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)


@app.command()
def suites(as_json: AsJson = False) -> None:
    """List the data sets that runs can use."""
    from gradtag_core.tasks.registry import suite_infos

    infos = [asdict(info) for info in suite_infos()]
    if as_json:
        _print_json(infos)
    else:
        rows = [(info["name"], info["title"], info["n_tasks"], f"{info['n_examples']:,}") for info in infos]
        _print_table(("Name", "Title", "Tasks", "Examples"), rows)


def run(
    preset: str | None = None, name: str | None = None, as_json: bool = False, **values: Any
) -> None:  # fmt: skip
    """Estimate task affinity, group the tasks, train the groups; with --truth, train subsets for real too."""
    from gradtag_core.runs.start import create_run, open_store

    store = open_store()
    _carry_out(store, create_run(store, make_config(preset, **values), name).id, as_json)


def _run_options() -> list[inspect.Parameter]:
    """The options of `run`: the preset, then every knob of the configuration."""
    knobs = []
    for knob, field in RunConfig.model_fields.items():
        paper = paper_reference(knob)
        source = f" [{paper}]" if paper else ""
        default = "" if field.default is None else f" Default: {field.default}."
        option = typer.Option(help=f"{field.description}{default}{source}", show_default=False)
        annotation: Any = field.annotation
        knobs.append(_option(knob, annotation if field.default is None else annotation | None, option))
    presets = Literal[tuple(PRESETS)] | None  # type: ignore[valid-type]
    first = [
        _option("preset", presets, typer.Option(help="Settings to start from; options given beside it win.")),
        _option("name", str | None, typer.Option(help="What to call the run.")),
    ]
    json_option = typer.Option("--json", help="Print JSON and nothing else on standard output.")
    last = inspect.Parameter(
        "as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, json_option]
    )
    return [*first, *knobs, last]


def _option(name: str, annotation: Any, option: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[annotation, option]
    )


run.__signature__ = inspect.Signature(_run_options())  # type: ignore[attr-defined]
run.__annotations__ = {option.name: option.annotation for option in _run_options()}
app.command()(run)


@app.command()
def resume(run_id: RunId, as_json: AsJson = False) -> None:
    """Finish an interrupted, failed or cancelled run; what it finished is not computed again."""
    from gradtag_core.runs.start import open_store

    store = open_store()
    _carry_out(store, store.reopen(store.resolve(run_id)).id, as_json)


@app.command()
def cancel(run_id: RunId, as_json: AsJson = False) -> None:
    """Stop a run; what it finished is kept, and `resume` goes on from there."""
    from gradtag_core.runs.process import cancel as stop
    from gradtag_core.runs.start import open_store

    store = open_store()
    row = stop(store, store.resolve(run_id))
    if as_json:
        _print_json({"run": row.id, "state": row.state})
    else:
        print(f"{row.id} is {row.state}.")


@app.command()
def runs(as_json: AsJson = False) -> None:
    """List all runs, the newest first."""
    from gradtag_core.runs.start import open_store

    store = open_store()
    rows = store.list()
    for problem in store.problems:
        print(f"Warning: {problem}", file=sys.stderr)
    if as_json:
        _print_json([asdict(row) for row in rows])
    else:
        lines = [(row.id, row.name, row.state, f"{row.fraction:.0%}", f"{row.seconds:.0f} s") for row in rows]
        _print_table(("Run", "Name", "State", "Done", "Time"), lines)


@app.command()
def show(run_id: RunId, as_json: AsJson = False) -> None:
    """Show what a run was asked, what it cost and what it found."""
    from gradtag_core.runs.record import RunRecord
    from gradtag_core.runs.start import open_store

    store = open_store()
    row = store.get(store.resolve(run_id))
    record = RunRecord(store.run_folder(row.id))
    if as_json:
        summary = record.summary.to_json() if record.has_summary else None
        found = record.grouping.to_json() if record.grouping else None
        _print_json({**asdict(row), "summary": summary, "grouping": found})
        return
    print(f"{row.id}: {row.name}\nstate: {row.state}" + (f" ({row.error})" if row.error else ""))
    print(f"command: {row.command}")
    if record.has_summary:
        for stage, cost in record.summary.costs.items():
            print(f"{stage}: {cost.flops:.3g} FLOPs, {cost.seconds:.1f} s")
        if record.summary.captured_energy is not None:
            print(f"gradient energy kept by the projection: {record.summary.captured_energy:.0%}")
    _print_groups(record)


@app.command()
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
    comparison = RunRecord(store.run_folder(found)).comparison(metric)
    if comparison is None:
        raise InvalidInput(
            f"The run `{found}` has no really trained subsets to compare with; launch one with `--truth` above 0."
        )
    if as_json:
        _print_json(comparison.to_json())
        return
    lines = [
        _comparison_row(name, line)
        for name, line in {"estimate": comparison.estimate, **comparison.lines}.items()
    ]
    headings = ("", "Row Spearman", "Of ceiling", "Column Spearman", "Distance²", "Distance", "FLOPs")
    _print_table(headings, lines)
    ceiling = "unknown" if comparison.ceiling is None else f"{comparison.ceiling:.3f}"
    print(
        f"Noise ceiling of the row Spearman: {ceiling}, from {comparison.n_truth_subsets} subsets trained twice."
    )


@app.command()
def group(
    affinity: Annotated[Path, typer.Argument(metavar="AFFINITY.csv", help="A square matrix with task names.")],
    n_groups: Annotated[int | None, typer.Option(help="Groups to form [k].")] = None,
    penalty: Annotated[float | None, typer.Option(help="In place of k: what a group must add to the density.")] = None,
    method: Annotated[Literal["auto", "sdp", "local", "spectral", "lloyd", "milp"], typer.Option(
        help="How to find them: relaxation, local search, the paper's two comparisons, or exactly.")] = "auto",
    solver: Annotated[Literal["ADMM", "SCS", "CLARABEL"], typer.Option(help="What solves the relaxation.")] = "ADMM",
    rounding: Annotated[Rounding | None, typer.Option(help="Exactly k groups, or the paper's threshold.")] = None,
    rounding_threshold: Annotated[float | None, typer.Option(help="The threshold λ; asks for its rounding.")] = None,
    min_size: Annotated[int, typer.Option(help="Tasks in every group, at least.")] = 1,
    max_size: Annotated[int | None, typer.Option(help="Tasks in every group, at most.")] = None,
    must_link: Annotated[list[str] | None, typer.Option(metavar="A,B", help="Two tasks to keep together.")] = None,
    cannot_link: Annotated[list[str] | None, typer.Option(metavar="A,B", help="Two tasks to keep apart.")] = None,
    task_costs: Annotated[Path | None, typer.Option(help="A CSV file: a task's name and its cost per line.")] = None,
    group_cost: Annotated[float, typer.Option(help="What a group costs beside its tasks.")] = 0.0,
    max_group_cost: Annotated[float | None, typer.Option(help="What a group may cost, at most.")] = None,
    budget: Annotated[float | None, typer.Option(help="What all groups together may cost.")] = None,
    overlap: Annotated[bool, typer.Option("--overlap", help="Groups may share tasks; each has its best.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the rounding's restarts.")] = 0,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Group the tasks of an affinity matrix (rows: evaluated tasks; higher is better)."""
    from gradtag_core.grouping.cluster import cluster
    from gradtag_core.grouping.constraint_text import parse_pairs, read_task_costs
    from gradtag_core.grouping.constraints import Constraints
    from gradtag_core.grouping.matrix_file import read_affinity_csv
    from gradtag_core.grouping.program import overlapping_cover

    values, names = read_affinity_csv(affinity)
    constraints = Constraints(
        min_size, max_size, parse_pairs("must_link", must_link or (), names),
        parse_pairs("cannot_link", cannot_link or (), names),
        None if task_costs is None else read_task_costs(task_costs, names), group_cost, max_group_cost, budget,
    )  # fmt: skip
    if overlap:
        if n_groups is None or penalty is not None or method != "auto" or rounding or rounding_threshold:
            raise InvalidInput("`overlap` needs `n_groups`, and no `penalty`, `rounding` or other `method`.")
        cover = overlapping_cover(values, n_groups, constraints, task_names=names)
        _print_json(cover.to_json()) if as_json else _print_cover(cover)
        return
    grouping = cluster(
        values, n_groups, penalty=penalty, method=method, constraints=constraints, task_names=names, solver=solver,
        rounding=rounding or ("threshold" if rounding_threshold else "spectral"), threshold=rounding_threshold,
        seed=seed,
    )  # fmt: skip
    symmetrised = bool((values != values.T).any())
    if as_json:
        _print_json({**grouping.to_json(), "symmetrised": symmetrised})
        return
    for number, members in enumerate(grouping.groups, start=1):
        print(f"Group {number}: {', '.join(members)}")
    print(f"Density {grouping.density:.6g}, at most {grouping.upper_bound:.6g} (gap {grouping.gap:.2%}).")
    print(f"Found by {grouping.method} in {grouping.seconds:.2g} s: {grouping.status}.")
    if symmetrised:
        print("The matrix is not symmetric; only the mean of T[i, j] and T[j, i] counts for the density.")


def _print_cover(cover: Any) -> None:
    for number, members in enumerate(cover.groups):
        served = {task for task, group in enumerate(cover.served_by) if group == number}
        words = [f"{cover.task_names[task]}{'' if task in served else ' (helper)'}" for task in members]
        print(f"Group {number + 1}: {', '.join(words)}")
    print(f"Score {cover.value:.6g}, at most {cover.upper_bound:.6g}; cost {cover.cost:.6g}: {cover.status}.")


def _carry_out(store: RunStore, run_id: str, as_json: bool) -> None:
    """Work on a queued run in this process, showing progress on standard error, and print what it found."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from gradtag_core.runs.record import RunRecord
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
        print(f"The run {row.id} is {row.state}: {reason}", file=sys.stderr)
        raise typer.Exit(1)
    record = RunRecord(store.run_folder(row.id))
    costs = record.summary.costs
    if as_json:
        grouping = record.grouping
        _print_json({
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


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, allow_nan=False))


def _print_table(headings: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console.width = 120  # a pipe has no width; do not cut cells at 80
    table = Table(*headings, box=None, header_style="bold")
    table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console.print(table)
