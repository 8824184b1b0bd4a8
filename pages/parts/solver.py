"""Groups from an affinity matrix, with every problem solved once per server."""

import time
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from gradtag_core.config import Rounding
from gradtag_core.grouping.result import Grouping

if TYPE_CHECKING:
    from gradtag_core.grouping.sdp import Relaxation

FIRST_PAINT_SECONDS = 2.0  # the import must not slow down the first page


@st.cache_resource(show_spinner=False)
def warm_up() -> Thread:
    """Import the solver in the background: it takes seconds, which the first change of k must not wait for."""
    thread = Thread(target=_solve_once, name="solver warm-up", daemon=True)
    thread.start()
    return thread


def _solve_once() -> None:
    time.sleep(FIRST_PAINT_SECONDS)
    from gradtag_core.grouping.cluster import cluster

    cluster(np.outer(range(4), range(4)), 2)  # a matrix that has no closed-form solution


def grouping_of(
    source: str, values: np.ndarray, task_names: tuple[str, ...], n_groups: int, rounding: Rounding,
    threshold: float | None,
) -> Grouping:  # fmt: skip
    """The groups of a matrix; `source` names its content, so that equal work is never done twice."""
    if rounding == "spectral":
        return _grouping(source, values, task_names, n_groups)
    from gradtag_core.grouping.cluster import round_relaxation

    relaxation = _relaxation(source, values, task_names, n_groups)
    return round_relaxation(relaxation, rounding=rounding, threshold=threshold)


@st.cache_resource(max_entries=400, show_spinner=False)
def _grouping(source: str, _values: np.ndarray, _task_names: tuple[str, ...], n_groups: int) -> Grouping:
    from gradtag_core.grouping.cluster import cluster

    return cluster(_values, n_groups, task_names=_task_names)


@st.cache_resource(max_entries=100, show_spinner=False)
def _relaxation(
    source: str, _values: np.ndarray, _task_names: tuple[str, ...], n_groups: int
) -> "Relaxation":
    from gradtag_core.grouping.cluster import relax

    return relax(_values, n_groups, task_names=_task_names)
