"""Affinity matrices as CSV: task names in the first row and column, or numbers alone."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from gradtag_core.csv_text import escaped, unescaped
from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.grouping.validation import LARGEST_AFFINITY, check_affinity, default_task_names, repeated

MAX_TASKS = 2000
MAX_BYTES = 256 * 2**20
FIRST_LINE = 2**22  # characters: more than the names of all tasks that a table may have

Line = tuple[int, list[str]]


def read_affinity_csv(path_or_buffer: str | Path | IO[bytes] | IO[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read an (n, n) affinity matrix and its task names from CSV (UTF-8; comma, semicolon or tab).

    The first row and the first column name the tasks, in the same order, and the corner is not a number; a
    file whose first cell is a number has no names and gets task_1, ..., task_n. An apostrophe that `csv_text` put
    before a name is taken off. Row = evaluated task. A buffer is read from its start. Raises `InvalidInput` naming line
    and column, both counted from 1.
    """
    lines = _lines(_text(path_or_buffer))
    if not lines:
        raise InvalidInput("The CSV file is empty; it must hold a square table of numbers.")
    if _number(lines[0][1][0]) is None:
        return _with_names(lines)
    n_tasks = len(lines[0][1])
    _check_size(n_tasks)
    return _table(lines, n_tasks, skipped=0), default_task_names(n_tasks)


def write_affinity_csv(
    path_or_buffer: str | Path | IO[str], affinity: np.ndarray, task_names: Sequence[str] | None = None
) -> None:
    """Write what `read_affinity_csv` reads back to the last digit; raises `InvalidInput` as it does."""
    values, names = check_affinity(affinity, task_names)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["task", *map(escaped, names)])
    for name, row in zip(names, values, strict=True):
        writer.writerow([escaped(name), *(repr(float(value)) for value in row)])
    if isinstance(path_or_buffer, str | Path):
        Path(path_or_buffer).write_text(text.getvalue(), encoding="utf-8", newline="")
    else:
        path_or_buffer.write(text.getvalue())


def _text(source: str | Path | IO[bytes] | IO[str]) -> str:
    """All of a file or buffer, decoded."""
    if isinstance(source, str | Path):
        try:
            size = Path(source).stat().st_size
            if size > MAX_BYTES:
                raise InvalidInput(f"`{source}` must have at most {MAX_BYTES:,} bytes; found {size:,}.")
            content = Path(source).read_bytes()
        except InvalidInput:
            raise
        except (OSError, ValueError) as error:  # a path with a null character is a ValueError
            reason = getattr(error, "strerror", None) or error
            raise InvalidInput(f"`{source}` cannot be read: {reason}. Check the path.") from error
    else:
        if source.seekable():
            source.seek(0)
        content = source.read()
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InvalidInput(f"Line {line} is not UTF-8 text; save the file as CSV UTF-8.") from error


def _lines(text: str) -> list[Line]:
    """The rows that hold anything, stripped, each with the number of its last line."""
    first = text[:FIRST_LINE].lstrip("\r\n").partition("\n")[0]
    found = re.search(r"[,;\t]", first)
    if found:
        _check_size(first.count(found[0]))  # a table that is far too large is not read whole
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=found[0] if found else ",", strict=True)
    lines: list[Line] = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                lines.append((reader.line_num, cells))
                _check_size(max(len(lines), len(cells)) - 1)  # for names
    except csv.Error as error:
        raise InvalidInput(f"Line {reader.line_num} of the CSV file is malformed: {error}.") from error
    return lines


def _with_names(lines: list[Line]) -> tuple[np.ndarray, tuple[str, ...]]:
    header_line, header = lines[0]
    names = tuple(map(unescaped, header[1:]))
    if not names:
        raise InvalidInput(
            f"Line {header_line} must name the tasks after its first cell; found only `{header[0]}`."
        )
    _check_size(len(names))
    if "" in names:
        raise InvalidInput(f"Line {header_line}, column {names.index('') + 2}: a task name is missing.")
    if repeated(names):
        raise InvalidInput(f"Line {header_line}: task names must differ; {quoted(repeated(names))} repeated.")
    body = lines[1:]
    values = _table(body, len(names), skipped=1)
    for (line, cells), name in zip(body, names, strict=True):
        if unescaped(cells[0]) != name:
            raise InvalidInput(
                f"Line {line}, column 1: the rows must name the tasks in the order of the columns; expected "
                f"`{name}`, found `{cells[0]}`."
            )
    return values, names


def _table(lines: list[Line], n_tasks: int, skipped: int) -> np.ndarray:
    """The numbers of a square table after `skipped` cells of each row."""
    for line, cells in lines:
        if len(cells) != n_tasks + skipped:
            raise InvalidInput(
                f"Line {line}: every row must have as many cells as the first, {n_tasks + skipped}; "
                f"found {len(cells)}."
            )
    if len(lines) != n_tasks:
        raise InvalidInput(
            f"The table must be square; found {len(lines)} rows of numbers and {n_tasks} columns."
        )
    return np.array([_row(line, cells, skipped) for line, cells in lines])


def _row(line: int, cells: list[str], skipped: int) -> list[float]:
    numbers = []
    for column, cell in enumerate(cells[skipped:], start=skipped + 1):
        number = _number(cell)
        if number is None:
            raise InvalidInput(f"Line {line}, column {column}: expected a number; found `{cell}`.")
        if not abs(number) <= LARGEST_AFFINITY:
            raise InvalidInput(
                f"Line {line}, column {column}: expected a finite number, at most {LARGEST_AFFINITY:g} in "
                f"size; found `{cell}`."
            )
        numbers.append(number)
    return numbers


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _check_size(n_tasks: int) -> None:
    if n_tasks > MAX_TASKS:
        raise InvalidInput(
            f"The table may have at most {MAX_TASKS} tasks; found {n_tasks} columns. Group a part of them."
        )
