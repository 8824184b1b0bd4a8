import numpy as np
import pytest

from gradtag_core.grouping.result import first_appearance
from gradtag_core.grouping.spectral import spectral_clustering


@pytest.mark.parametrize(("n_tasks", "n_groups"), [(1, 1), (4, 1), (4, 4), (6, 4), (6, 2)])
def test_exactly_k_groups(awkward_affinity, n_tasks, n_groups):
    affinity = awkward_affinity(n_tasks)
    labels = spectral_clustering(affinity, n_groups)
    assert set(labels.tolist()) == set(range(n_groups))
    assert np.array_equal(labels, spectral_clustering(affinity, n_groups))


def test_the_papers_failure_is_reproduced(appendix_b):
    """Example 4.1: it merges the second and third group and splits the first (Grad-TAG, appendix B)."""
    assert first_appearance(spectral_clustering(appendix_b, 3)).tolist() == [0, 1, 2, 2, 2, 2]
    assert first_appearance(spectral_clustering(np.exp(appendix_b / 5), 3)).tolist() == [0, 0, 1, 1, 2, 2]


def test_negative_affinities_are_shifted():
    rng = np.random.default_rng(0)
    group = np.arange(30) % 3
    affinity = (group[:, None] == group) - 3 + 0.1 * rng.normal(size=(30, 30))
    assert first_appearance(spectral_clustering(affinity, 3)).tolist() == group.tolist()
