"""Columns of a table as what models read: features on one scale, and labels."""

from collections.abc import Sequence

import numpy as np

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.scaling import standardise
from gradtag_core.tasks.suite import UNLABELLED
from gradtag_core.tasks.table_file import Column, Table, shown

MAX_VALUES = 50
MAX_INPUTS = 100_000_000  # numbers: 0.4 GB
LARGEST = 1e100  # its square is still a number
MISSING = frozenset({"", "na", "n/a", "nan", "null"})
LABELS = {
    "": UNLABELLED, "0": 0, "0.0": 0, "false": 0, "no": 0, "1": 1, "1.0": 1, "true": 1, "yes": 1,
}  # fmt: skip


def label_column(table: Table, name: str) -> np.ndarray:
    """A column as labels, int8 (rows,): 1, 0, or -1 where the cell is empty (not labelled).

    1, true and yes are 1; 0, false and no are 0, in capitals or not; anything else is an `InvalidInput`.
    """
    column = table.columns[name]
    if isinstance(column, np.ndarray):
        labels = np.where(np.isnan(column), UNLABELLED, column)
        wrong = np.flatnonzero(~np.isin(labels, (UNLABELLED, 0, 1)) | (column == UNLABELLED))
    else:
        codes = {cell: LABELS.get(cell.lower(), 2) for cell in set(column)}
        labels = np.array([codes[cell] for cell in column])
        wrong = np.flatnonzero(labels == 2)
    if len(wrong):
        row = int(wrong[0])
        values = sorted({str(cell) for cell in column if cell != "" and cell == cell})
        hint = (
            f" The column has {len(values):,} different values; declare it `{name}:multiclass` for classes, or "
            f"`{name}:regression` for numbers."
        )
        raise InvalidInput(
            f"{table.place(row, name)}: a label must be 0 or 1, false or true, no or yes, or empty where there is "
            f"none; found `{shown(str(column[row]))}`.{hint if len(values) > 2 else ''}"
        )
    return labels.astype(np.int8)


def feature_columns(table: Table, names: Sequence[str], max_values: int = MAX_VALUES) -> np.ndarray:
    """Columns as features, float32 (rows, columns): numbers with mean 0 and deviation 1, and text one-hot.

    A column whose cells are all numbers or missing is one of numbers; missing ones (empty, NA, N/A, NaN, null)
    count as the mean, and a second column then tells where. Any other column has a 0/1 column for each of its
    values, at most `max_values`, in alphabetical order; a missing value has none. Scaling is over all rows.
    """
    parts = [_numbers_or_codes(table, name, max_values) for name in names]
    widths = [
        1 + int(np.isnan(part).any()) if part.dtype.kind == "f" else int(part.max()) + 1 for part in parts
    ]
    if table.n_rows * sum(widths) > MAX_INPUTS:
        raise InvalidInput(
            f"`features` of `{table.title}` must come to at most {MAX_INPUTS:,} numbers; found {table.n_rows:,} rows "
            f"of {sum(widths):,}. Give fewer rows, or leave columns out."
        )
    features = np.zeros((table.n_rows, sum(widths)), np.float32)
    start = 0
    for part, width in zip(parts, widths, strict=True):
        if part.dtype.kind == "f":
            missing = np.isnan(part)
            features[:, start] = standardise(np.where(missing, part[~missing].mean(), part))
            if width == 2:
                features[:, start + 1] = missing
        else:
            rows = np.flatnonzero(part >= 0)
            features[rows, start + part[rows]] = 1
        start += width
    return features


def _numbers_or_codes(table: Table, name: str, max_values: int) -> np.ndarray:
    """A column as float64 with NaN where missing, or as places among its sorted values, -1 where missing."""
    column = table.columns[name]
    numbers, odd = (column, None) if isinstance(column, np.ndarray) else _numbers(column)
    if odd is not None:
        return _codes(table, name, list(column), odd, max_values)
    if np.isnan(numbers).all():
        raise InvalidInput(
            f"Column `{name}` of `{table.title}` must hold a value; all its cells are empty. Leave it out."
        )
    wrong = np.flatnonzero(np.abs(numbers) > LARGEST)  # NaN is not above anything
    if len(wrong):
        row = int(wrong[0])
        raise InvalidInput(
            f"{table.place(row, name)}: a number must be finite and at most {LARGEST:g} in size; found "
            f"`{shown(str(column[row]))}`."
        )
    return numbers


def _numbers(cells: Column) -> tuple[np.ndarray, int | None]:
    """Cells as numbers, NaN where missing; and the first row that is none, where the numbers end."""
    numbers = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        if cell.lower() in MISSING:
            continue
        try:
            numbers[row] = float(cell)
        except ValueError:
            return numbers, row
        if "_" in cell or np.isnan(numbers[row]):  # Python's own spellings
            return numbers, row
    return numbers, None


def _codes(table: Table, name: str, cells: list[str], odd: int, max_values: int) -> np.ndarray:
    values = sorted({cell for cell in set(cells) if cell.lower() not in MISSING})
    if len(values) > max_values:
        raise InvalidInput(
            f"{table.place(odd, name)}: a column must hold numbers alone, or at most {max_values} different texts; "
            f"found `{shown(cells[odd])}`, and {len(values):,} different values in all. Correct the cell, or leave "
            "the column out."
        )
    code = {value: number for number, value in enumerate(values)}
    return np.array([code.get(cell, -1) for cell in cells], dtype=np.int64)
