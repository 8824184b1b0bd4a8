from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.stepwise import ScoredGroups, backward_selection, forward_selection


class Modular:
    """f(S, t) = own[t] + the sum of gain[t, j] over the other members: additive scores, each call counted."""

    def __init__(self, gain: np.ndarray, own: np.ndarray | None = None):
        self.gain = gain
        self.own = np.zeros(len(gain)) if own is None else own
        self.calls: list[tuple[int, ...]] = []

    def __call__(self, groups: Sequence[tuple[int, ...]]) -> list[dict[int, float]]:
        self.calls += groups
        return [self.scores(group) for group in groups]

    def scores(self, group: tuple[int, ...]) -> dict[int, float]:
        return {t: float(self.own[t] + sum(self.gain[t, j] for j in group if j != t)) for t in group}


def planted_gain(n_tasks: int, n_groups: int) -> np.ndarray:
    group = np.arange(n_tasks) % n_groups
    return np.where(group[:, None] == group, 1.0, -1.0)


@pytest.mark.parametrize("select", [forward_selection, backward_selection])
def test_planted_groups_are_recovered(select):
    found = select(ScoredGroups(Modular(planted_gain(12, 3)), 12), 3)
    assert found.groups == tuple(tuple(range(start, 12, 3)) for start in range(3))
    assert found.total == 12 * 3


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 8),
    st.integers(0, 2**32 - 1),
    st.sampled_from([forward_selection, backward_selection]),
    st.data(),
)
def test_every_task_once_and_each_group_scored_once(n_tasks, seed, select, data):
    n_groups = data.draw(st.integers(1, n_tasks))
    rng = np.random.default_rng(seed)
    scorer = Modular(rng.normal(size=(n_tasks, n_tasks)), rng.normal(size=n_tasks))
    found = select(ScoredGroups(scorer, n_tasks), n_groups, seed=seed)
    assert sorted(task for group in found.groups for task in group) == list(range(n_tasks))
    assert len(found.groups) <= n_groups
    assert len(set(scorer.calls)) == len(scorer.calls) == found.evaluations
    assert found.total == pytest.approx(sum(sum(scorer.scores(group).values()) for group in found.groups))


def test_forward_evaluates_at_most_nk_groups_per_order():
    scorer = Modular(np.random.default_rng(0).normal(size=(15, 15)))
    found = forward_selection(ScoredGroups(scorer, 15), 4, orders=1)
    assert found.evaluations <= 15 * 4
    assert len(found.trace) == 15


def one_order_at_a_time(scorer: Modular, n_groups: int, order: list[int]) -> float:
    groups: list[tuple[int, ...]] = [()] * n_groups

    def total(group: tuple[int, ...]) -> float:
        return sum(scorer.scores(group).values())

    for task in order:
        gains = [total((*group, task)) - total(group) for group in groups]
        groups[int(np.argmax(gains))] += (task,)
    return sum(map(total, groups))


def test_orders_side_by_side_are_those_one_after_the_other():
    scorer = Modular(np.random.default_rng(5).normal(size=(9, 9)))
    generator = np.random.default_rng(2)
    orders = [generator.permutation(9).tolist() for _ in range(4)]
    best = max(one_order_at_a_time(scorer, 3, order) for order in orders)
    assert forward_selection(ScoredGroups(scorer, 9), 3, seed=2, orders=4).total == pytest.approx(best)


def test_more_orders_are_never_worse():
    gain = np.random.default_rng(1).normal(size=(10, 10))
    totals = [
        forward_selection(ScoredGroups(Modular(gain), 10), 3, orders=orders).total for orders in (1, 3, 8)
    ]
    assert totals == sorted(totals)


def test_backward_never_falls_and_ends_where_no_move_helps():
    for seed in range(10):
        gain = np.random.default_rng(seed).normal(size=(9, 9))
        scored = ScoredGroups(Modular(gain), 9)
        found = backward_selection(scored, 3, seed=seed)
        assert all(after > before for before, after in zip(found.trace, found.trace[1:], strict=False))
        groups = [frozenset(group) for group in found.groups] + [frozenset()] * (3 - len(found.groups))
        for task in range(9):
            source = next(group for group in groups if task in group)
            for target in groups:
                if target is not source:
                    after = scored.total(source - {task}) + scored.total(target | {task})
                    assert after <= scored.total(source) + scored.total(target) + 1e-9


def test_weights_keep_one_task_from_ruling():
    gain = planted_gain(6, 2)
    gain[0, 1], gain[1, 0] = 1000.0, -1.0  # task 0 wants task 1; with weights that want counts little
    plain = backward_selection(ScoredGroups(Modular(gain), 6), 2)
    weighted = backward_selection(ScoredGroups(Modular(gain), 6, [1e-3, 1, 1, 1, 1, 1]), 2)
    assert any({0, 1} <= set(group) for group in plain.groups)
    assert weighted.groups == ((0, 2, 4), (1, 3, 5))


def test_broken_rules():
    with pytest.raises(InvalidInput, match="finite score for every task"):
        forward_selection(ScoredGroups(lambda groups: [{}] * len(groups), 3), 2)
    with pytest.raises(InvalidInput, match="`weights` must hold one number above 0 per task, 3"):
        ScoredGroups(lambda groups: [{}] * len(groups), 3, [1, 0, 1])
    with pytest.raises(InvalidInput, match="`n_groups` must be a whole number from 1"):
        forward_selection(ScoredGroups(lambda groups: [{}] * len(groups), 3), 4)
    with pytest.raises(InvalidInput, match="`orders` must be at least 1"):
        forward_selection(ScoredGroups(lambda groups: [{}] * len(groups), 3), 2, orders=0)
