"""Which training examples tasks share: gradients taken at different examples say little about how tasks relate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from gradtag_core.tasks.suite import TaskSuite

if TYPE_CHECKING:
    from scipy.sparse import csr_array

UNRELIABLE_OVERLAP = 0.3  # below, gradients tell no relation from noise (Zhang and Cheng, arXiv 2604.07848)
RELIABLE_OVERLAP = 0.4  # above, they tell it reliably (the same)


def training_membership(suite: TaskSuite, label: int | None = None) -> csr_array:
    """1 where a task trains on an example (with that label, where one is given), else 0: sparse float32, (examples,
    tasks)."""
    from scipy.sparse import csr_array

    rows = suite.rows("train")
    chosen = slice(None) if label is None else rows.label == label
    example, task = rows.example[chosen], rows.task[chosen]
    ones = np.ones(len(example), dtype=np.float32)
    return csr_array((ones, (example, task)), shape=(suite.n_examples, suite.n_tasks))


def shared_training(member: csr_array) -> Float[np.ndarray, "tasks tasks"]:
    """How many training examples two tasks share, as a share of the smaller training set."""
    shared = (member.T @ member).toarray()
    sizes = shared.diagonal()
    return (shared / np.minimum(sizes[:, None], sizes[None, :])).astype(np.float64)


def other_tasks(matrix: Float[np.ndarray, "tasks tasks"]) -> np.ndarray:
    """The entries off the diagonal."""
    return matrix[~np.eye(len(matrix), dtype=bool)]
