import numpy as np
import pytest

from gradtag_core.grouping.lloyd import lloyd_clustering
from gradtag_core.grouping.result import first_appearance


@pytest.mark.parametrize(("n_tasks", "n_groups"), [(1, 1), (4, 1), (4, 4), (6, 4), (6, 2)])
@pytest.mark.parametrize("kind", ["equal", "random", "huge", "blocks"])
def test_exactly_k_groups(n_tasks, n_groups, kind):
    affinity = {
        "equal": np.full((n_tasks, n_tasks), 0.3),
        "random": np.random.default_rng(0).normal(size=(n_tasks, n_tasks)),
        "huge": 1e99 * np.random.default_rng(0).normal(size=(n_tasks, n_tasks)),
        "blocks": np.kron(np.eye(max(1, n_tasks // 2)), np.ones((2, 2)))[:n_tasks, :n_tasks],
    }[kind]
    affinity = np.resize(affinity, (n_tasks, n_tasks))
    labels = lloyd_clustering(affinity, n_groups)
    assert set(labels.tolist()) == set(range(n_groups))
    assert np.array_equal(labels, lloyd_clustering(affinity, n_groups))


def test_example_4_1_comes_out_right(appendix_b):
    assert first_appearance(lloyd_clustering(appendix_b, 3)).tolist() == [0, 0, 1, 1, 2, 2]
