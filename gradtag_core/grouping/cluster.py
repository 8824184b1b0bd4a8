"""Group the tasks of an affinity matrix: relax once, round as often as wanted (Grad-TAG, section 4)."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from gradtag_core.config import Rounding
from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.grouping.density import density, expected_density
from gradtag_core.grouping.result import OPTIMAL_GAP, Grouping, Status
from gradtag_core.grouping.rounding import search_threshold, spectral_rounding, threshold_rounding
from gradtag_core.grouping.sdp import Relaxation, Solver, relax


def cluster(
    affinity: Any,
    n_groups: int,
    *,
    task_names: Sequence[str] | None = None,
    rounding: Rounding = "spectral",
    threshold: float | None = None,
    solver: Solver = "SCS",
    seed: int = 0,
) -> Grouping:
    """Partition tasks into groups of high average density, with a proven limit on it (Grad-TAG, algorithm 2).

    `affinity`: (n, n) finite numbers, row = evaluated task, higher is better; need not be symmetric.
    `rounding`: "spectral" forms exactly `n_groups` groups; "threshold" is the paper's rule, which cannot
    promise that (the status says so). `threshold`: in (0, 1], for the threshold rounding (None: searched).
    A solve that does not converge shows in the status. Raises `InvalidInput` for what breaks a rule.
    """
    _check_rounding(rounding, threshold, seed)
    relaxation = relax(affinity, n_groups, task_names=task_names, solver=solver)
    return round_relaxation(relaxation, rounding=rounding, threshold=threshold, seed=seed)


def round_relaxation(
    relaxation: Relaxation, *, rounding: Rounding = "spectral", threshold: float | None = None, seed: int = 0
) -> Grouping:
    """The groups of a relaxation solved before, so that another rounding or threshold costs no solve.

    Parameters and errors as `cluster`.
    """
    _check_rounding(rounding, threshold, seed)
    started = time.perf_counter()
    affinity, asked = relaxation.affinity, relaxation.n_groups
    if rounding == "spectral":
        labels = spectral_rounding(relaxation.X, affinity, asked, seed)
    else:
        threshold = search_threshold(relaxation.X, asked) if threshold is None else float(threshold)
        labels = threshold_rounding(relaxation.X, threshold)
    formed = int(labels.max()) + 1
    grouping = Grouping(
        labels=labels,
        task_names=relaxation.task_names,
        density=density(affinity, labels),
        upper_bound=relaxation.upper_bound if formed == asked else relaxation.bound_for(formed),
        random_density=expected_density(affinity, formed),
        status=relaxation.status,
        solver=relaxation.solver,
        rounding=rounding,
        threshold=threshold,
        n_groups_asked=asked,
        seconds=relaxation.seconds + time.perf_counter() - started,
    )
    return dataclasses.replace(grouping, status=_status(grouping))


def _status(grouping: Grouping) -> Status:
    if grouping.n_groups != grouping.n_groups_asked:
        return "count_missed"
    return "optimal" if grouping.gap <= OPTIMAL_GAP else grouping.status


def _check_rounding(rounding: str, threshold: float | None, seed: int) -> None:
    if rounding not in get_args(Rounding):
        raise InvalidInput(f"`rounding` must be one of {quoted(get_args(Rounding))}; found {rounding!r}.")
    if threshold is not None and rounding != "threshold":
        raise InvalidInput("`threshold` is used only with `rounding` = threshold; set that or leave it out.")
    number = isinstance(threshold, int | float | np.integer | np.floating) and not isinstance(threshold, bool)
    if threshold is not None and not (number and 0 < threshold <= 1):
        raise InvalidInput(f"`threshold` must be above 0 and at most 1; found {threshold!r}.")
    if not (isinstance(seed, int | np.integer) and 0 <= seed < 2**32):
        raise InvalidInput(f"`seed` must be a whole number from 0 to 2**32 - 1; found {seed!r}.")
