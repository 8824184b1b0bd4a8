"""Table 1 of the paper for the base model of a run."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from gradtag_core.config import read_config
from gradtag_core.errors import InvalidInput
from gradtag_core.evaluation.linearisation import LinearisationTable, linearisation_error
from gradtag_core.progress import Reporter
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.plan import Plan
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.start import load_plan, require_stored_parts
from gradtag_core.runs.store import RunStore


def linearise(
    store: RunStore, run_id: str, n_subsets: int = 10, reporter: Reporter | None = None
) -> LinearisationTable:
    """Judge the first base model of a finished run on some of its subsets, and keep the table with the run.

    The base model comes from the cache, or is trained again; samples, which are read-only, keep nothing. Raises
    `InvalidInput` for what is no finished run with a base model, and where its data have other content now.
    """
    row, record = store.get(run_id), RunRecord(store.run_folder(run_id))
    plan = _plan(row, record)
    subsets = _spread(plan, n_subsets)

    from gradtag_core.models.device import limited_threads
    from gradtag_core.runs.units import Units

    reporter = reporter or Reporter()
    with TemporaryDirectory(prefix="gradtag-") as scratch, limited_threads(plan.config.threads):
        cache = UnitCache(Path(scratch)) if row.sample else store.cache

        def note(stage: str, key: str) -> None:
            if not row.sample:
                store.record_unit(row.id, stage, key)

        units = Units(plan, cache, reporter, note)
        base = units.base_model(plan.config.init_seeds[0])
        table = linearisation_error(
            units.trainer, base, subsets, units.recipe(plan.config.epochs), reporter=reporter
        )
    if not row.sample:
        record.write_linearisation(table)
    return table


def _plan(row: RunRow, record: RunRecord) -> Plan:
    if row.kind != "run" or row.state != "done":
        found = row.state if row.kind == "run" else f"a {row.kind}"
        raise InvalidInput(f"`run` must be a finished run; `{row.id}` is {found}.")
    config = read_config(row.config)
    if not config.n_inits:
        raise InvalidInput(f"`run` must be a run with a base model; `n_inits` of `{row.id}` is 0.")
    require_stored_parts(row)
    plan = load_plan(config)
    if record.summary.fingerprint != plan.suite.fingerprint:
        raise InvalidInput(
            f"`run` must be of data that are still there; `{row.suite}` has other content now."
        )
    return plan


def _spread(plan: Plan, n_subsets: int) -> list[tuple[int, ...]]:
    """That many of the plan's subsets of several tasks, or of all where there are no others, evenly spread."""
    if n_subsets < 1:
        raise InvalidInput(f"`subsets` must be at least 1; found {n_subsets}.")
    several = [subset for subset in plan.subsets if len(subset) > 1] or list(plan.subsets)
    chosen = np.linspace(0, len(several) - 1, min(n_subsets, len(several))).astype(int)
    return [several[index] for index in chosen]
