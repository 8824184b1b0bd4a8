import numpy as np
import pytest

from gradtag_core.config import Rounding
from gradtag_core.grouping import cluster
from pages.parts import solver


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


def test_a_relaxation_is_solved_once_whatever_the_threshold(solved):
    values = np.random.default_rng(0).normal(size=(8, 8))
    names = tuple("abcdefgh")
    asked: list[tuple[Rounding, float | None]] = [("threshold", None), ("threshold", 0.3), ("threshold", 0.4)]
    for rounding, threshold in asked:
        grouping = solver.grouping_of("one matrix", values, names, 3, rounding, threshold)
        assert grouping.task_names == names
    assert len(solved) == 1
    for source, n_solved in (("one matrix", 2), ("one matrix", 2), ("another matrix", 3)):
        solver.grouping_of(source, values, names, 3, "spectral", None)
        assert len(solved) == n_solved
