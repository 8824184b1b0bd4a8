"""Group the tasks of an affinity matrix: relax once, round as often as wanted (Grad-TAG, section 4)."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from gradtag_core.config import Rounding
from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.grouping.bound import upper_bound
from gradtag_core.grouping.constraints import Constraints
from gradtag_core.grouping.density import density, expected_density
from gradtag_core.grouping.lloyd import lloyd_clustering
from gradtag_core.grouping.local import local_grouping
from gradtag_core.grouping.program import constrained_grouping
from gradtag_core.grouping.result import OPTIMAL_GAP, Grouping, Status
from gradtag_core.grouping.rounding import search_threshold, spectral_rounding, threshold_rounding
from gradtag_core.grouping.sdp import Relaxation, Solver, relax
from gradtag_core.grouping.spectral import spectral_clustering
from gradtag_core.grouping.validation import check_affinity, check_n_groups

Method = Literal["auto", "sdp", "local", "spectral", "lloyd", "milp"]

AUTO_RELAXED = 1000
LARGEST = 5000
DIRECT = {"local": local_grouping, "spectral": spectral_clustering, "lloyd": lloyd_clustering}


def cluster(
    affinity: Any,
    n_groups: int | None = None,
    *,
    penalty: float | None = None,
    method: Method = "auto",
    constraints: Constraints | None = None,
    task_names: Sequence[str] | None = None,
    rounding: Rounding = "spectral",
    threshold: float | None = None,
    solver: Solver = "ADMM",
    tolerance: float | None = None,
    seed: int = 0,
) -> Grouping:
    """Partition tasks into groups of high average density, with a proven limit on it (Grad-TAG, algorithm 2).

    `affinity`: (n, n) finite numbers, row = evaluated task, higher is better; only its symmetric part counts.
    `n_groups` None: it is chosen so that the density less `penalty` per group is largest (needs the SDP).
    `method`: "sdp" relaxes and rounds; "local" searches from the eigenvectors of the affinity; "spectral" and
    "lloyd" are the paper's comparisons; these three have the looser bound that needs no relaxation; "milp" is
    the exact column program for few tasks; "auto" is "sdp" up to `AUTO_RELAXED` tasks and "local" above, and
    under `constraints` what `constrained_grouping` chooses. At most `LARGEST` tasks.
    `rounding`: "spectral" forms exactly `n_groups` groups; "threshold" is the paper's rule, which cannot
    promise that (the status says so). `threshold`: in (0, 1], for the threshold rounding (None: searched).
    `solver`, `tolerance`: as in `relax`.
    A solve that does not converge shows in the status. Raises `InvalidInput` for what breaks a rule.
    """
    _check_rounding(rounding, threshold, seed)
    chosen = _chosen_method(
        method, len(affinity) if hasattr(affinity, "__len__") else 1, rounding, penalty, constraints
    )
    if chosen in ("milp", "constrained"):
        exactness = "exact" if chosen == "milp" else "auto"
        return constrained_grouping(
            affinity, n_groups, constraints, task_names=task_names, exactness=exactness, seed=seed
        )
    if chosen != "sdp":
        return _without_relaxation(affinity, n_groups, task_names, chosen, seed)
    relaxation = relax(
        affinity, n_groups, penalty=penalty, task_names=task_names, solver=solver, tolerance=tolerance
    )
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
    if rounding == "threshold":
        threshold = search_threshold(relaxation.X, asked) if threshold is None else float(threshold)
        labels = threshold_rounding(relaxation.X, threshold)
    elif relaxation.penalty is None:
        labels = spectral_rounding(relaxation.X, affinity, asked, seed)
    else:
        labels = _round_to_any_number(relaxation, relaxation.penalty, seed)
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
        n_groups_asked=asked if relaxation.penalty is None else None,
        seconds=relaxation.seconds + time.perf_counter() - started,
        penalty=relaxation.penalty,
    )
    return dataclasses.replace(grouping, status=_status(grouping))


def _round_to_any_number(relaxation: Relaxation, penalty: float, seed: int) -> np.ndarray:
    """The best of the numbers of groups around tr X, going on while an end of the range is the best of it."""
    affinity, n_tasks = relaxation.affinity, len(relaxation.affinity)
    found: dict[int, np.ndarray] = {}

    def value(n_groups: int) -> float:
        if n_groups not in found:
            found[n_groups] = spectral_rounding(relaxation.X, affinity, n_groups, seed)
        return density(affinity, found[n_groups]) - penalty * n_groups

    best = relaxation.n_groups
    while True:
        near = range(max(1, best - 2), min(n_tasks, best + 2) + 1)
        better = max(near, key=value)
        if value(better) <= value(best):
            return found[best]
        best = better


def _without_relaxation(
    affinity: Any, n_groups: int | None, task_names: Sequence[str] | None, method: str, seed: int
) -> Grouping:
    values, names = check_affinity(affinity, task_names)
    asked = check_n_groups(n_groups, len(values))
    started = time.perf_counter()
    labels = DIRECT[method](values, asked, seed)
    grouping = Grouping(
        labels=labels,
        task_names=names,
        density=density(values, labels),
        upper_bound=upper_bound(values, asked),
        random_density=expected_density(values, asked),
        status="heuristic",
        solver="none",
        rounding="spectral",
        threshold=None,
        n_groups_asked=asked,
        seconds=time.perf_counter() - started,
        method=method,
    )
    return dataclasses.replace(grouping, status=_status(grouping))


def _chosen_method(
    method: str, n_tasks: int, rounding: str, penalty: float | None, constraints: Constraints | None
) -> str:
    """The method that runs, "constrained" for what `constrained_grouping` chooses."""
    if method not in get_args(Method):
        raise InvalidInput(f"`method` must be one of {quoted(get_args(Method), 9)}; found {method!r}.")
    if n_tasks > LARGEST:
        raise InvalidInput(f"`affinity` may have at most {LARGEST} tasks; found {n_tasks}.")
    needs_relaxation = rounding == "threshold" or penalty is not None
    what = "`rounding` = threshold" if rounding == "threshold" else "`penalty`"
    if constraints:
        if needs_relaxation or method not in ("auto", "milp"):
            clash = what if needs_relaxation else f"`method` = {method}"
            raise InvalidInput(
                f"{clash} does not go with constraints; use `n_groups` and `method` = auto or milp."
            )
        return "milp" if method == "milp" else "constrained"
    if method == "auto":
        return "sdp" if needs_relaxation or n_tasks <= AUTO_RELAXED else "local"
    if method != "sdp" and needs_relaxation:
        raise InvalidInput(f"{what} needs the relaxation; use `method` = sdp, found {method!r}.")
    return method


def _status(grouping: Grouping) -> Status:
    if grouping.n_groups_asked not in (None, grouping.n_groups):
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
