"""Small problems whose best grouping can be found by trying all of them."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

Enumerate = Callable[[int, int], Iterator[np.ndarray]]

APPENDIX_B = np.array(
    [
        [7, 7, 6, 6, 5, 5],
        [7, 7, 6, 6, 5, 5],
        [6, 6, 20, 20, 19, 19],
        [6, 6, 20, 20, 19, 19],
        [5, 5, 19, 19, 20, 20],
        [5, 5, 19, 19, 20, 20],
    ],
    dtype=float,
)


def _partitions(n_tasks: int, n_groups: int) -> Iterator[np.ndarray]:
    """Every partition of the tasks into exactly `n_groups` groups, once."""

    def extend(labels: list[int], used: int) -> Iterator[list[int]]:
        if len(labels) == n_tasks:
            if used == n_groups:
                yield labels
            return
        for label in range(min(used + 1, n_groups)):
            yield from extend([*labels, label], max(used, label + 1))

    return (np.array(labels) for labels in extend([], 0))


@pytest.fixture(scope="session")
def partitions() -> Enumerate:
    return _partitions


@pytest.fixture
def appendix_b() -> np.ndarray:
    """The matrix of Example 4.1 (Grad-TAG, appendix B)."""
    return APPENDIX_B.copy()


@pytest.fixture(params=["equal", "random", "huge", "blocks"])
def awkward_affinity(request: pytest.FixtureRequest) -> Callable[[int], np.ndarray]:
    """Matrices of any size that a clustering method may stumble over."""

    def build(n_tasks: int) -> np.ndarray:
        noise = np.random.default_rng(0).normal(size=(n_tasks, n_tasks))
        group = np.arange(n_tasks) // 2
        return {
            "equal": np.full((n_tasks, n_tasks), 0.3),
            "random": noise,
            "huge": 1e99 * noise,
            "blocks": (group[:, None] == group).astype(float),
        }[request.param]

    return build
