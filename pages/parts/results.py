"""Results of a run, computed once per content of its folder and shared by all sessions; never change them."""

from pathlib import Path

import streamlit as st

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.config import Metric
from gradtag_core.errors import StoreError
from gradtag_core.evaluation.comparison import Comparison
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.row import RunRow
from pages.parts.state import store

Stamp = tuple[tuple[str, int], ...]


def record_of(row: RunRow) -> RunRecord | None:
    """The record of a run; None before its first stage has begun."""
    folder, stamp = _place(row)
    record = _record(folder, stamp)
    return record if record.has_summary else None


def affinity_of(row: RunRow, metric: Metric) -> AffinityMatrix:
    """The estimated affinity of a run; an error for a run that has no estimate yet."""
    found = _affinity(*_place(row), metric)
    if found is None:
        raise StoreError(f"The run `{row.id}` has no estimate yet: wait for it, or resume it.")
    return found


def true_affinity_of(row: RunRow, metric: Metric) -> AffinityMatrix | None:
    return _true_affinity(*_place(row), metric)


def comparison_of(row: RunRow, metric: Metric) -> Comparison | None:
    return _comparison(*_place(row), metric)


def _place(row: RunRow) -> tuple[str, Stamp]:
    """The folder of a run and what changes whenever a result in it does."""
    folder = store().run_folder(row.id)
    try:
        files = [path for path in folder.iterdir() if path.suffix in (".json", ".parquet", ".safetensors")]
        return str(folder), tuple(sorted((path.name, path.stat().st_mtime_ns) for path in files))
    except FileNotFoundError as error:
        raise StoreError(f"The results of the run `{row.id}` are gone: somebody deleted them.") from error
    except OSError as error:
        raise StoreError(f"The results of the run `{row.id}` cannot be read: {error.strerror}.") from error


@st.cache_resource(max_entries=32, show_spinner=False)
def _record(folder: str, stamp: Stamp) -> RunRecord:
    return RunRecord(Path(folder))


@st.cache_resource(max_entries=128, show_spinner=False)
def _affinity(folder: str, stamp: Stamp, metric: Metric) -> AffinityMatrix | None:
    return _record(folder, stamp).affinity(metric)


@st.cache_resource(max_entries=128, show_spinner=False)
def _true_affinity(folder: str, stamp: Stamp, metric: Metric) -> AffinityMatrix | None:
    return _record(folder, stamp).true_affinity(metric)


@st.cache_resource(max_entries=128, show_spinner="Comparing the estimate with real training …")
def _comparison(folder: str, stamp: Stamp, metric: Metric) -> Comparison | None:
    return _record(folder, stamp).comparison(metric)
