"""The convex relaxation of grouping, equation (10) of Grad-TAG: the 0-1 SDP of Peng and Wei (2007)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.grouping.admm import solve_admm
from gradtag_core.grouping.bound import group_worth, penalised_bound, upper_bound
from gradtag_core.grouping.density import Array, centre, expected_density
from gradtag_core.grouping.feasible import mean_grouping
from gradtag_core.grouping.validation import check_affinity, check_n_groups, check_penalty

Solver = Literal["ADMM", "SCS", "CLARABEL"]
RelaxationStatus = Literal["solved", "solved_inaccurate", "failed"]

CLOSED_FORM = "closed form"
LARGEST_RELAXED = {"ADMM": 2000, "SCS": 300, "CLARABEL": 100}  # beyond, minutes and gigabytes
SECONDS = 120.0
FEW_TASKS = 200
NEGLIGIBLE = 1e-12


@dataclass(frozen=True, eq=False)
class Relaxation:
    """A solution of equation (10) with what it takes to round it, any number of times.

    `affinity`: (n, n) the matrix T that was relaxed. `X`: (n, n) symmetric; ADMM's is feasible to rounding
    errors, the others' to their accuracy (about 1e-5 per entry), which may carry `value` = <T, X> past
    `upper_bound`. `dual`: (n, n) N >= 0, the multiplier of X >= 0, in units of the affinity. `n_groups`: k,
    or where it was free (`penalty` is not None) the whole number nearest to tr X. `status`: "solved";
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
    penalty: float | None = None

    @cached_property
    def upper_bound(self) -> float:
        """No grouping into `n_groups` groups has a larger density, however accurate the solver was."""
        return self.bound_for(self.n_groups)

    @cached_property
    def penalised_bound(self) -> float:
        """No grouping into any number k of groups has a larger (density - `penalty` k)."""
        if self.penalty is None:
            raise InvalidInput("`penalised_bound` needs a relaxation with a `penalty`; this one has none.")
        return min(penalised_bound(self.affinity, self.penalty, dual) for dual in (self.dual, None))

    def bound_for(self, n_groups: int) -> float:
        """The proven limit for any number of groups: valid for each, tightest for the one relaxed."""
        limits = [upper_bound(self.affinity, n_groups, dual) for dual in (self.dual, None)]
        if self.penalty is not None:
            limits.append(self.penalised_bound + self.penalty * n_groups)
        return min(limits)


def relax(
    affinity: Any,
    n_groups: int | None = None,
    *,
    penalty: float | None = None,
    task_names: Sequence[str] | None = None,
    solver: Solver = "ADMM",
    tolerance: float | None = None,
    max_iterations: int | None = None,
) -> Relaxation:
    """Solve max <T, X> subject to X e = e, tr X = k, X >= 0, X psd (Grad-TAG, equation 10).

    `affinity`: (n, n) finite numbers, row = evaluated task, higher is better; need not be symmetric; at most
    `LARGEST_RELAXED[solver]` tasks. `n_groups` None: no tr X = k, and <T, X> - `penalty` tr X is maximised
    (EnsembleLoRA, arXiv 2505.21930); `penalty` is what one more group must add to the density.
    `solver`: "ADMM" is made for this problem; SCS is the reference and CLARABEL a cross-check for few tasks.
    `tolerance`: of ADMM, the proven gap at which it stops, as a share of the lead over a
    random grouping (None: 5e-5 up to 200 tasks, 9e-4 above); of the others, of their residuals.
    `max_iterations`: the work after which ADMM and SCS stop; ADMM also does after `SECONDS`.
    A solve that does not converge shows in the status. Raises `InvalidInput` for what breaks a rule.
    """
    values, names = check_affinity(affinity, task_names)
    penalty = check_penalty(penalty, n_groups)
    asked = None if penalty is not None else check_n_groups(n_groups, len(values))
    _check_solver(solver, tolerance, max_iterations, len(values))
    started = time.perf_counter()
    price = 0.0 if penalty is None else penalty - group_worth(values)
    problem = _Problem(centre(values), asked, price)
    solution, dual, status, solver_used = _solve_scaled(
        problem, solver, tolerance, max_iterations, largest=float(np.abs(values).max())
    )
    trace = float(np.trace(solution))
    value = expected_density(values, 1) + group_worth(values) * (trace - 1)
    return Relaxation(
        affinity=values,
        task_names=names,
        n_groups=asked or min(max(round(trace), 1), len(values)),
        X=solution,
        dual=dual,
        value=value + float((problem.centred * solution).sum()),
        status=status,
        solver=solver_used,
        seconds=time.perf_counter() - started,
        penalty=penalty,
    )


@dataclass(frozen=True, eq=False)
class _Problem:
    """Maximise <C, X> with tr X = k, or <C, X> - price tr X with k free."""

    centred: Array
    n_groups: int | None
    price: float


Solved = tuple[Array, Array, RelaxationStatus]


def _solve_scaled(
    problem: _Problem, solver: Solver, tolerance: float | None, max_iterations: int | None, largest: float
) -> tuple[Array, Array, RelaxationStatus, str]:
    """X, the multiplier of X >= 0, the status and what solved it; `largest` affinity in size."""
    n_tasks = len(problem.centred)
    # Divided by its spectral norm, a problem of any size and unit looks alike to the solver.
    scale = float(np.linalg.norm(problem.centred, 2))
    if problem.n_groups in (1, n_tasks) or n_tasks == 1 or scale <= NEGLIGIBLE * largest:
        n_groups = problem.n_groups or (n_tasks if problem.price < 0 else 1)
        return mean_grouping(n_tasks, n_groups), np.zeros_like(problem.centred), "solved", CLOSED_FORM
    scaled = _Problem(problem.centred / scale, problem.n_groups, problem.price / scale)
    solution, dual, status = _solve(scaled, solver, tolerance, max_iterations)
    return solution, scale * dual, status, solver


def _check_solver(solver: str, tolerance: float | None, max_iterations: int | None, n_tasks: int) -> None:
    if solver not in get_args(Solver):
        raise InvalidInput(f"`solver` must be one of {quoted(get_args(Solver))}; found {solver!r}.")
    if tolerance is not None and not 0 < tolerance < 1:
        raise InvalidInput(f"`tolerance` must be above 0 and below 1; found {tolerance}.")
    if max_iterations is not None and max_iterations < 1:
        raise InvalidInput(f"`max_iterations` must be at least 1; found {max_iterations}.")
    if n_tasks > LARGEST_RELAXED[solver]:
        instead = "`method` = local" if solver == "ADMM" else "`solver` = ADMM"
        raise InvalidInput(
            f"The relaxation by {solver} takes at most {LARGEST_RELAXED[solver]} tasks; found {n_tasks}. "
            f"Use {instead}."
        )


def _solve(problem: _Problem, solver: Solver, tolerance: float | None, max_iterations: int | None) -> Solved:
    """X, the multiplier of X >= 0 and the status."""
    if solver != "ADMM":
        return _solve_with_cvxpy(problem, solver, tolerance, max_iterations or 6000)
    few = len(problem.centred) <= FEW_TASKS
    accuracy = tolerance or (5e-5 if few else 9e-4)
    found = solve_admm(
        problem.centred, problem.n_groups, penalty=problem.price, tolerance=accuracy,
        max_iterations=max_iterations or (3000 if few else 600), seconds=SECONDS,
    )  # fmt: skip
    return found.X, found.dual, "solved" if found.gap <= accuracy else "solved_inaccurate"


def _solve_with_cvxpy(
    problem: _Problem, solver: Solver, tolerance: float | None, max_iterations: int
) -> Solved:
    """The same from a general conic solver.

    The problem is built anew on each call: that takes 8 ms for 30 tasks and 40 ms for 100, less than a
    parametrised problem needs to compile (1 s and 0.4 GB for 100), and leaves nothing for threads to share.
    """
    import cvxpy as cp

    n_tasks = len(problem.centred)
    variable = cp.Variable((n_tasks, n_tasks), PSD=True)
    nonnegative = cp.NonNeg(cp.upper_tri(variable))  # the diagonal of a psd matrix is non-negative anyway
    objective = cp.sum(cp.multiply(problem.centred - problem.price * np.eye(n_tasks), variable))
    constraints: list[Any] = [cp.Zero(cp.sum(variable, axis=1) - 1), nonnegative]
    if problem.n_groups is not None:
        constraints.insert(1, cp.Zero(cp.trace(variable) - problem.n_groups))
    program = cp.Problem(cp.Maximize(objective), constraints)
    if solver == "SCS":
        accuracy = tolerance or 3e-6
        options = {"eps_abs": accuracy, "eps_rel": accuracy, "max_iters": max_iterations, "scale": 3.0}
    else:  # where the groups are clear-cut, its default of 1e-8 is out of reach
        accuracy = tolerance or 1e-7
        options = {"tol_gap_abs": accuracy, "tol_gap_rel": accuracy, "tol_feas": accuracy}
    # `Problem.solve` would warn and raise where a status is wanted.
    compiled: Any = program.get_problem_data(solver, solver_opts=options)
    data, chain, inverse_data = compiled
    raw = chain.solve_via_data(program, data, solver_opts=options)
    found = chain.invert(raw, inverse_data)
    if found.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
        return _without_nonnegativity(problem), np.zeros_like(problem.centred), "failed"
    solution = np.asarray(found.primal_vars[variable.id])
    dual = np.zeros_like(problem.centred)
    # Each pair's multiplier serves two entries of X.
    dual[np.triu_indices(n_tasks, 1)] = np.maximum(np.ravel(found.dual_vars[nonnegative.id]), 0) / 2
    status: RelaxationStatus = "solved" if found.status == cp.OPTIMAL else "solved_inaccurate"
    return (solution + solution.T) / 2, dual + dual.T, status


def _without_nonnegativity(problem: _Problem) -> Array:
    """The X of equation (10) with eigenvalues at most 1 in place of X >= 0: ee'/n and top eigenvectors."""
    centred = problem.centred
    mean = np.full_like(centred, 1 / len(centred))
    below_all = 2 * np.linalg.norm(centred)
    values, vectors = np.linalg.eigh(centred - below_all * mean)
    worth_it = int((values[1:] > problem.price).sum())
    count = worth_it if problem.n_groups is None else problem.n_groups - 1
    top = vectors[:, len(centred) - count :]
    return mean + top @ top.T
