"""`pareto`: every method on one protocol, error against computation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from gradtag_core.cli.options import keyword, knob_options, place_options, set_options
from gradtag_core.cli.printing import print_json, print_table
from gradtag_core.cli.work import carry_out, chosen_engine
from gradtag_core.errors import InvalidInput
from gradtag_core.study_config import StudyConfig, difference, make_study_config

if TYPE_CHECKING:
    from gradtag_core.runs.store import RunRow, RunStore


def pareto(
    resume: str | None = None, budget: float | None = None, name: str | None = None, workers: int | None = None,
    scheduler: str | None = None, as_json: bool = False, **values: Any,
) -> None:  # fmt: skip
    """Compare multitask methods on one data set: error against FLOPs, and the best under a budget."""
    from gradtag_core.runs.start import create_study, load_study_plan, open_store

    store = open_store()
    if resume is None:
        config = make_study_config(**values)
        if budget is not None:
            _require_budget(budget, load_study_plan(config).cheapest_flops)
        with chosen_engine(workers, scheduler) as engine:
            row = carry_out(store, create_study(store, config, name).id, engine)
    else:
        row = _resumed(store, resume, name, values)
        if row.state != "done":
            with chosen_engine(workers, scheduler) as engine:
                row = carry_out(store, store.reopen(row.id).id, engine)
    print_study(store, row, as_json, budget)


set_options(pareto, [
    keyword("resume", str | None, typer.Option(
        metavar="STUDY", help="Finish this study, or show it if it is done; options beside it must agree.")),
    keyword("budget", float | None, typer.Option(
        metavar="FLOPS", help="Also name the best method that takes at most this many FLOPs.")),
    keyword("name", str | None, typer.Option(help="What to call the study.")),
    *place_options(),
    *knob_options(StudyConfig),
])  # fmt: skip


def _resumed(store: RunStore, study_id: str, name: str | None, values: dict[str, Any]) -> RunRow:
    row = store.get(store.resolve(study_id))
    if row.kind != "study":
        raise InvalidInput(f"`resume` must name a study; found the run `{row.id}`.")
    other = difference(make_study_config(**row.config), **values)
    if other:
        raise InvalidInput(
            f"{other} Leave it out to finish `{row.id}`, or start a new study without `resume`."
        )
    if name is not None and name != row.name:
        raise InvalidInput(f"`name` must be that of the study, {row.name!r}, or left out; found {name!r}.")
    return row


def _require_budget(budget: float, cheapest: float) -> None:
    if not budget >= cheapest:
        raise InvalidInput(
            f"`budget` must be at least the FLOPs of the cheapest method, {cheapest:.3g}; found {budget:.3g}."
        )


def print_study(store: RunStore, row: RunRow, as_json: bool, budget: float | None = None) -> None:
    """The records of a study, the cheapest first; with a budget, which one is the best within it."""
    from gradtag_core.evaluation.pareto import ERROR_TITLES, best_within
    from gradtag_core.runs.study_record import StudyRecord

    study = StudyRecord(store.run_folder(row.id))
    records = study.records()
    best = None if budget is None else best_within(records, budget)
    if as_json:
        chosen = {} if best is None else {"best_within_budget": best.method}
        print_json([
            {**record.to_json(), **{name: record.method == method for name, method in chosen.items()}}
            for record in records
        ])  # fmt: skip
        return
    lines = [
        (
            ("* " if record.on_front else "  ") + record.title,
            f"{record.error:.4f}" + ("" if record.error_se is None else f" ± {record.error_se:.4f}"),
            f"{record.flops:.3g}" + (" (estimated)" if record.estimated else ""),
            f"{record.flops / study.summary.naive_flops:.1f}",
            f"{record.seconds:.1f}",
        )
        for record in records
    ]
    headings = ("Method", f"Error ({ERROR_TITLES[study.config.metric]})", "FLOPs", "Trainings", "Seconds")
    print_table(headings, lines)
    print(
        "*: no measured method has a smaller error for as few FLOPs. Trainings: FLOPs in those of naive multitask."
    )
    for reason in (*study.summary.left_out.values(), *study.summary.failed.values()):
        print(f"Left out: {reason}")
    if best is not None:
        print(f"Best within {budget:.3g} FLOPs: {best.title}, {best.error:.4f} at {best.flops:.3g}.")
        for number, members in enumerate(study.groups(best.method) or (), start=1):
            print(f"Group {number}: {', '.join(members)}")
    print(f"Study {row.id}")
