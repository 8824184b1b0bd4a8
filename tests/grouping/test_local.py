import numpy as np
import pytest

from gradtag_core.grouping import local
from gradtag_core.grouping.local import local_grouping


def noisy_blocks(n_tasks: int, n_groups: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of ones, noise on every cell, and a random shift per row."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.arange(n_tasks) % n_groups)
    affinity = (group[:, None] == group) + noise * rng.normal(size=(n_tasks, n_tasks))
    return affinity + rng.normal(size=(n_tasks, 1)), group


def test_planted_groups_under_noise_are_found():
    from sklearn.metrics import adjusted_rand_score

    affinity, group = noisy_blocks(200, 8, 1.0, seed=1)
    assert adjusted_rand_score(group, local_grouping(affinity, 8)) >= 0.99


def test_lanczos_finds_what_the_dense_solver_does(monkeypatch):
    affinity, group = noisy_blocks(150, 3, 0.5, seed=2)
    dense = local_grouping(affinity, 3)
    monkeypatch.setattr(local, "LANCZOS_TASKS", 10)
    sparse = local_grouping(affinity, 3)
    same = np.equal.outer(group, group)
    assert np.array_equal(np.equal.outer(dense, dense), same)
    assert np.array_equal(np.equal.outer(sparse, sparse), same)


@pytest.mark.parametrize(("n_tasks", "n_groups"), [(1, 1), (4, 1), (4, 4), (5, 4), (6, 2)])
@pytest.mark.parametrize("constant", [True, False])
def test_exactly_k_groups(n_tasks, n_groups, constant):
    affinity = (
        np.ones((n_tasks, n_tasks)) if constant else np.random.default_rng(0).normal(size=(n_tasks,) * 2)
    )
    assert set(local_grouping(affinity, n_groups).tolist()) == set(range(n_groups))
