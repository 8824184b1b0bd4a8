"""Task suites from arrays in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.tasks.stored import require_suite_name
from gradtag_core.tasks.suite import UNLABELLED, SplitRule, TaskKind, TaskSuite
from gradtag_core.tasks.suite_checks import KINDS


def suite_of(
    inputs: Any, labels: Any, task_names: Sequence[str] | None = None, name: str = "own",
    kinds: TaskKind | Sequence[TaskKind] | None = None, split_rule: SplitRule | None = None, seed: int = 0,
) -> TaskSuite:  # fmt: skip
    """A suite from arrays: numpy's, tensors, data frames or lists.

    `inputs`, one entry per example: numbers with two, three or four axes (a table, propagated features of a graph,
    images), or texts. What only a model of one's own can read is given to that model; these may then be its texts, or
    the paths of its files. `labels` (E, n): of a binary task 1 and 0 or truth values, of a multiclass task the numbers
    of the classes from 0, of a regression any numbers, which are brought to mean 0 and standard deviation 1. NaN where
    not known, or -1 where the task is no regression. `task_names`: None for the columns of a data frame, or task-1,
    task-2, ... `kinds`: of each task, or one for all (None: binary). `seed` draws the order that decides the splits.
    Raises `InvalidInput` for what does not fit.
    """
    require_suite_name(name, taken=())
    columns = [*map(str, labels.columns)] if hasattr(labels, "columns") else None
    known = _labels(labels)
    n_examples, n_tasks = known.shape
    names = tuple(task_names or columns or (f"task-{number}" for number in range(1, n_tasks + 1)))
    of_tasks: tuple[TaskKind, ...] = (kinds,) * n_tasks if isinstance(kinds, str) else tuple(kinds or ())
    of_tasks = of_tasks or ("binary",) * n_tasks
    if len(names) != n_tasks or len(of_tasks) != n_tasks or not set(of_tasks) <= set(KINDS):
        raise InvalidInput(
            f"`task_names` and `kinds` must have an entry for each of the {n_tasks} columns of `labels`, the kind one "
            f"of {quoted(KINDS)}; found {len(names)} names and the kinds {quoted(of_tasks)}."
        )
    made = [_of_kind(column, kind, task) for column, kind, task in zip(known.T, of_tasks, names, strict=True)]
    stacked = np.stack(made, axis=1)
    if set(of_tasks) == {"binary"}:
        stacked = np.nan_to_num(stacked, nan=UNLABELLED).astype(np.int8)
    order = np.random.default_rng(seed).permutation(n_examples)
    return TaskSuite(name, names, _inputs(inputs), stacked, order, split_rule or SplitRule(), kinds=of_tasks)


def _array(values: Any, parameter: str) -> np.ndarray:
    try:
        return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    except ValueError as error:  # rows of different lengths
        raise InvalidInput(
            f"`{parameter}` must have rows of one length; found that {error}. Pad them."
        ) from error


def _inputs(inputs: Any) -> np.ndarray:
    values = _array(inputs, "inputs")
    if values.dtype.kind in "OUT" and values.ndim == 1 and all(isinstance(text, str) for text in values):
        return values.astype(np.dtypes.StringDType())
    if values.dtype.kind not in "biuf":
        raise InvalidInput(
            f"`inputs` must be numbers, or one text per example; found {values.dtype} of shape {values.shape}."
        )
    return np.ascontiguousarray(values, dtype=np.float32)


def _labels(labels: Any) -> np.ndarray:
    """(E, n) float64, NaN where not known."""
    if hasattr(labels, "to_numpy"):  # a data frame, whose columns may mark what is missing in other ways
        try:
            values = labels.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise InvalidInput(
                f"`labels` must be numbers or truth values; found that {error}. Number the classes from 0."
            ) from error
    else:
        values = _array(labels, "labels")
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        raise InvalidInput(
            "`labels` must be numbers or truth values, a row per example and a column per task; found "
            f"{values.dtype} of shape {values.shape}."
        )
    return values.astype(np.float64)


def _of_kind(column: np.ndarray, kind: TaskKind, task: str) -> np.ndarray:
    """The labels of one task as a suite holds them, NaN where not known."""
    if kind == "regression":
        known = column[np.isfinite(column)]
        if len(known) and np.ptp(known) > 0:
            column = (column - known.mean()) / known.std()
        return column.astype(np.float32)
    column = np.where(column == UNLABELLED, np.nan, column)
    odd = column[~np.isnan(column) & ~np.isin(column, (0, 1))]
    if kind == "binary" and len(odd):
        raise InvalidInput(
            f"`labels` of the binary task `{task}` must be 0, 1, or -1 or NaN where not known; found {odd[0]:g}. Say "
            "in `kinds` where a task is multiclass or a regression."
        )
    return column.astype(np.float32)
