import numpy as np
import pytest

from gradtag_core.evaluation.pareto import MethodRecord
from gradtag_core.evaluation.pareto_axis import PricedMethod
from gradtag_core.figures.frame import Frame


def method(error, cost, *, on_front=False, se: float | None = 0.01, name="tag"):
    return PricedMethod(MethodRecord(name, "TAG", error, se, cost, cost, 1, False, None, 3), cost, on_front)


NEAR = [method(0.3 + 0.01 * index, 10.0**index) for index in range(5)]


def test_all_methods_with_their_bars_and_the_budget_lie_inside():
    frame = Frame.around(NEAR, 1e6)
    places = frame.shares([1.0, 1e4, 1e6], [0.29, 0.35, 0.35])
    assert ((places > 0) & (places < 1)).all()


def test_a_method_far_off_is_drawn_at_the_edge_and_says_so():
    far = method(0.9, 1e2)
    frame = Frame.around([*NEAR, far], None)
    assert frame.y[1] < 0.4
    assert NEAR[4].record.error < frame.height(far) < frame.y[1]
    assert frame.spread(far) == 0 and frame.spread(NEAR[0]) == 0.01
    assert (frame.name(far), frame.name(NEAR[0])) == ("TAG ↑ 0.900", "TAG")


def test_no_method_on_the_front_is_far_off():
    cheapest = method(0.9, 0.1, on_front=True)
    assert Frame.around([*NEAR, cheapest], None).height(cheapest) == 0.9


def test_but_one_worse_than_naive_training_is():
    cheapest, naive = method(0.9, 0.1, on_front=True), method(0.5, 1.0, on_front=True, name="naive_mtl")
    frame = Frame.around([*NEAR, cheapest, naive], None)
    assert frame.height(naive) == 0.5 and frame.height(cheapest) < 0.6
    assert frame.name(cheapest) == "TAG ↑ 0.900"


def test_a_single_method_has_room_around_it():
    frame = Frame.around([method(0.3, 5.0, se=None)], None)
    assert frame.shares([5.0], [0.3]) == pytest.approx(np.array([[0.5, 0.5]]))
