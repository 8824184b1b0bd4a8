import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.selection import all_groups, pair_scores, select_by_pairs, select_groups

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "data" / "published"
needs_published = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason="the published Taskonomy tables (../shared/data/published) are not here"
)


def exhaustive(groups, scores, n_tasks, budget, costs) -> float:
    """The best sum of scores over every set of groups within the budget (none larger than the tasks)."""
    best = -np.inf
    table = np.full((len(groups), n_tasks), -np.inf)
    for row, group, values in zip(table, groups, scores, strict=True):
        row[list(group)] = values
    for count in range(1, n_tasks + 1):
        for chosen in combinations(range(len(groups)), count):
            if sum(costs[g] for g in chosen) <= budget + 1e-9:
                best = max(best, float(table[list(chosen)].max(axis=0).sum()))
    return best


def taskonomy() -> dict[str, list[list[float | None]]]:
    return json.loads((PUBLISHED / "taskonomy_all_subsets.json").read_text())["tables"]


@pytest.mark.parametrize("singletons", [True, False])
def test_the_program_equals_exhaustive_search(singletons):
    for seed in range(6):
        affinity = np.random.default_rng(seed).normal(size=(4, 4))
        groups = all_groups(4, 1 if singletons else 2)
        costs = [0.5 if len(group) == 1 else 1.0 for group in groups]
        scores = [pair_scores(affinity, group) for group in groups]
        for budget in (1, 1.5, 2, 3):
            found = select_by_pairs(affinity, budget=budget, singletons=singletons, single_cost=0.5)
            assert found.value == pytest.approx(exhaustive(groups, scores, 4, budget, costs))
            assert found.status == "optimal"
            assert found.cost <= budget
            assert found.upper_bound == pytest.approx(found.value)


@needs_published
def test_published_tables_for_every_budget():
    """Five tasks are never served by more than five groups, so trying all sets of up to five is exhaustive."""
    for table in taskonomy().values():
        table = table[:31]  # the group of all five was measured once more
        groups = [tuple(task for task, value in enumerate(row) if value is not None) for row in table]
        assert len(set(groups)) == 31
        costs = np.array([0.5 if len(group) == 1 else 1.0 for group in groups])
        losses = np.array([[np.inf if value is None else value for value in row] for row in table])
        sets = [np.array(list(combinations(range(31), count))) for count in range(1, 6)]
        totals = np.concatenate([losses[chosen].min(axis=1).sum(axis=1) for chosen in sets])
        needed = np.concatenate([costs[chosen].sum(axis=1) for chosen in sets])
        scores = [-losses[row, list(group)] for row, group in enumerate(groups)]
        for budget in np.arange(1, 5.5, 0.5):
            found = select_groups(groups, scores, list("sdnke"), budget=float(budget), costs=costs.tolist())
            assert -found.value == pytest.approx(totals[needed <= budget].min(), abs=1e-9)


@needs_published
@pytest.mark.parametrize("budget", [1, 2, 3])
def test_published_affinities_of_tag(budget):
    table = json.loads((PUBLISHED / "tag_affinity_taskonomy.json").read_text())["taskonomy"]
    names = sorted(table)
    affinity = np.array([[table[co_task][task] for co_task in names] for task in names])
    found = select_by_pairs(affinity, budget=budget, singletons=False, task_names=names)
    groups = all_groups(5, 2)
    scores = [pair_scores(affinity, group) for group in groups]
    best = max(
        float(np.max(np.stack([_row(groups[g], scores[g]) for g in chosen]), axis=0).sum())
        for count in range(1, budget + 1)
        for chosen in combinations(range(len(groups)), count)
    )
    assert found.value == pytest.approx(best)


def _row(group, values) -> np.ndarray:
    row = np.full(5, -np.inf)
    row[list(group)] = values
    return row


def test_pair_additive_scores_are_reproduced():
    pairs = np.random.default_rng(3).normal(size=(5, 5))
    assert pair_scores(pairs, (1, 3)) == pytest.approx([pairs[1, 3], pairs[3, 1]])
    assert pair_scores(pairs, (2,)).tolist() == [pairs[2, 2]]
    assert pair_scores(pairs, (0, 1, 4))[1] == pytest.approx((pairs[1, 0] + pairs[1, 4]) / 2)


def test_each_task_is_served_by_its_best_chosen_group():
    affinity = np.random.default_rng(5).normal(size=(6, 6))
    found = select_by_pairs(affinity, budget=3, singletons=False, task_names=list("abcdef"))
    for task, group in enumerate(found.served_by):
        options = [pair_scores(affinity, each)[each.index(task)] for each in found.groups if task in each]
        assert found.scores[task] == pytest.approx(max(options))
        assert task in found.groups[group]
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"budget": 0.5}, "`budget` must be at least 1 to hold every task; found 0.5"),
        ({"budget": 1, "max_size": 2}, "`budget` must be at least 2 to hold every task; found 1"),
        ({"budget": -1}, "`budget` must be above 0; found -1"),
        ({"budget": 1, "affinity": np.zeros((30, 30))}, "at most 5000 candidate groups.*Lower `max_size`"),
        ({"budget": 1, "affinity": [[1, np.nan], [0, 1]]}, "finite numbers.*found nan"),
    ],
)
def test_broken_rules(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        select_by_pairs(**{"affinity": np.zeros((4, 4)), "singletons": False, **arguments})


def test_tasks_in_no_group_are_named():
    with pytest.raises(InvalidInput, match="`c` is in none"):
        select_groups([(0, 1)], [[1.0, 2.0]], ["a", "b", "c"])
