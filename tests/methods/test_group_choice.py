from itertools import combinations

import numpy as np
import pytest

from gradtag_core.grouping.selection import pair_scores
from gradtag_core.methods import group_choice
from gradtag_core.methods.group_choice import choose_groups


def names(n):
    return [f"t{index}" for index in range(n)]


def blocks(n_tasks, n_groups, seed=0):
    """High affinity inside equal runs of tasks, with a little noise."""
    label = np.arange(n_tasks) * n_groups // n_tasks
    noise = 0.1 * np.random.default_rng(seed).standard_normal((n_tasks, n_tasks))
    return np.where(label[:, None] == label, 1.0, 0.0) + noise, label


def best_by_brute_force(affinity, n_groups, least):
    n_tasks = len(affinity)
    groups = [g for size in range(least, n_tasks + 1) for g in combinations(range(n_tasks), size)]
    scores = [dict(zip(group, pair_scores(affinity, group), strict=True)) for group in groups]
    values = []
    for chosen in combinations(scores, n_groups):
        served = [max((s[t] for s in chosen if t in s), default=-np.inf) for t in range(n_tasks)]
        values.append(sum(served))
    return max(values)


@pytest.mark.parametrize("singletons", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_few_tasks_are_chosen_exactly(seed, singletons):
    affinity = np.random.default_rng(seed).standard_normal((4, 4))
    chosen = choose_groups(affinity, 2, names(4), singletons=singletons, seed=0)
    expected = best_by_brute_force(affinity, 2, 1 if singletons else 2)
    assert chosen.value == pytest.approx(expected)


@pytest.mark.parametrize("singletons", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_grown_candidates_hold_every_task_and_come_near_the_best(seed, singletons, monkeypatch):
    affinity = np.random.default_rng(seed).standard_normal((7, 7))
    best = choose_groups(affinity, 3, names(7), singletons=singletons, seed=0)
    monkeypatch.setattr(group_choice, "EXACT_TASKS", 3)
    grown = choose_groups(affinity, 3, names(7), singletons=singletons, seed=0)
    assert len(grown.groups) <= 3
    assert all(task in grown.groups[group] for task, group in enumerate(grown.served_by))
    assert singletons or all(len(group) > 1 for group in grown.groups)
    assert best.value + 1e-9 >= grown.value > 0.5 * best.value


def test_planted_groups_of_many_tasks_are_found():
    affinity, label = blocks(20, 4)
    np.fill_diagonal(affinity, 0.0)
    chosen = choose_groups(affinity, 4, names(20), singletons=True, seed=0)
    for task, group in enumerate(chosen.served_by):
        assert set(label[list(chosen.groups[group])]) == {label[task]}


def test_growing_alone_meets_planted_groups():
    affinity, label = blocks(20, 4)
    grown = group_choice._grown(affinity, 2, 10)
    assert {tuple(np.flatnonzero(label == group).tolist()) for group in range(4)} <= grown
    assert {len(group) for group in grown} == set(range(2, 11))


def test_growing_goes_to_twice_the_mean_size(monkeypatch):
    affinity, _ = blocks(20, 4)
    asked = []
    original = group_choice._grown
    monkeypatch.setattr(
        group_choice, "_grown", lambda *limits: (asked.append(limits[1:]), original(*limits))[1]
    )
    choose_groups(affinity, 4, names(20), singletons=False, seed=0)
    assert asked == [(2, 10)]
