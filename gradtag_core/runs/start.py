"""Create a run, a study or a sweep, and carry one out in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event

from gradtag_core.config import RunConfig, read_config
from gradtag_core.errors import GradTagError, InvalidInput
from gradtag_core.models.architecture import Architecture
from gradtag_core.progress import Progress, Reporter
from gradtag_core.runs.command import call_in_code, command_line, is_call_in_code, study_command_line
from gradtag_core.runs.engine.engine import SCHEDULER, WORKERS, Engine, EngineSettings, engine_of
from gradtag_core.runs.kept import kept_units, plan_units, remaining
from gradtag_core.runs.overall import OverallProgress
from gradtag_core.runs.plan import Plan, forecast, make_plan
from gradtag_core.runs.rates import measured_rates
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.session import RunSession
from gradtag_core.runs.store import RunStore
from gradtag_core.runs.study_plan import StudyPlan, make_study_plan
from gradtag_core.runs.study_record import StudyRecord
from gradtag_core.runs.sweep_plan import SweepPlan, make_sweep_plan, sweep_command_line
from gradtag_core.runs.sweep_record import SweepRecord
from gradtag_core.study_config import StudyConfig, make_study_config
from gradtag_core.sweep_config import SweepConfig, read_sweep_config
from gradtag_core.tasks.registry import load_suite, suite_infos
from gradtag_core.tasks.suite import TaskSuite

OnProgress = Callable[[Progress, float, float | None], None]

SAMPLE_FOLDERS = tuple(
    Path(__file__).resolve().parents[2] / "sample_data" / kind for kind in ("runs", "studies", "sweeps")
)


def open_store(home: Path | None = None) -> RunStore:
    """The user's store, with the runs and the studies that ship with the project beside their own."""
    return RunStore(home, samples=[folder for folder in SAMPLE_FOLDERS if folder.is_dir()])


def load_plan(config: RunConfig) -> Plan:
    """The plan of a configuration on the suite it names; raises `InvalidInput` for whatever does not fit."""
    return make_plan(config, load_suite(config.suite, config.n_tasks))


def require_stored_parts(row: RunRow) -> None:
    """Raise `InvalidInput` where a run's suite or model exists in the caller's code alone."""
    if is_call_in_code(row.command):
        raise InvalidInput(
            f"The run `{row.id}` began in code with a suite or a model of its own, which are not stored: call "
            "`gradtag_core.run` again there with the same configuration, suite and model. What it finished is not "
            "computed again."
        )


def plan_in_code(
    config: RunConfig, suite: TaskSuite | None = None, model: Architecture | None = None
) -> Plan:
    """The plan of a configuration on a suite, with a model, or both, that exist in the caller's code.

    Raises `InvalidInput` where they contradict the configuration, each other, or a suite that has the name already.
    """
    if suite is not None:
        if "suite" in config.model_fields_set and config.suite != suite.name:
            raise InvalidInput(
                f"`suite` of the configuration must be the name of the suite that is given, `{suite.name}`; found "
                f"`{config.suite}`. Leave it out."
            )
        _require_own_name(suite)
        config = config.model_copy(update={"suite": suite.name})
        suite = suite if config.n_tasks is None else suite.select(config.n_tasks)
    else:
        suite = load_suite(config.suite, config.n_tasks)
    if model is not None:
        if config.model is not None:
            raise InvalidInput(
                f"`model` of the configuration must be left out where a model is given; found `{config.model}`."
            )
        model.inputs_of(suite)  # they fit, or it says so
    return make_plan(config, suite, model)


def _require_own_name(suite: TaskSuite) -> None:
    if suite.name not in (info.name for info in suite_infos()):
        return
    known = load_suite(suite.name)
    names = suite.task_names
    if not set(names) <= set(known.task_names) or known.select(names).fingerprint != suite.fingerprint:
        raise InvalidInput(
            f"`suite` must not have the name of another one; there is a suite `{suite.name}` with other data. Choose "
            "another name."
        )


def create_run(store: RunStore, config: RunConfig, name: str | None = None) -> RunRow:
    """Queue a run after checking that it can be carried out; raises `InvalidInput`, and then stores nothing."""
    load_plan(config)
    return store.create(config.model_dump(), name or _name(config), config.suite, command_line(config))


def _name(config: RunConfig) -> str:
    tasks = f", {config.n_tasks} tasks" if config.n_tasks else ""
    subsets = "all pairs" if config.pairwise else f"subsets of {config.subset_size}"
    inits = f"{config.n_inits} initialisation{'s' if config.n_inits > 1 else ''}"
    return f"{config.suite}{tasks}, {subsets}, {inits if config.n_inits else 'small models alone'}"


def create_study(store: RunStore, config: StudyConfig, name: str | None = None) -> RunRow:
    """Queue a study after checking that it can be carried out; raises `InvalidInput`, and then stores nothing."""
    load_study_plan(config)
    tasks = f", {config.n_tasks} tasks" if config.n_tasks else ""
    methods = f"{len(config.methods)} methods" if config.methods else "all methods"
    seeds = f"{config.seeds} seed{'s' if config.seeds > 1 else ''}"
    return store.create(
        config.model_dump(), name or f"{config.suite}{tasks}, {methods}, {seeds}", config.suite,
        study_command_line(config), "study",
    )  # fmt: skip


def create_sweep(store: RunStore, config: SweepConfig, name: str | None = None) -> RunRow:
    """Queue a sweep after checking that each cell can be carried out; else raises `InvalidInput` and stores nothing."""
    load_sweep_plan(config)
    base = config.base
    tasks = f", {base.n_tasks} tasks" if base.n_tasks and "n_tasks" not in config.vary else ""
    knobs = " by ".join(f"{len(values)} of {knob}" for knob, values in config.vary.items())
    return store.create(
        config.to_json(),
        name or f"{base.suite}{tasks}, {knobs}",
        base.suite,
        sweep_command_line(config),
        "sweep",
    )


def load_sweep_plan(config: SweepConfig) -> SweepPlan:
    """The plan of a sweep on the suite it names; raises `InvalidInput` for the first cell that does not fit."""
    return make_sweep_plan(config, load_suite)


def load_study_plan(config: StudyConfig) -> StudyPlan:
    """The plan of a study on the suite it names; raises `InvalidInput` for whatever does not fit."""
    return make_study_plan(config, load_suite(config.suite, config.n_tasks))


def execute(
    store: RunStore, run_id: str, on_progress: OnProgress | None = None, plan: Plan | None = None,
    engine: Engine | None = None,
) -> RunRow:  # fmt: skip
    """Carry out what is queued in this process and return its final row; finished units are not computed again.

    `plan`: that of a run whose suite or model is not stored (`plan_in_code`). `on_progress` hears (progress of the
    stage, fraction of the run, seconds left of the run). `engine`: where units are made; None: where the environment
    says. A failure of ours ends in the row's state and error; any other exception is raised after it was stored.
    """
    row = store.get(run_id)
    note = partial(_note_seconds, store, row)
    with RunSession(store, run_id, before_closing=note) as session, _engine(engine, plan) as places:

        def report(progress: Progress, fraction: float, seconds_left: float | None) -> None:
            session.on_progress(progress, fraction, seconds_left)
            if on_progress:
                on_progress(progress, fraction, seconds_left)

        if row.kind == "study":
            _work_on_study(store, row, report, session.cancel, places)
        elif row.kind == "sweep":
            _work_on_sweep(store, row, report, session.cancel, places)
        else:
            _work_on_run(store, row, plan or _stored_plan(row), report, session.cancel, places)
    return store.get(run_id)


@contextmanager
def _engine(given: Engine | None, plan_in_code: Plan | None) -> Iterator[Engine]:
    """The engine that is given, or for as long as the run takes the one that the environment asks for."""
    if plan_in_code is not None:
        require_stored_for(EngineSettings.of() if given is None else given)
    engine = engine_of(EngineSettings.of()) if given is None else given
    try:
        yield engine
    finally:
        if given is None:
            engine.close()


def require_stored_for(asked: EngineSettings | Engine) -> None:
    """Raise `InvalidInput` where units of a suite or a model that exist in code alone should be made elsewhere."""
    if asked.elsewhere:
        raise InvalidInput(
            f"`workers` and `scheduler` must be left out ({WORKERS} and {SCHEDULER} unset) where a suite or a model "
            f"exists in code alone, which other processes cannot load; found units asked for {asked.where}. Leave "
            "them out, or store the suite first with `add_suite`."
        )


def _stored_plan(row: RunRow) -> Plan:
    require_stored_parts(row)
    return load_plan(read_config(row.config))


def _work_on_run(
    store: RunStore, row: RunRow, plan: Plan, report: OnProgress, cancel: Event, engine: Engine
) -> None:
    from gradtag_core.models.device import limited_threads
    from gradtag_core.runs.pipeline import Pipeline
    from gradtag_core.runs.units import Units

    record = RunRecord(store.run_folder(row.id))
    _require_same_data(record, plan.suite.name, plan.suite.fingerprint)
    expected = forecast(plan, measured_rates(store, plan.config))
    overall = OverallProgress(remaining(expected, kept_units(plan_units(plan), store.cache)))
    reporter = Reporter(lambda progress: report(progress, *overall(progress)), cancel)
    units = Units(plan, store.cache, reporter, lambda stage, key: store.record_unit(row.id, stage, key))
    with limited_threads(plan.config.threads):
        Pipeline(plan, units, record, reporter, engine).run(row)


def _work_on_study(store: RunStore, row: RunRow, report: OnProgress, cancel: Event, engine: Engine) -> None:
    from gradtag_core.runs.study import Study

    plan, record = load_study_plan(make_study_config(**row.config)), StudyRecord(store.run_folder(row.id))
    _require_same_data(record, plan.suite.name, plan.suite.fingerprint)
    study = Study(
        plan, store.cache, record, report, Reporter(cancel=cancel),
        lambda stage, key: store.record_unit(row.id, stage, key), engine,
    )  # fmt: skip
    study.run(row)


def _work_on_sweep(store: RunStore, row: RunRow, report: OnProgress, cancel: Event, engine: Engine) -> None:
    from gradtag_core.runs.sweep import Sweep, fingerprint_of

    plan, record = load_sweep_plan(read_sweep_config(row.config)), SweepRecord(store.run_folder(row.id))
    _require_same_data(record, row.suite, fingerprint_of(plan))
    sweep = Sweep(
        plan, store.cache, record, measured_rates(store, plan.config.base), report, Reporter(cancel=cancel),
        lambda stage, key: store.record_unit(row.id, stage, key), engine,
    )  # fmt: skip
    sweep.run(row)


def _require_same_data(record: RunRecord | StudyRecord | SweepRecord, suite: str, fingerprint: str) -> None:
    if record.has_summary and record.summary.fingerprint != fingerprint:
        raise InvalidInput(
            f"`suite` must be the data that the run began with; `{suite}` has other content now. Start a new run, "
            "or add the first data again under that name."
        )


def _note_seconds(store: RunStore, row: RunRow, seconds: float) -> None:
    folder = store.run_folder(row.id)
    several = {"study": StudyRecord, "sweep": SweepRecord}.get(row.kind)
    record = several(folder) if several else RunRecord(folder)
    if not record.has_summary:
        return
    if isinstance(record, RunRecord):
        record.write_summary(replace(record.summary, seconds=seconds))
    else:
        record.write_seconds(seconds)


def run(
    config: RunConfig, store: RunStore | None = None, on_progress: OnProgress | None = None, *,
    suite: TaskSuite | None = None, model: Architecture | None = None,
) -> RunRecord:  # fmt: skip
    """Carry out a configuration in this process and return what it leaves behind.

    `suite` and `model` (`models.custom.own_model`) are the caller's own, in place of those that the configuration
    names; the same call goes on where an earlier one stopped. Raises `InvalidInput` before anything is stored, and
    `GradTagError` with the run's own sentence if it fails.
    """
    store = store or open_store()
    if suite is None and model is None:
        plan, row, again = None, create_run(store, config), "resume it"
    else:
        require_stored_for(EngineSettings.of())
        plan, again = plan_in_code(config, suite, model), "call `run` again"
        config = config.model_copy(update={"suite": plan.suite.name})
        called = None if model is None else getattr(model, "name", type(model).__name__)
        name = _name(config) + (f", {called}" if called else "")
        row = store.create(config.model_dump(), name, config.suite, call_in_code(config, called))
    row = execute(store, row.id, on_progress, plan)
    if row.state != "done":
        raise GradTagError(row.error or f"The run `{row.id}` was {row.state}; {again} to finish it.")
    return RunRecord(store.run_folder(row.id))
