"""Create a run, and carry one out in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gradtag_core.config import RunConfig, read_config
from gradtag_core.errors import GradTagError
from gradtag_core.progress import Progress, Reporter
from gradtag_core.runs.command import command_line
from gradtag_core.runs.overall import OverallProgress
from gradtag_core.runs.plan import Plan, forecast, make_plan
from gradtag_core.runs.process import RunSession
from gradtag_core.runs.rates import measured_rates
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.store import RunStore
from gradtag_core.tasks.registry import load_suite

SAMPLE_RUNS = Path(__file__).resolve().parents[2] / "sample_data" / "runs"


def open_store(home: Path | None = None) -> RunStore:
    """The user's store, with the runs that ship with the project beside their own."""
    return RunStore(home, samples=SAMPLE_RUNS if SAMPLE_RUNS.is_dir() else None)


def load_plan(config: RunConfig) -> Plan:
    """The plan of a configuration on the suite it names; raises `InvalidInput` for whatever does not fit."""
    return make_plan(config, load_suite(config.suite, config.n_tasks))


def create_run(store: RunStore, config: RunConfig, name: str | None = None) -> RunRow:
    """Queue a run after checking that it can be carried out; raises `InvalidInput`, and then stores nothing."""
    load_plan(config)
    return store.create(config.model_dump(), name or _name(config), config.suite, command_line(config))


def _name(config: RunConfig) -> str:
    tasks = f", {config.n_tasks} tasks" if config.n_tasks else ""
    subsets = "all pairs" if config.pairwise else f"subsets of {config.subset_size}"
    inits = f"{config.n_inits} initialisation{'s' if config.n_inits > 1 else ''}"
    return f"{config.suite}{tasks}, {subsets}, {inits if config.n_inits else 'small models alone'}"


def execute(
    store: RunStore, run_id: str, on_progress: Callable[[Progress, float, float | None], None] | None = None
) -> RunRow:
    """Carry out a queued run in this process and return its final row; finished units are not computed again.

    `on_progress` hears (progress of the stage, fraction of the run, seconds left of the run). A failure of ours
    ends in the row's state and error; any other exception is raised after it was stored.
    """
    row = store.get(run_id)
    record = RunRecord(store.run_folder(run_id))
    overall: OverallProgress | None = None

    def view(progress: Progress) -> tuple[float, float | None]:
        return overall(progress) if overall else (0.0, None)

    with RunSession(store, run_id, overall=view) as session:

        def report(progress: Progress) -> None:
            session.on_progress(progress)
            if on_progress:
                on_progress(progress, *view(progress))

        from gradtag_core.models.device import limited_threads
        from gradtag_core.runs.pipeline import Pipeline
        from gradtag_core.runs.units import Units

        plan = load_plan(read_config(row.config))
        overall = OverallProgress(forecast(plan, measured_rates(store)))
        reporter = Reporter(report, session.cancel)
        units = Units(
            plan, store.cache, reporter, lambda stage, key: store.record_units(run_id, [(stage, key)])
        )
        with limited_threads(plan.config.threads):
            Pipeline(plan, units, record, reporter).run(row)
    row = store.get(run_id)
    if record.has_summary:
        record.write_summary(replace(record.summary, seconds=row.seconds))
    return row


def run(
    config: RunConfig, store: RunStore | None = None,
    on_progress: Callable[[Progress, float, float | None], None] | None = None,
) -> RunRecord:  # fmt: skip
    """Carry out a configuration in this process and return what it leaves behind.

    Raises `InvalidInput` before anything is stored, and `GradTagError` with the run's own sentence if it fails.
    """
    store = store or open_store()
    row = execute(store, create_run(store, config).id, on_progress)
    if row.state != "done":
        raise GradTagError(row.error or f"The run `{row.id}` was {row.state}; resume it to finish it.")
    return RunRecord(store.run_folder(row.id))
