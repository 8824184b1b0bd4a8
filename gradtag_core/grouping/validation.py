"""The rules for an affinity matrix, its task names and the number of groups."""

import operator
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradtag_core.errors import InvalidInput, quoted

LARGEST_AFFINITY = 1e100


def default_task_names(n_tasks: int) -> tuple[str, ...]:
    return tuple(f"task_{index}" for index in range(1, n_tasks + 1))


def repeated(names: Sequence[str]) -> list[str]:
    """The names that occur more than once, in order of first appearance."""
    return [name for name, count in Counter(names).items() if count > 1]


def check_affinity(affinity: Any, task_names: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """A float64 copy of a square table of finite numbers, and one distinct name per task.

    It need not be symmetric. Raises `InvalidInput` naming the first offending cell by its tasks.
    """
    try:
        values = np.array(affinity)
    except ValueError as error:
        raise InvalidInput(f"`affinity` must be a square table of numbers; {error}.") from error
    if values.ndim != 2 or values.shape[0] != values.shape[1] or not len(values):
        raise InvalidInput(
            "`affinity` must be square, one row and one column per task, with at least one task; "
            f"found shape {values.shape}."
        )
    if values.dtype.kind not in "biuf":
        raise InvalidInput(f"`affinity` must hold real numbers; found entries of type `{values.dtype}`.")
    names = _check_names(task_names, len(values))
    values = values.astype(np.float64)
    # A limit far above any score keeps sums over the matrix from overflowing.
    wrong = ~(np.abs(values) <= LARGEST_AFFINITY)
    if wrong.any():
        row, column = (int(index) for index in np.argwhere(wrong)[0])
        raise InvalidInput(
            f"`affinity` must hold finite numbers, at most {LARGEST_AFFINITY:g} in size; found "
            f"{values[row, column]} for task `{names[row]}` (row {row + 1}) with `{names[column]}` "
            f"(column {column + 1}). Estimate or remove what is missing first."
        )
    return values, names


def check_n_groups(n_groups: Any, n_tasks: int) -> int:
    """A whole number from 1 to the number of tasks."""
    try:
        value = -1 if isinstance(n_groups, bool | np.bool_) else operator.index(n_groups)
    except TypeError:
        value = -1
    if not 1 <= value <= n_tasks:
        raise InvalidInput(
            f"`n_groups` must be a whole number from 1 to the number of tasks, {n_tasks}; found {n_groups!r}."
        )
    return value


def check_penalty(penalty: Any, n_groups: Any) -> float | None:
    """A finite price per group, given exactly when the number of groups is not."""
    if (penalty is None) == (n_groups is None):
        found = "neither" if penalty is None else f"`n_groups` = {n_groups!r} and `penalty` = {penalty!r}"
        raise InvalidInput(
            "Give either `n_groups`, or `penalty` (what one more group must add to the density) to have the "
            f"number of groups chosen; found {found}."
        )
    if penalty is None:
        return None
    number = isinstance(penalty, int | float | np.integer | np.floating) and not isinstance(penalty, bool)
    if not (number and abs(penalty) <= LARGEST_AFFINITY):
        raise InvalidInput(f"`penalty` must be a finite number; found {penalty!r}.")
    return float(penalty)


def _check_names(task_names: Sequence[str] | None, n_tasks: int) -> tuple[str, ...]:
    if task_names is None:
        return default_task_names(n_tasks)
    names = tuple(str(name) for name in task_names)
    if len(names) != n_tasks:
        raise InvalidInput(f"`task_names` must have one name per task, {n_tasks}; found {len(names)}.")
    if repeated(names):
        raise InvalidInput(
            f"`task_names` must differ from each other; {quoted(repeated(names))} found more than once."
        )
    return names
