"""The front against brute force, and studies summed up by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gradtag_core.config import METRICS
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput
from gradtag_core.evaluation.pareto import best_within, error_of, front, paired_difference, summarise
from gradtag_core.methods.protocol import MethodResult

SMALL = st.integers(0, 5).map(float)


def result(method, scores, flops, *, loss=-0.5, seconds=1.0, peak=10, sample=None):
    """A method that scores each task with these AUCs."""
    test = np.zeros((len(scores), len(METRICS)))
    test[:, METRICS.index("auc")] = scores
    test[:, METRICS.index("loss")] = loss
    names = tuple(f"task {task}" for task in range(len(scores)))
    return MethodResult(
        method,
        names,
        test.copy(),
        test,
        Cost(flops, seconds, peak),
        estimated=sample is not None,
        sample=sample,
    )


RESULTS = {
    "boostmtl": [
        result("boostmtl", [0.9, 0.8], 100.0, peak=7),
        result("boostmtl", [0.8, 0.7], 102.0, peak=9),
    ],
    "naive_mtl": [result("naive_mtl", [0.6, 0.6], 1.0), result("naive_mtl", [0.7, 0.5], 1.0)],
    "single_task": [result("single_task", [0.5, 0.5], 2.0), result("single_task", [0.5, 0.5], 2.0)],
    "hoa": [result("hoa", [0.95, 0.95], 50.0, sample="3 of 9 pairs were trained.")],
    "tag": [],
}


def brute_front(costs, errors):
    """Undominated points, the first of equal ones."""
    points = list(zip(costs.tolist(), errors.tolist(), strict=True))
    return [
        not any(
            (other[0] <= own[0] and other[1] <= own[1]) and (other != own or place < index)
            for place, other in enumerate(points)
            if place != index
        )
        for index, own in enumerate(points)
    ]


@given(arrays.arrays(float, st.tuples(st.just(2), st.integers(0, 12)), elements=SMALL))
def test_the_front_is_that_of_brute_force(points):
    assert front(points[0], points[1]).tolist() == brute_front(points[0], points[1])


def test_a_record_holds_means_over_seeds_and_their_standard_error():
    cheapest, alone, sampled, boost = summarise(RESULTS, "auc")
    assert [record.method for record in (cheapest, alone, sampled, boost)] == [
        "naive_mtl", "single_task", "hoa", "boostmtl",
    ]  # fmt: skip
    assert (boost.error, boost.flops, boost.n_seeds, boost.peak_bytes) == (pytest.approx(0.2), 101.0, 2, 9)
    assert boost.error_se == pytest.approx(0.05)  # errors 0.15 and 0.25
    assert (cheapest.error_se, sampled.error_se) == (pytest.approx(0.0, abs=1e-12), None)
    assert (sampled.estimated, sampled.sample) == (True, "3 of 9 pairs were trained.")
    assert boost.title == "BoostMTL" and boost.to_json()["error"] == boost.error


def test_the_front_stands_on_measured_methods_alone():
    assert {record.method: record.on_front for record in summarise(RESULTS, "auc")} == {
        "naive_mtl": True, "single_task": False, "hoa": False, "boostmtl": True,
    }  # fmt: skip


def test_the_error_of_a_loss_is_the_loss():
    assert error_of(result("tag", [0.5], 1.0, loss=-0.7), "loss") == pytest.approx(0.7)


def test_the_best_within_a_budget_changes_where_a_better_method_becomes_affordable():
    records = summarise(RESULTS, "auc")
    assert best_within(records, 1.0).method == "naive_mtl"
    assert best_within(records, 100.9).method == "naive_mtl"  # the estimated one is not offered
    assert best_within(records, 101.0).method == "boostmtl"
    with pytest.raises(InvalidInput, match=r"`budget` must be at least .* 1 for `naive_mtl`; found 0\.5"):
        best_within(records, 0.5)
    with pytest.raises(InvalidInput, match="measured; found none"):
        best_within([record for record in records if record.estimated], 1e9)


def test_differences_are_taken_seed_by_seed():
    mean, spread = paired_difference(RESULTS, "boostmtl", "naive_mtl", "auc")
    assert mean == pytest.approx(0.2) and spread == pytest.approx(0.05)  # 0.25 and 0.15
    assert paired_difference(RESULTS, "hoa", "naive_mtl", "auc") == (pytest.approx(0.35), None)
