"""What a run will cost, beside what it replaces, and what of it is kept from earlier runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
import streamlit as st

from gradtag_core.config import RunConfig
from gradtag_core.runs.kept import Kept, PlanUnits, kept_units, plan_units, remaining
from gradtag_core.runs.plan import Forecast, forecast
from gradtag_core.runs.rates import measured_rates
from gradtag_core.runs.row import RunKind
from gradtag_core.runs.stages import STAGE_TITLES, Stage
from gradtag_core.runs.start import load_plan
from gradtag_core.tasks.registry import suite_content
from pages.parts.quantities import bytes_text, flops_text, seconds_text, times_text
from pages.parts.state import store
from pages.parts.tables import plain_table

Rates = tuple[tuple[str, float], ...]

UNKNOWN_RATES = "Times are unknown until a first run of such a model has finished here."


class PlannedRun(NamedTuple):
    """The forecast of a run, its number of subsets, and where the cache keeps its units."""

    forecast: Forecast
    n_subsets: int
    units: PlanUnits


def forecast_of(config: RunConfig) -> PlannedRun:
    """What a run will do; raises `InvalidInput` for what does not fit."""
    return _planned(config.model_dump_json(), rates_for(config), suite_content(config.suite))


@st.cache_resource(max_entries=100, show_spinner="Planning the run …")
def _planned(config: str, rates: Rates, content: str) -> PlannedRun:
    plan = load_plan(RunConfig.model_validate_json(config))
    return PlannedRun(forecast(plan, dict(rates)), len(plan.subsets), plan_units(plan))


def rates_for(config: RunConfig) -> Rates:
    """FLOPs per second by stage, as earlier runs measured them; read again when another run has finished."""
    done = tuple(row.id for row in store().list("run") if row.state == "done")
    return _rates(str(store().home), done, RunConfig(suite=config.suite, model=config.model))


@st.cache_data(max_entries=20, show_spinner=False, hash_funcs={RunConfig: RunConfig.model_dump_json})
def _rates(home: str, done: tuple[str, ...], config: RunConfig) -> Rates:
    return tuple(sorted(measured_rates(store(), config).items()))


@dataclass(frozen=True)
class RestOfRun:
    """What of a run is still to compute: `kept` by stage (None: not known), and the forecast without it."""

    kept: Mapping[Stage, Kept | None]
    forecast: Forecast

    @classmethod
    def of(cls, planned: PlannedRun) -> "RestOfRun":
        """As the cache of the store says now; nothing is computed."""
        kept = kept_units(planned.units, store().cache)
        return cls(kept, remaining(planned.forecast, kept))

    @property
    def has_kept(self) -> bool:
        return any(found and found.kept for found in self.kept.values())


def show_forecast(config: RunConfig) -> None:
    """FLOPs, time and memory of the estimate beside training every subset for real, then the run stage by stage."""
    planned = forecast_of(config)
    found = planned.forecast
    seconds = [work.seconds for work in found.work if work.stage in ("train", "featurize", "regress")]
    estimate_seconds = None if None in seconds else sum(second or 0.0 for second in seconds)
    st.markdown(f"**Learning the affinities from {planned.n_subsets:,} subsets**")
    table = {
        "Measure": ["Work", "Time"],
        "By this estimate": [flops_text(found.estimate_flops), seconds_text(estimate_seconds)],
        "By training each": [
            flops_text(found.full_training_flops),
            seconds_text(found.full_training_seconds),
        ],
    }
    plain_table(pd.DataFrame(table).set_index("Measure"), "forecast")
    st.markdown(_verdict(found.full_training_flops / found.estimate_flops))
    _show_stages(planned)


def _show_stages(planned: PlannedRun) -> None:
    """Each stage with the units that earlier runs left in the store, and the work that remains."""
    rest, full = RestOfRun.of(planned), planned.forecast
    st.markdown("**This run, stage by stage**")
    stages = pd.DataFrame(
        {
            "Stage": [STAGE_TITLES[work.stage] for work in full.work],
            "Kept": [kept_text(rest.kept.get(work.stage)) for work in full.work],
            "Work left": [_left(flops_text(work.flops), work.flops) for work in rest.forecast.work],
            "Time left": [_left(seconds_text(work.seconds), work.flops) for work in rest.forecast.work],
        }
    )
    plain_table(stages.set_index("Stage"), "stages")
    total = flops_text(sum(work.flops for work in full.work))
    saved = (
        f" Without what is kept it would be {total}, {seconds_text(full.seconds)}." if rest.has_kept else ""
    )
    st.caption(
        f"In all about **{seconds_text(rest.forecast.seconds)}**.{saved} Kept are units of work that earlier runs of "
        "this store have finished; unknown where they follow from the groups. The features take "
        f"{bytes_text(full.feature_bytes)} of memory for each base model. "
        + (UNKNOWN_RATES if full.seconds is None else source_of_rates("run"))
    )


def kept_text(kept: Kept | None) -> str:
    """How many units of a stage are kept: "all 3", "0 of 300", "unknown"."""
    if kept is None:
        return "unknown"
    return f"all {kept.units:,}" if kept.kept == kept.units else f"{kept.kept:,} of {kept.units:,}"


def _left(text: str, flops: float) -> str:
    return text if flops else "none"


def _verdict(ratio: float) -> str:
    if ratio >= 1:
        return f"Training every subset for real takes **{times_text(ratio)}** the work of the estimate."
    return (
        f"The estimate takes **{times_text(1 / ratio)}** the work of training every subset for real: it pays on "
        "larger models, with more subsets or with more epochs."
    )


def source_of_rates(kind: RunKind) -> str:
    """Where the times of a forecast come from, as a sentence."""
    many = {"run": "runs", "study": "studies", "sweep": "sweeps"}[kind]
    done = [row for row in store().list(kind) if row.state == "done"]
    if any(not row.sample for row in done):
        return f"Times are from {many} measured on this machine."
    if done:
        return f"Times are from the stored sample {many}, measured on another machine."
    return f"Times are unknown until a first {kind} has finished here."
