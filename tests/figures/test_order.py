import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.figures.order import ORDER_TITLES, best_partners, pinned_first, task_order
from gradtag_core.figures.relative import task_means

NAMES = ("delta", "Alpha", "charlie", "bravo", "echo", "foxtrot")
BLOCKS = np.array([0, 1, 0, 1, 0, 1])


@pytest.fixture
def blocks():
    """Affinities that are high within the two groups of BLOCKS."""
    noise = np.random.default_rng(0).normal(scale=0.01, size=(6, 6))
    return (BLOCKS[:, None] == BLOCKS[None, :]) + noise


@pytest.mark.parametrize("order", list(ORDER_TITLES))
@pytest.mark.parametrize("labels", [None, BLOCKS])
@pytest.mark.parametrize("n_tasks", [1, 2, 6])
def test_every_order_holds_every_task_once(order, labels, n_tasks, blocks):
    labels = None if labels is None else labels[:n_tasks]
    found = task_order(order, blocks[:n_tasks, :n_tasks], NAMES[:n_tasks], labels)
    assert sorted(found.tolist()) == list(range(n_tasks))


def test_orders_do_what_their_names_say(blocks):
    assert task_order("suite", blocks, NAMES).tolist() == [0, 1, 2, 3, 4, 5]
    assert [NAMES[task] for task in task_order("name", blocks, NAMES)][:3] == ["Alpha", "bravo", "charlie"]
    grouped = BLOCKS[task_order("group", blocks, NAMES, BLOCKS)]
    assert grouped.tolist() == [0, 0, 0, 1, 1, 1]


def test_similar_tasks_stand_together_without_labels(blocks):
    for order in ("similarity", "group"):
        found = BLOCKS[task_order(order, blocks, NAMES)]
        assert np.count_nonzero(np.diff(found)) == 1


def test_unknown_affinities_do_not_break_the_order():
    values = np.full((4, 4), np.nan)
    assert sorted(task_order("similarity", values, NAMES[:4]).tolist()) == [0, 1, 2, 3]


def test_the_hardest_task_comes_first_and_unknown_ones_last(blocks):
    values = blocks + 5 * np.array([3.0, 1.0, 2.0, 6.0, 5.0, 4.0])[:, None]
    values[2, np.arange(6) != 2] = np.nan
    np.fill_diagonal(values, -100.0)
    assert task_order("difficulty", values, NAMES).tolist() == [1, 0, 5, 4, 3, 2]
    assert np.isnan(task_means(values)[2])


def test_pinned_tasks_come_first_and_the_others_keep_their_order():
    order = np.array([4, 2, 0, 5, 1, 3])
    assert pinned_first(order, [5, 2]).tolist() == [5, 2, 4, 0, 1, 3]
    assert pinned_first(order, [5, 5]).tolist() == [5, 4, 2, 0, 1, 3]
    assert pinned_first(order, []).tolist() == order.tolist()
    assert pinned_first(order[:2], [3, 2]).tolist() == [2, 4]  # what is not shown cannot be pinned


def test_best_partners_are_the_known_co_tasks_with_the_largest_affinity():
    values = np.array([[9.0, 1, 3, 2], [4, 9, np.nan, 5], [0, 0, 9, 0], [0, 0, 0, 9]])
    assert best_partners(values, [0], 2) == {2, 3}
    assert best_partners(values, [1], 3) == {0, 3}
    assert best_partners(values, [0, 3], 1) == {2}  # task 3 is pinned itself, and its best is task 0
    assert best_partners(values, [], 3) == set()


def test_an_unknown_order_is_refused(blocks):
    with pytest.raises(InvalidInput, match=r"`order` must be one of .*; found `size`"):
        task_order("size", blocks, NAMES)  # pyright: ignore[reportArgumentType]
