"""Groups from an affinity matrix, with every problem solved once per server."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from gradtag_core.config import Rounding
from gradtag_core.grouping.bound import upper_bound
from gradtag_core.grouping.constraints import Constraints
from gradtag_core.grouping.result import OPTIMAL_GAP, Grouping
from pages.parts.groups_jobs import Job, Jobs

if TYPE_CHECKING:
    from gradtag_core.grouping.cluster import Method
    from gradtag_core.grouping.sdp import Relaxation

FIRST_PAINT_SECONDS = 2.0  # the import must not slow down the first page
RELAXED_UNASKED = 300  # tasks: above, a relaxation takes longer than one should wait for a slider
PRECISE_TASKS = 40  # up to here the default tolerance costs nothing that one feels
TOLERANCE = 9e-4
NEIGHBOURS = (1, -1, 2, -2)
NO_CONSTRAINTS = Constraints()


@dataclass(frozen=True)
class Problem:
    """What decides the groups of a matrix."""

    n_groups: int
    method: "Method" = "auto"
    rounding: Rounding = "spectral"
    threshold: float | None = None
    constraints: Constraints = NO_CONSTRAINTS


@dataclass(frozen=True, eq=False)
class Matrix:
    """An (n, n) affinity with its task names; `key` names their content."""

    values: np.ndarray
    task_names: tuple[str, ...]
    key: str

    @classmethod
    def of(cls, values: np.ndarray, task_names: Sequence[str]) -> "Matrix":
        content = hashlib.sha256(np.ascontiguousarray(values).tobytes())
        content.update("\0".join(task_names).encode())
        return cls(values, tuple(task_names), content.hexdigest()[:16])

    @property
    def n_tasks(self) -> int:
        return len(self.task_names)


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


@st.cache_resource(show_spinner=False)
def _relaxations() -> Jobs:
    return Jobs(40)


@st.cache_resource(show_spinner=False)
def _groupings() -> Jobs:
    return Jobs(1000)


def grouping_of(matrix: Matrix, problem: Problem) -> Grouping:
    """The groups of a matrix; equal work is never done twice. Raises `InvalidInput` as `cluster` does."""
    return _groupings().result((matrix.key, problem), lambda: _solve(matrix, problem))


def solve_ahead(matrix: Matrix, problem: Problem) -> None:
    """Solve the neighbouring numbers of groups in the background, so that the next step of a slider finds them."""
    if matrix.n_tasks > RELAXED_UNASKED or problem.constraints or problem.method == "milp":
        return

    def job(k: int) -> Job:
        neighbour = replace(problem, n_groups=k)
        return (matrix.key, neighbour), lambda: _solve(matrix, neighbour)

    numbers = [problem.n_groups + step for step in NEIGHBOURS]
    _groupings().ahead([job(k) for k in numbers if 1 <= k <= matrix.n_tasks])


def bound_of(matrix: Matrix, n_groups: int) -> float:
    """The proven limit on the density of any grouping into so many groups: by the relaxation where it is quick."""
    solved: Relaxation | None = _relaxations().ready((matrix.key, n_groups))
    if solved or matrix.n_tasks <= RELAXED_UNASKED:
        return (solved or _relaxation(matrix, n_groups)).upper_bound
    return _relaxations().result(
        (matrix.key, n_groups, "loose"), lambda: upper_bound(matrix.values, n_groups)
    )


def bound_ahead(matrix: Matrix, n_groups: int) -> None:
    """Prove the limits for one group more and one less in the background: an edit may need them next."""
    if matrix.n_tasks <= RELAXED_UNASKED:
        near = [k for k in (n_groups + 1, n_groups - 1) if 1 <= k <= matrix.n_tasks]
        _relaxations().ahead([((matrix.key, k), partial(_relax, matrix, k)) for k in near])


def method_for(matrix: Matrix, problem: Problem) -> "Method":
    """What "auto" means here: as in `cluster`, except that a slider must answer at once."""
    needs_relaxation = problem.rounding == "threshold" or bool(problem.constraints)
    if problem.method != "auto" or problem.constraints:
        return problem.method
    return "sdp" if needs_relaxation or matrix.n_tasks <= RELAXED_UNASKED else "local"


def _solve(matrix: Matrix, problem: Problem) -> Grouping:
    from gradtag_core.grouping.cluster import cluster, round_relaxation

    method = method_for(matrix, problem)
    if method == "sdp" and not problem.constraints:
        relaxation = _relaxation(matrix, problem.n_groups)
        return round_relaxation(relaxation, rounding=problem.rounding, threshold=problem.threshold)
    found = cluster(
        matrix.values, problem.n_groups, method=method, constraints=problem.constraints or None,
        task_names=matrix.task_names, rounding=problem.rounding, threshold=problem.threshold,
    )  # fmt: skip
    if problem.constraints or method == "milp":
        return found
    bounded = replace(found, upper_bound=min(found.upper_bound, bound_of(matrix, problem.n_groups)))
    return replace(bounded, status="optimal") if bounded.gap <= OPTIMAL_GAP else bounded


def _relaxation(matrix: Matrix, n_groups: int) -> "Relaxation":
    return _relaxations().result((matrix.key, n_groups), partial(_relax, matrix, n_groups))


def _relax(matrix: Matrix, n_groups: int) -> "Relaxation":
    from gradtag_core.grouping.cluster import relax

    tolerance = None if matrix.n_tasks <= PRECISE_TASKS else TOLERANCE
    relaxation = relax(matrix.values, n_groups, task_names=matrix.task_names, tolerance=tolerance)
    _ = relaxation.upper_bound  # kept with it from now on
    return relaxation
