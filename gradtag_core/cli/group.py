"""`group`: groups from an affinity matrix in a CSV file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gradtag_core.cli.options import AsJson
from gradtag_core.cli.printing import print_json
from gradtag_core.config import Rounding
from gradtag_core.errors import InvalidInput


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
        print_json(cover.to_json()) if as_json else _print_cover(cover)
        return
    grouping = cluster(
        values, n_groups, penalty=penalty, method=method, constraints=constraints, task_names=names, solver=solver,
        rounding=rounding or ("threshold" if rounding_threshold else "spectral"), threshold=rounding_threshold,
        seed=seed,
    )  # fmt: skip
    symmetrised = bool((values != values.T).any())
    if as_json:
        print_json({**grouping.to_json(), "symmetrised": symmetrised})
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
