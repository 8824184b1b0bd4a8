"""What a run will cost, beside what it replaces."""

import pandas as pd
import streamlit as st

from gradtag_core.config import RunConfig
from gradtag_core.runs.plan import Forecast, forecast
from gradtag_core.runs.rates import measured_rates
from gradtag_core.runs.row import RunKind
from gradtag_core.runs.stages import STAGE_TITLES
from gradtag_core.runs.start import load_plan
from gradtag_core.tasks.registry import suite_content
from pages.parts.quantities import bytes_text, flops_text, seconds_text, times_text
from pages.parts.state import store

UNKNOWN_RATES = "Times are unknown until a first run of such a model has finished here."


def forecast_of(config: RunConfig) -> tuple[Forecast, int]:
    """The forecast of a run and its number of subsets; raises `InvalidInput` for what does not fit."""
    rates = tuple(sorted(measured_rates(store(), config).items()))
    return _forecast(config.model_dump_json(), rates, suite_content(config.suite))


@st.cache_resource(max_entries=100, show_spinner="Planning the run …")
def _forecast(config: str, rates: tuple[tuple[str, float], ...], content: str) -> tuple[Forecast, int]:
    plan = load_plan(RunConfig.model_validate_json(config))
    return forecast(plan, dict(rates)), len(plan.subsets)


def show_forecast(config: RunConfig) -> None:
    """FLOPs, time and memory of the estimate beside training every subset for real, then the run stage by stage."""
    found, n_subsets = forecast_of(config)
    seconds = [work.seconds for work in found.work if work.stage in ("train", "featurize", "regress")]
    estimate_seconds = None if None in seconds else sum(second or 0.0 for second in seconds)
    st.markdown(f"**Learning the affinities from {n_subsets:,} subsets**")
    table = {
        "": ["Work", "Time"],
        "By this estimate": [flops_text(found.estimate_flops), seconds_text(estimate_seconds)],
        "By training each": [
            flops_text(found.full_training_flops),
            seconds_text(found.full_training_seconds),
        ],
    }
    st.dataframe(pd.DataFrame(table), hide_index=True, width="stretch")
    st.markdown(_verdict(found.full_training_flops / found.estimate_flops))
    st.markdown("**This run, stage by stage**")
    stages = pd.DataFrame(
        {
            "Stage": [STAGE_TITLES[work.stage] for work in found.work],
            "Units": [f"{work.units:,}" for work in found.work],
            "Work": [flops_text(work.flops) for work in found.work],
            "Time": [seconds_text(work.seconds) for work in found.work],
        }
    )
    st.dataframe(stages, hide_index=True, width="stretch")
    st.caption(
        f"In all about **{seconds_text(found.seconds)}**. The features take {bytes_text(found.feature_bytes)} of "
        "memory for each base model. " + (UNKNOWN_RATES if found.seconds is None else source_of_rates("run"))
    )


def _verdict(ratio: float) -> str:
    if ratio >= 1:
        return f"Training every subset for real takes **{times_text(ratio)}** the work of the estimate."
    return (
        f"The estimate takes **{times_text(1 / ratio)}** the work of training every subset for real: it pays on "
        "larger models, with more subsets or with more epochs."
    )


def source_of_rates(kind: RunKind) -> str:
    """Where the times of a forecast come from, as a sentence."""
    many = {"run": "runs", "study": "studies"}[kind]
    done = [row for row in store().list(kind) if row.state == "done"]
    if any(not row.sample for row in done):
        return f"Times are from {many} measured on this machine."
    if done:
        return f"Times are from the stored sample {many}, measured on another machine."
    return f"Times are unknown until a first {kind} has finished here."
