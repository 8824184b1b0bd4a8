"""Constraints as they are written on a command line or in a small file."""

import csv
from collections.abc import Sequence
from pathlib import Path

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.grouping.constraints import Pair

MAX_BYTES = 2**20


def parse_pairs(option: str, texts: Sequence[str], task_names: Sequence[str]) -> tuple[Pair, ...]:
    """Pairs of task names written "a,b"; a name may hold commas of its own where that leaves one reading."""
    return tuple(_pair(option, text, set(task_names)) for text in texts)


def read_task_costs(path: str | Path, task_names: Sequence[str]) -> tuple[float, ...]:
    """One cost per task from a CSV file with a task name and a number on each line, in any order."""
    try:
        if Path(path).stat().st_size > MAX_BYTES:
            raise InvalidInput(
                f"`{path}` must have at most {MAX_BYTES:,} bytes: a name and a number per task."
            )
        rows = list(csv.reader(Path(path).read_text(encoding="utf-8-sig").splitlines()))
    except InvalidInput:
        raise
    except (OSError, ValueError, csv.Error) as error:  # a path with a null character is a ValueError
        raise InvalidInput(
            f"`{path}` cannot be read: {error}. Check the path, and that it is CSV."
        ) from error
    costs: dict[str, float] = {}
    for line, row in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        number = _number(cells[1]) if len(cells) == 2 else None
        if number is None or cells[0] in costs:
            raise InvalidInput(
                f"Line {line} of `{path}`: expected a new task name and a number; found `{','.join(row)}`."
            )
        costs[cells[0]] = number
    missing, unknown = (
        [name for name in task_names if name not in costs],
        sorted(costs.keys() - set(task_names)),
    )
    if missing or unknown:
        wrong = f"{quoted(missing)} missing" if missing else f"{quoted(unknown)} unknown"
        raise InvalidInput(f"`{path}` must hold the cost of every task and of no other; {wrong}.")
    return tuple(costs[name] for name in task_names)


def _pair(option: str, text: str, names: set[str]) -> Pair:
    parts = text.split(",")
    splits = [(",".join(parts[:at]).strip(), ",".join(parts[at:]).strip()) for at in range(1, len(parts))]
    readings = [pair for pair in splits if set(pair) <= names]
    if len(readings) != 1:
        raise InvalidInput(
            f"`{option}` takes two task names with a comma between them; found `{text}`, which has "
            f"{len(readings) or 'no'} such reading{'s' if readings else ''}."
        )
    return readings[0]


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
