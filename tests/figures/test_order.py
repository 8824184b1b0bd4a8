import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.figures.order import ORDER_TITLES, task_order

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


def test_an_unknown_order_is_refused(blocks):
    with pytest.raises(InvalidInput, match=r"`order` must be one of .*; found `size`"):
        task_order("size", blocks, NAMES)  # pyright: ignore[reportArgumentType]
