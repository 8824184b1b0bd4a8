import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.cluster import cluster
from gradtag_core.grouping.sweep import numbers_to_try, sweep_affinity
from gradtag_core.progress import Reporter


def planted(n_tasks, k, noise, seed=0):
    labels, random = np.arange(n_tasks) % k, np.random.default_rng(seed)
    hardness = 20 * random.normal(size=(n_tasks, 1))
    return (labels[:, None] == labels) + noise * random.normal(size=(n_tasks, n_tasks)) + hardness


def test_the_planted_number_of_groups_is_suggested():
    found = sweep_affinity(planted(24, 4, 0.5), (2, 3, 4, 6, 8), method="local")
    assert found.suggested == 4
    assert found.reason.startswith("k = 4: its groups lead random ones by")
    assert "no clear groups" not in found.reason


def test_noise_is_called_noise():
    noise = np.random.default_rng(3).normal(size=(20, 20))
    assert "no more than noise gives" in sweep_affinity(noise, (2, 3, 4, 5), method="local").reason


def test_shifting_rows_and_columns_changes_no_lead():
    values, (rows, columns) = planted(14, 3, 0.5), np.random.default_rng(1).normal(size=(2, 14))
    first, second = (
        sweep_affinity(each, (2, 3, 5), method="local") for each in (values, values + rows[:, None] + columns)
    )
    assert second.leads == pytest.approx(first.leads)
    assert second.shuffled == pytest.approx(first.shuffled)
    assert second.suggested == first.suggested


def test_rows_hold_what_cluster_finds():
    values = planted(12, 3, 1.0)
    found = sweep_affinity(values, (4, 2, 2), method="local")
    assert [row["n_groups"] for row in found.to_rows()] == [2, 4]
    alone = cluster(values, 4, method="local")
    last = found.to_rows()[1]
    assert last["density"] == alone.density
    assert last["gap"] == alone.gap
    assert last["lead"] == pytest.approx(alone.density - alone.random_density)


def test_one_group_and_n_groups_leave_no_choice():
    found = sweep_affinity(planted(5, 2, 1.0), (1, 5), method="local")
    assert found.suggested == 1
    assert "leaves a choice" in found.reason


def test_progress_is_told_for_each_number():
    seen = []
    sweep_affinity(planted(8, 2, 1.0), (2, 3), method="local", reporter=Reporter(seen.append))
    assert [(progress.done, progress.total) for progress in seen] == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("numbers", "sentence"), [((), "found none"), ((2, 9), "from 1 to the number of tasks, 8")]
)
def test_bad_numbers_are_refused(numbers, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        sweep_affinity(planted(8, 2, 1.0), numbers)


@pytest.mark.parametrize("n_tasks", [1, 2, 3, 4, 7, 14, 30, 100, 500])
def test_numbers_to_try_are_few_possible_and_hold_the_present_one(n_tasks):
    near = max(1, round(n_tasks / 5))
    numbers = numbers_to_try(n_tasks, near)
    assert list(numbers) == sorted(set(numbers))
    assert len(numbers) <= 13
    assert near in numbers or near == 1
    assert all(1 <= number <= max(1, n_tasks - 1) for number in numbers)
