from dataclasses import replace

import numpy as np
import pytest

from gradtag_core.cost import measure
from gradtag_core.errors import InvalidInput
from gradtag_core.methods.trained_groups import as_groups, train_groups


def test_an_overlapping_task_is_scored_with_the_group_that_serves_it(setting, training_flops):
    groups = [(0, 1, 2, 3), (5, 3, 4)]
    by_first, by_second = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 1])
    with measure() as meter:
        first, second = (train_groups(setting, groups, meter, served) for served in (by_first, by_second))
    np.testing.assert_array_equal(first.test[[0, 4, 5]], second.test[[0, 4, 5]])
    assert not np.array_equal(first.test[3], second.test[3])
    assert meter.flops == pytest.approx(2 * sum(map(training_flops, groups)))
    model = setting.trainer.fit((3, 4, 5), setting.recipe, setting.seed)
    expected = setting.trainer.score(model, (3, 4, 5), "test")[0]
    np.testing.assert_allclose(second.test[3], expected, atol=0.02)


@pytest.mark.parametrize("groups", [[(0, 1, 2, 3)], [(0, 1, 2, 3, 4, 5), (5,)]])
def test_groups_that_are_no_partition_need_to_be_told_who_serves(setting, groups):
    with measure() as meter, pytest.raises(InvalidInput, match="`groups` must hold each of the 6 tasks once"):
        train_groups(setting, groups, meter)


def test_labels_become_groups():
    assert as_groups(np.array([1, 0, 1, 2])) == [(1,), (0, 2), (3,)]


def test_the_search_and_the_models_that_are_judged_have_other_seeds(setting):
    assert replace(setting, seed=0).search_seed > 100_000
