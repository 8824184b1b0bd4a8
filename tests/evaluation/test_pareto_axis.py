import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.evaluation.pareto import MethodRecord
from gradtag_core.evaluation.pareto_axis import best_priced, budgets, cheapest_alike, price


def record(method, error, flops, seconds, *, se: float | None = 0.01, estimated=False):
    return MethodRecord(method, method, error, se, flops, seconds, 1, estimated, None, 3)


RECORDS = [
    record("naive_mtl", 0.5, 1e9, 4.0),
    record("tag", 0.4, 2e9, 1.0),
    record("hoa", 0.405, 4e9, 2.0),
    record("boostmtl", 0.39, 8e9, 3.0),
    record("etap", 0.1, 1e8, 0.1, estimated=True),
]


def names(methods):
    return [method.record.method for method in methods]


def test_the_front_is_that_of_the_axis_and_of_measured_methods():
    by_flops, by_seconds = price(RECORDS, "flops"), price(RECORDS, "seconds")
    assert names(by_flops) == ["etap", "naive_mtl", "tag", "hoa", "boostmtl"]
    assert names(method for method in by_flops if method.on_front) == ["naive_mtl", "tag", "boostmtl"]
    assert names(by_seconds) == ["etap", "tag", "hoa", "boostmtl", "naive_mtl"]
    assert names(method for method in by_seconds if method.on_front) == ["tag", "boostmtl"]


def test_gpu_hours_are_flops_at_the_stated_rate():
    costs = [method.cost for method in price(RECORDS, "gpu_hours", teraflops=2.0)]
    assert costs == pytest.approx([method.cost / (2e12 * 3600) for method in price(RECORDS, "flops")])
    with pytest.raises(InvalidInput, match="`teraflops` must be above 0; found 0"):
        price(RECORDS, "gpu_hours", teraflops=0.0)


def test_a_budget_buys_the_best_measured_method_on_its_axis():
    assert best_priced(price(RECORDS, "flops"), 3e9).record.method == "tag"
    assert best_priced(price(RECORDS, "seconds"), 3.0).record.method == "boostmtl"
    with pytest.raises(InvalidInput, match="`budget`"):
        best_priced(price(RECORDS, "flops"), 5e8)


def test_the_cheapest_alike_is_within_one_standard_error():
    methods = price(RECORDS, "flops")
    best = best_priced(methods, 1e10)
    assert cheapest_alike(methods, best).record.method == "tag"
    alone = price([record("tag", 0.4, 1.0, 1.0), record("hoa", 0.39, 2.0, 2.0, se=None)], "flops")
    assert cheapest_alike(alone, alone[1]) is alone[1]


@given(st.lists(st.floats(1e-12, 1e20), min_size=1, max_size=9))
def test_budgets_rise_from_the_cheapest_to_the_dearest(costs):
    found = budgets(costs)
    assert found[0] >= min(costs) and found[-1] >= max(costs)
    assert (np.diff(found) > 0).all()
    steps = np.diff(np.log10(found))
    assert np.allclose(steps, 1 / 24, atol=0.006)  # three digits
    assert len(found) <= 24 * math.log10(max(costs) / min(costs)) + 2


def test_budgets_stay_when_a_dearer_method_is_added():
    assert set(budgets([1.3e8, 4e9])) <= set(budgets([1.3e8, 4e9, 7e11]))


def test_budgets_need_costs_above_zero():
    with pytest.raises(InvalidInput, match="`costs` must be above 0 and finite; found 0"):
        budgets([0.0, 1.0])
