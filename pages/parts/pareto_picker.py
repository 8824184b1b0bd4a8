"""In which metric and on which axis the page shows a study."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from gradtag_core.config import Metric
from gradtag_core.evaluation.pareto import ERROR_TITLES
from gradtag_core.evaluation.pareto_axis import TERAFLOPS, Axis, PricedMethod, price
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.study_record import StudyRecord
from pages.parts.state import tell_refused

AXES: Mapping[Axis, str] = {"flops": "FLOPs", "seconds": "seconds", "gpu_hours": "GPU-hours"}


@dataclass(frozen=True)
class View:
    """How a study is looked at."""

    metric: Metric
    axis: Axis
    teraflops: float

    def priced(self, record: StudyRecord) -> list[PricedMethod]:
        return price(record.records(self.metric), self.axis, self.teraflops)


def forget_view() -> None:
    """The metric and the budget in the address were meant for the study before."""
    for name in ("error_metric", "budget"):
        st.query_params.pop(name, None)


def pick_axis() -> tuple[Axis, float]:
    """The axis and, for GPU-hours, the assumed speed in TFLOP/s."""
    axis: Axis = st.segmented_control(
        "Against", list(AXES), default="flops", required=True, format_func=AXES.__getitem__, key="axis",
        bind="query-params", persist_state="session", wrap=True,
        help="FLOPs are the same on every machine. Seconds are those of the machine that ran the study. GPU-hours are "
        "the FLOPs at a speed that you state.",
    )  # fmt: skip
    if axis != "gpu_hours":
        return axis, TERAFLOPS
    teraflops = st.number_input(
        "Effective TFLOP/s", 0.001, 100_000.0, TERAFLOPS, key="teraflops", bind="query-params", format="%g",
        persist_state="session",
        help=f"What one GPU really computes per second on such models. The {TERAFLOPS:g} are an assumption, not a "
        "measurement: small models reach a small part of a GPU's peak.",
    )  # fmt: skip
    return axis, teraflops


def pick_metric(row: RunRow, record: StudyRecord) -> Metric:
    """Kept for each study, and in the address."""
    asked = st.query_params.get("error_metric", "")
    if asked and asked not in record.metrics:
        tell_refused("error_metric", asked, f"this study has {', '.join(record.metrics)}")
    first = record.metrics.index(asked if asked in record.metrics else record.config.metric)
    metric: Metric = st.selectbox(
        "Error", record.metrics, index=first, format_func=ERROR_TITLES.__getitem__, key=f"error_metric_{row.id}",
        persist_state="session",
        help="All metrics were scored; changing this computes nothing anew. Searches went by the study's own metric, "
        f"{ERROR_TITLES[record.config.metric]}.",
    )  # fmt: skip
    if asked != metric:
        st.query_params["error_metric"] = metric
    return metric
