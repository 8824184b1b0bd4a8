from zlib import crc32

import numpy as np
import pytest

from gradtag_core.grouping import cluster
from gradtag_core.grouping.constraints import Constraints
from pages.parts import solver
from pages.parts.groups_jobs import Jobs
from pages.parts.solver import Matrix, Problem


@pytest.fixture
def solved(monkeypatch):
    """The solver of each relaxation."""
    seen = []
    relax = cluster.relax

    def noted(*problem, **options):
        found = relax(*problem, **options)
        seen.append(found.solver)
        return found

    monkeypatch.setattr(cluster, "relax", noted)
    return seen


def test_warming_up_solves_what_has_no_closed_form(monkeypatch, solved):
    monkeypatch.setattr(solver, "FIRST_PAINT_SECONDS", 0.0)
    solver._solve_once()
    assert len(solved) == 1
    assert solved != ["closed form"]


@pytest.fixture
def matrix(request):
    """One of the test's own, of which nothing has been solved yet."""
    for known in (solver._relaxations, solver._groupings):
        known.clear()
    seed = crc32(request.node.name.encode())
    return Matrix.of(np.random.default_rng(seed).normal(size=(8, 8)), tuple("abcdefgh"))


def test_a_relaxation_is_solved_once_whatever_the_rounding_and_threshold(matrix, solved):
    for threshold in (None, 0.3, 0.4):
        grouping = solver.grouping_of(matrix, Problem(3, rounding="threshold", threshold=threshold))
        assert grouping.task_names == matrix.task_names
    solver.grouping_of(matrix, Problem(3))
    assert len(solved) == 1
    solver.grouping_of(matrix, Problem(4))
    assert len(solved) == 2


def test_equal_problems_have_one_answer(matrix):
    again = Matrix.of(matrix.values.copy(), matrix.task_names)
    assert solver.grouping_of(matrix, Problem(3)) is solver.grouping_of(again, Problem(3))
    renamed = Matrix.of(matrix.values, tuple("stuvwxyz"))
    assert solver.grouping_of(renamed, Problem(3)).task_names == renamed.task_names


def test_every_method_is_judged_by_the_bound_of_the_relaxation(matrix):
    bound = solver.bound_of(matrix, 3)
    for method in ("sdp", "local", "spectral", "lloyd"):
        found = solver.grouping_of(matrix, Problem(3, method))
        assert found.upper_bound == bound
        assert found.density <= bound * (1 + 1e-9)


def test_neighbours_are_solved_ahead(matrix, solved, monkeypatch):
    jobs = []
    monkeypatch.setattr(Jobs, "ahead", lambda self, more: jobs.extend(more))
    solver.solve_ahead(matrix, Problem(7))
    assert [problem.n_groups for (_, problem), _ in jobs] == [8, 6, 5]
    solver.solve_ahead(matrix, Problem(7, constraints=Constraints(max_size=3)))
    assert len(jobs) == 3


def test_the_limits_that_an_edit_may_need_are_proven_ahead(matrix, solved, monkeypatch):
    jobs = []
    monkeypatch.setattr(Jobs, "ahead", lambda self, more: jobs.extend(more))
    solver.bound_ahead(matrix, 8)
    assert [k for (_, k), _ in jobs] == [7]
    (key, work), *_ = jobs
    bound = solver._relaxations().result(key, work).upper_bound
    assert solver.bound_of(matrix, 7) == bound
    assert len(solved) == 1


@pytest.mark.parametrize(
    ("n_tasks", "problem", "method"),
    [
        (300, Problem(3), "sdp"),
        (301, Problem(3), "local"),
        (301, Problem(3, rounding="threshold"), "sdp"),
        (301, Problem(3, "sdp"), "sdp"),
        (301, Problem(3, constraints=Constraints(max_size=200)), "auto"),
    ],
)
def test_automatic_means_what_a_slider_can_wait_for(n_tasks, problem, method):
    matrix = Matrix(np.zeros((n_tasks, n_tasks)), tuple(map(str, range(n_tasks))), "zeros")
    assert solver.method_for(matrix, problem) == method
