"""Columns of a table as labels of tasks: yes or no, one of several classes, or a number."""

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.tasks.scaling import standardise
from gradtag_core.tasks.suite import UNLABELLED, TaskKind
from gradtag_core.tasks.table_columns import LARGEST, label_column
from gradtag_core.tasks.table_file import Column, Table, shown

LEAST_OF_A_CLASS = 3  # one for each split
LEAST_TARGETS = 3  # different ones; fewer are classes
MOST_CLASSES = 50
Kinds = Mapping[str, TaskKind]


def label_columns(
    table: Table, names: Sequence[str], kinds: Kinds | None = None
) -> tuple[np.ndarray, tuple[TaskKind, ...]]:
    """Columns as `TaskSuite.labels` (rows, columns), and the kind of each: binary where `kinds` says nothing.

    An empty cell is no label. Binary: as `label_column` says. Multiclass: 2 to 50 values, numbers or text, which become
    class numbers in ascending order. Regression: numbers, standardised over all labelled rows and cut at 8 deviations.
    What does not fit is an `InvalidInput` that names the column, and the line where there is one.
    """
    given: dict[str, TaskKind] = dict(kinds or {})
    unknown = [name for name in given if name not in names]
    wrong = sorted(set(given.values()) - set(get_args(TaskKind)))
    if unknown or wrong:
        raise InvalidInput(
            f"`kinds` must give label columns one of {quoted(get_args(TaskKind))}; found {quoted(unknown + wrong)}."
        )
    chosen: tuple[TaskKind, ...] = tuple(given.get(name, "binary") for name in names)
    columns = [_READERS[kind](table, name) for name, kind in zip(names, chosen, strict=True)]
    if set(chosen) == {"binary"}:
        return np.stack(columns, axis=1), chosen
    return np.stack([_as_float(column) for column in columns], axis=1), chosen


def with_kinds(table: Table, names: Sequence[str]) -> tuple[list[str], Kinds]:
    """Columns, and the kinds of those that are declared with one, as in `a:multiclass`; a column that is so called
    itself is that column."""
    labels, kinds = [], {}
    for name in names:
        column, _, kind = name.rpartition(":")
        declared = name not in table.columns and column in table.columns
        labels.append(column if declared else name)
        if declared:
            kinds[column] = kind  # whether it is one, `label_columns` says
    return labels, kinds


def _as_float(labels: np.ndarray) -> np.ndarray:
    return (
        np.where(labels == UNLABELLED, np.nan, labels).astype(np.float32)
        if labels.dtype == np.int8
        else labels
    )


def _binary(table: Table, name: str) -> np.ndarray:
    labels = label_column(table, name)
    ones, zeros, empty = (int((labels == value).sum()) for value in (1, 0, UNLABELLED))
    if min(ones, zeros) < LEAST_OF_A_CLASS:
        raise InvalidInput(
            f"Label column `{name}` of `{table.title}` must have at least {LEAST_OF_A_CLASS} rows of each class, one "
            f"for each split; found {ones:,} of 1, {zeros:,} of 0 and {empty:,} empty."
        )
    return labels


def _classes(table: Table, name: str) -> np.ndarray:
    column = table.columns[name]
    numbers, odd = _numbers(column)
    cells = numbers if odd is None else np.array(column)
    known = ~np.isnan(cells) if odd is None else cells != ""
    values, places, counts = np.unique(cells[known], return_inverse=True, return_counts=True)
    if not 2 <= len(values) <= MOST_CLASSES:
        raise InvalidInput(
            f"Label column `{name}` of `{table.title}` must hold 2 to {MOST_CLASSES} classes; found {len(values):,} "
            f"different values{_some(values)}. Join some, or declare numbers as regression (`{name}:regression`)."
        )
    if counts.min() < LEAST_OF_A_CLASS:
        raise InvalidInput(
            f"Label column `{name}` of `{table.title}` must have at least {LEAST_OF_A_CLASS} rows of each class, one "
            f"for each split; found {counts.min()} of `{shown(_text(values[counts.argmin()]))}`. Join it with another "
            "class, or leave its labels empty."
        )
    labels = np.full(len(cells), np.nan, dtype=np.float32)
    labels[known] = places
    return labels


def _targets(table: Table, name: str) -> np.ndarray:
    numbers, odd = _numbers(table.columns[name])
    if odd is not None:
        raise InvalidInput(
            f"{table.place(odd, name)}: a target must be a number of at most {LARGEST:g} in size, or empty where there "
            f"is none; found `{shown(str(table.columns[name][odd]))}`. Declare text as classes (`{name}:multiclass`)."
        )
    known = ~np.isnan(numbers)
    found = len(np.unique(numbers[known]))
    if found < LEAST_TARGETS:
        raise InvalidInput(
            f"Label column `{name}` of `{table.title}` must hold {LEAST_TARGETS} different numbers or more, to be a "
            f"regression; found {found}. Declare two as binary (`{name}:binary`)."
        )
    labels = np.full(len(numbers), np.nan, dtype=np.float32)
    labels[known] = standardise(numbers[known])
    return labels


_READERS = {"binary": _binary, "multiclass": _classes, "regression": _targets}


def _numbers(column: Column) -> tuple[np.ndarray, int | None]:
    """Cells as numbers, NaN where empty; and the first row that holds something else, where the numbers end."""
    numbers = np.full(len(column), np.nan)
    for row, cell in enumerate(column):
        if cell == "" or cell != cell:  # an empty number is NaN
            continue
        try:
            number = float(cell)
        except ValueError:
            return numbers, row
        if not abs(number) <= LARGEST or (isinstance(cell, str) and "_" in cell):  # Python's own spellings
            return numbers, row
        numbers[row] = number
    return numbers, None


def _some(values: np.ndarray) -> str:
    return f" ({quoted([shown(_text(value)) for value in values[:6]])})" if len(values) else ""


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
