"""In which order a figure shows the tasks, and which of them."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.figures.relative import relative_to_task_mean, task_means, without_diagonal

Order = Literal["group", "similarity", "name", "difficulty", "suite"]
ORDER_TITLES: dict[Order, str] = {
    "group": "by group",
    "similarity": "by similarity",
    "name": "by name",
    "difficulty": "by difficulty",
    "suite": "as in the data set",
}


def task_order(
    order: Order, values: np.ndarray, task_names: Sequence[str], group_labels: np.ndarray | None = None
) -> np.ndarray:
    """(n,) task indices in the order to show.

    "group" puts groups one after the other (without `group_labels`: by similarity), "similarity" is the
    optimal leaf order of average linkage on the symmetric relative affinity, "difficulty" goes by a task's mean over
    its co-tasks, the hardest first and unknown ones last.
    """
    if order not in get_args(Order):
        raise InvalidInput(f"`order` must be one of {quoted(get_args(Order))}; found `{order}`.")
    if order == "suite":
        return np.arange(len(task_names))
    if order == "name":
        return np.array(sorted(range(len(task_names)), key=lambda task: task_names[task].casefold()))
    if order == "difficulty":
        return np.argsort(task_means(values), kind="stable")
    similar = _leaf_order(values)
    if order == "similarity" or group_labels is None:
        return similar
    return similar[np.argsort(group_labels[similar], kind="stable")]


def pinned_first(order: np.ndarray, pinned: Sequence[int]) -> np.ndarray:
    """`order` with the tasks of `pinned` before all others, in the order they were pinned."""
    first = [task for task in dict.fromkeys(pinned) if task in set(order.tolist())]
    return np.array([*first, *(task for task in order.tolist() if task not in set(first))], dtype=np.int64)


def best_partners(values: np.ndarray, pinned: Sequence[int], n_partners: int) -> set[int]:
    """The co-tasks that do the most for each pinned task, at most `n_partners` of each, without the pinned ones."""
    others = without_diagonal(values)
    found: set[int] = set()
    for task in pinned:
        best = np.argsort(-others[task], kind="stable")  # unknown ones sort last
        found.update(best[np.isfinite(others[task][best])][:n_partners].tolist())
    return found - set(pinned)


def _leaf_order(values: np.ndarray) -> np.ndarray:
    if len(values) < 3:
        return np.arange(len(values))
    from scipy.cluster.hierarchy import leaves_list, linkage

    relative = np.nan_to_num(relative_to_task_mean(values))
    similarity = (relative + relative.T)[np.triu_indices(len(values), 1)]
    return leaves_list(linkage(similarity.max() - similarity, "average", optimal_ordering=True))
