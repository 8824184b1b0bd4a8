"""`diff`: what differs between runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gradtag_core.cli.options import AsJson
from gradtag_core.cli.printing import print_json, print_table
from gradtag_core.config import METRIC_TITLES, Metric
from gradtag_core.errors import InvalidInput
from gradtag_core.sweep_config import value_text

if TYPE_CHECKING:
    from gradtag_core.evaluation.run_comparison import ComparedRun, RunDifference

SHOWN_MOVES = 20


def diff(
    run_ids: Annotated[list[str], typer.Argument(
        metavar="RUN RUN…", help="Ids of runs, or the beginnings of them; the first is the reference.")],
    metric: Annotated[Metric | None, typer.Option(help="The metric of all of them (default: the first run's).")] = None,
    everything: Annotated[bool, typer.Option("--all", help="List parameters that agree, too.")] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Compare two or more runs: their parameters, figures, affinities and groups."""
    from gradtag_core.evaluation.run_comparison import compare_runs, parameters

    ids, runs = _runs(run_ids, metric)
    listed = parameters([run.config for run in runs], everything=everything)
    differences = [compare_runs(runs[0], other) for other in runs[1:]]
    if as_json:
        print_json({
            "runs": ids, "metric": runs[0].affinity.metric,
            "parameters": {found.name: list(found.values) for found in listed},
            "figures": {run_id: asdict(run.figures) for run_id, run in zip(ids, runs, strict=True)},
            "differences": {run_id: found.to_json() for run_id, found in zip(ids[1:], differences, strict=True)},
        })  # fmt: skip
        return
    print(f"In {METRIC_TITLES[runs[0].affinity.metric]}; the reference is {ids[0]}.\n")
    if listed:
        print_table(("Parameter", *ids), [(found.title, *map(value_text, found.values)) for found in listed])
    else:
        print("All parameters agree.")
    print()
    columns = [run.figures.texts() for run in runs]
    print_table(("Figure", *ids), [(name, *(own[name] for own in columns)) for name in columns[0]])
    for run_id, found in zip(ids[1:], differences, strict=True):
        print(f"\n{run_id} against {ids[0]}")
        _print_difference(found)


def _runs(run_ids: list[str], metric: Metric | None) -> tuple[list[str], list[ComparedRun]]:
    from gradtag_core.evaluation.run_comparison import shared_metrics
    from gradtag_core.runs.compared_run import compared_run
    from gradtag_core.runs.record import RunRecord
    from gradtag_core.runs.start import open_store

    if len(run_ids) < 2:
        raise InvalidInput(f"`RUN` must be given at least twice; found {len(run_ids)}. `runs` lists them.")
    store = open_store()
    ids = [store.resolve(text) for text in run_ids]
    for run_id in ids:
        kind = store.get(run_id).kind
        if kind != "run":
            raise InvalidInput(f"`{run_id}` is a {kind}, which has no affinities to compare; give runs.")
    records = [RunRecord(store.run_folder(run_id)) for run_id in ids]
    for run_id, record in zip(ids, records, strict=True):
        if not record.has_summary or record.estimated is None:
            raise InvalidInput(f"The run `{run_id}` has no estimate yet: wait for it, or resume it.")
    shared = shared_metrics([record.metrics for record in records])
    own = records[0].config.metric
    chosen = metric or (own if own in shared else shared[0])
    return ids, [
        compared_run(record, run_id, record.affinity(chosen), record.comparison(chosen))
        for run_id, record in zip(ids, records, strict=True)
    ]


def _print_difference(found: RunDifference) -> None:
    from gradtag_core.evaluation.affinity_difference import CHANCE
    from gradtag_core.evaluation.run_comparison import with_error

    for remark in found.remarks:
        print(f"Note: {remark}")
    affinity = found.affinity
    print(f"Shared tasks: {len(affinity.task_names)}")
    if affinity.row_spearman is not None:
        error = affinity.row_spearman_standard_error
        print(f"Row Spearman of their affinities: {with_error(affinity.row_spearman, error, '{:.3f}')}")
    if affinity.share_clear is not None:
        verdict = {True: "more than chance", False: "no more than chance", None: "too few tasks to judge"}
        share = with_error(affinity.share_clear, affinity.share_clear_standard_error, "{:.1%}")
        print(
            f"Cells that differ by more than 2 standard errors: {affinity.n_clear:,} of {affinity.n_judged:,} "
            f"({share} of a row; {CHANCE:.1%} by chance): {verdict[affinity.more_than_chance]}"
        )
    groups = found.groups
    if groups is None:
        return
    moved = groups.to_json()["moved"]
    print(f"Adjusted Rand index of their groups: {groups.adjusted_rand:.3f}; tasks that moved: {len(moved)}")
    lines = [(move["task"], move["from"], groups.destination(move["to"] - 1)) for move in moved[:SHOWN_MOVES]]
    if lines:
        print_table(("Task", "From group", "To group"), lines)
    if len(moved) > SHOWN_MOVES:
        print(f"and {len(moved) - SHOWN_MOVES} more; --json lists them all.")
