import numpy as np
import pytest

from gradtag_core.grouping.lloyd import lloyd_clustering
from gradtag_core.grouping.result import first_appearance


@pytest.mark.parametrize(("n_tasks", "n_groups"), [(1, 1), (4, 1), (4, 4), (6, 4), (6, 2)])
def test_exactly_k_groups(awkward_affinity, n_tasks, n_groups):
    affinity = awkward_affinity(n_tasks)
    labels = lloyd_clustering(affinity, n_groups)
    assert set(labels.tolist()) == set(range(n_groups))
    assert np.array_equal(labels, lloyd_clustering(affinity, n_groups))


def test_example_4_1_comes_out_right(appendix_b):
    assert first_appearance(lloyd_clustering(appendix_b, 3)).tolist() == [0, 0, 1, 1, 2, 2]
