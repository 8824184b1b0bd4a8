"""Which training examples tasks share: gradients taken at different examples say little about how tasks relate."""

import numpy as np
from jaxtyping import Float

from gradtag_core.tasks.suite import TaskSuite

UNRELIABLE_OVERLAP = 0.3  # below, gradients tell no relation from noise (Zhang and Cheng, arXiv 2604.07848)
RELIABLE_OVERLAP = 0.4  # above, they tell it reliably (the same)


def training_membership(suite: TaskSuite) -> Float[np.ndarray, "examples tasks"]:
    """1 where a task trains on an example, else 0."""
    member = np.zeros((suite.n_examples, suite.n_tasks), dtype=np.float32)
    for task in range(suite.n_tasks):
        member[suite.indices("train", task), task] = 1.0
    return member


def shared_training(member: Float[np.ndarray, "examples tasks"]) -> Float[np.ndarray, "tasks tasks"]:
    """How many training examples two tasks share, as a share of the smaller training set."""
    shared = member.T @ member
    sizes = shared.diagonal()
    return (shared / np.minimum(sizes[:, None], sizes[None, :])).astype(np.float64)


def other_tasks(matrix: Float[np.ndarray, "tasks tasks"]) -> np.ndarray:
    """The entries off the diagonal."""
    return matrix[~np.eye(len(matrix), dtype=bool)]
