"""The convex relaxation of grouping, equation (10) of Grad-TAG: the 0-1 SDP of Peng and Wei (2007)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.grouping.bound import upper_bound
from gradtag_core.grouping.density import Array, centre, expected_density
from gradtag_core.grouping.validation import check_affinity, check_n_groups

Solver = Literal["SCS", "CLARABEL"]
RelaxationStatus = Literal["solved", "solved_inaccurate", "failed"]

CLOSED_FORM = "closed form"
MAX_ITERATIONS = 6000
NEGLIGIBLE = 1e-12


@dataclass(frozen=True, eq=False)
class Relaxation:
    """A solution of equation (10) with what it takes to round it, any number of times.

    `affinity`: (n, n) the matrix T that was relaxed. `X`: (n, n) symmetric, feasible to the solver's accuracy
    (about 1e-5 per entry). `value`: <T, X>, which that accuracy may carry past `upper_bound`.
    `dual`: (n, n) N >= 0, the multiplier of X >= 0, in units of the affinity. `status`: "solved";
    "solved_inaccurate": the solver stopped early; "failed": it gave nothing, and X solves the relaxation
    without X >= 0.
    """

    affinity: Array
    task_names: tuple[str, ...]
    n_groups: int
    X: Array
    dual: Array
    value: float
    status: RelaxationStatus
    solver: str
    seconds: float

    @cached_property
    def upper_bound(self) -> float:
        """No grouping into `n_groups` groups has a larger density, however accurate the solver was."""
        return self.bound_for(self.n_groups)

    def bound_for(self, n_groups: int) -> float:
        """The proven limit for any number of groups: valid for each, tightest for the one relaxed."""
        return min(upper_bound(self.affinity, n_groups, dual) for dual in (self.dual, None))


def relax(
    affinity: Any,
    n_groups: int,
    *,
    task_names: Sequence[str] | None = None,
    solver: Solver = "SCS",
    max_iterations: int = MAX_ITERATIONS,
) -> Relaxation:
    """Solve max <T, X> subject to X e = e, tr X = k, X >= 0, X psd (Grad-TAG, equation 10).

    `affinity`: (n, n) finite numbers, row = evaluated task, higher is better; need not be symmetric.
    `max_iterations`: the work after which SCS stops; CLARABEL sets its own. A solve that does not converge
    shows in the status. Raises `InvalidInput` for what breaks a rule.
    """
    values, names = check_affinity(affinity, task_names)
    n_groups = check_n_groups(n_groups, len(values))
    if solver not in get_args(Solver):
        raise InvalidInput(f"`solver` must be one of {quoted(get_args(Solver))}; found {solver!r}.")
    if max_iterations < 1:
        raise InvalidInput(f"`max_iterations` must be at least 1; found {max_iterations}.")
    started = time.perf_counter()
    centred = centre(values)
    # Divided by its spectral norm, a problem of any size and unit looks alike to the solver.
    scale = float(np.linalg.norm(centred, 2))
    status: RelaxationStatus = "solved"
    dual = np.zeros_like(values)
    if n_groups in (1, len(values)) or scale <= NEGLIGIBLE * float(np.abs(values).max()):
        solver_used, solution = CLOSED_FORM, _mean_grouping(len(values), n_groups)
    else:
        solver_used = solver
        solution, dual, status = _solve(centred / scale, n_groups, solver, max_iterations)
        dual = dual * scale
    return Relaxation(
        affinity=values,
        task_names=names,
        n_groups=n_groups,
        X=solution,
        dual=dual,
        value=expected_density(values, n_groups) + float((centred * solution).sum()),
        status=status,
        solver=solver_used,
        seconds=time.perf_counter() - started,
    )


def _mean_grouping(n_tasks: int, n_groups: int) -> Array:
    """The mean of X over all groupings: the only X for 1 or n groups, as good as any for equal affinities."""
    mean = np.full((n_tasks, n_tasks), 1 / n_tasks)
    return mean if n_tasks == 1 else mean + (n_groups - 1) / (n_tasks - 1) * (np.eye(n_tasks) - mean)


def _solve(
    centred: Array, n_groups: int, solver: Solver, max_iterations: int
) -> tuple[Array, Array, RelaxationStatus]:
    """X, the multiplier of X >= 0 and the status, from cvxpy.

    The problem is built anew on each call: that takes 8 ms for 30 tasks and 40 ms for 100, less than a
    parametrised problem needs to compile (1 s and 0.4 GB for 100), and leaves nothing for threads to share.
    """
    import cvxpy as cp

    n_tasks = len(centred)
    variable = cp.Variable((n_tasks, n_tasks), PSD=True)
    nonnegative = cp.NonNeg(cp.upper_tri(variable))  # the diagonal of a psd matrix is non-negative anyway
    problem = cp.Problem(
        cp.Maximize(cp.sum(cp.multiply(centred, variable))),
        [cp.Zero(cp.sum(variable, axis=1) - 1), cp.Zero(cp.trace(variable) - n_groups), nonnegative],
    )
    if solver == "SCS":
        options = {"eps_abs": 3e-6, "eps_rel": 3e-6, "max_iters": max_iterations, "scale": 3.0}
    else:  # where the groups are clear-cut, its default of 1e-8 is out of reach
        options = {"tol_gap_abs": 1e-7, "tol_gap_rel": 1e-7, "tol_feas": 1e-7}
    # `Problem.solve` would warn and raise where a status is wanted.
    compiled: Any = problem.get_problem_data(solver, solver_opts=options)
    data, chain, inverse_data = compiled
    raw = chain.solve_via_data(problem, data, solver_opts=options)
    found = chain.invert(raw, inverse_data)
    if found.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
        return _without_nonnegativity(centred, n_groups), np.zeros_like(centred), "failed"
    solution = np.asarray(found.primal_vars[variable.id])
    dual = np.zeros_like(centred)
    # Each pair's multiplier serves two entries of X.
    dual[np.triu_indices(n_tasks, 1)] = np.maximum(np.ravel(found.dual_vars[nonnegative.id]), 0) / 2
    status: RelaxationStatus = "solved" if found.status == cp.OPTIMAL else "solved_inaccurate"
    return (solution + solution.T) / 2, dual + dual.T, status


def _without_nonnegativity(centred: Array, n_groups: int) -> Array:
    """The X of equation (10) with eigenvalues at most 1 in place of X >= 0: ee'/n and top eigenvectors."""
    mean = np.full_like(centred, 1 / len(centred))
    below_all = 2 * np.linalg.norm(centred)
    vectors = np.linalg.eigh(centred - below_all * mean)[1][:, len(centred) - n_groups + 1 :]
    return mean + vectors @ vectors.T
