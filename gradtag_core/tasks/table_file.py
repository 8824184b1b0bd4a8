"""Tables of a user: CSV or parquet files and data frames, as named columns of text or numbers."""

import csv
import io
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.tasks.snap import NOT_TEXT

if TYPE_CHECKING:
    from pandas import DataFrame, Series

MAX_BYTES = 256 * 2**20
MAX_CELLS = 10_000_000
MAX_NAME = 200  # characters of a column's name, which becomes the name of a task
PARQUET = b"PAR1"

Column = list[str] | np.ndarray


@dataclass(frozen=True)
class Table:
    """Columns of one length: lists of text ("" where a cell is empty) or float64 arrays (NaN there).

    `title` is the file's name; `lines` are the line numbers of the rows in a text file, None for other sources.
    """

    title: str
    columns: dict[str, Column]
    lines: Sequence[int] | None = None

    @property
    def n_rows(self) -> int:
        return len(next(iter(self.columns.values())))

    def place(self, row: int, column: str) -> str:
        """Where a cell stands, to begin a sentence with."""
        return f"`{self.title}`, {self.row_name(row)}, column `{column}`"

    def row_name(self, row: int) -> str:
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"

    def require_columns(self, parameter: str, names: Sequence[str]) -> None:
        """Each name must be a column, and stand once; an unknown one is told with the nearest that there is."""
        if isinstance(names, str) or not len(names):
            raise InvalidInput(f"`{parameter}` must be a list of one or more columns; found {names!r}.")
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise InvalidInput(f"`{parameter}` must name each column once; found {quoted(twice)} repeated.")
        for name in names:
            if name not in self.columns:
                close = get_close_matches(name, self.columns, n=1, cutoff=0.5)
                hint = f"Did you mean `{close[0]}`?" if close else f"It has {quoted(tuple(self.columns))}."
                raise InvalidInput(
                    f"`{parameter}` must name columns of `{self.title}`; found `{shown(name)}`. {hint}"
                )

    def require_ids(self, column: str | None, used: Sequence[str] = ()) -> None:
        """A column that names the rows (None: there is none) must be there, be put to no other use, and tell them
        apart."""
        if column is None:
            return
        self.require_columns("ids", [column])
        if column in used:
            raise InvalidInput(
                f"`ids` must name a column that is neither label nor feature; found `{shown(column)}`."
            )
        self.require_different(column)

    def require_different(self, column: str) -> None:
        """Each cell of a column that names the rows must stand once, and none be empty."""
        rows: dict[str | float, int] = {}
        for row, cell in enumerate(self.columns[column]):
            if cell == "" or cell != cell:  # an empty number is NaN
                raise InvalidInput(
                    f"{self.place(row, column)}: an id must not be empty. Fill it in, or name no ids."
                )
            first = rows.setdefault(cell, row)
            if first != row:
                found = shown(cell if isinstance(cell, str) else f"{cell:.17g}")
                raise InvalidInput(
                    f"{self.place(row, column)}: an id must stand once; found `{found}`, which "
                    f"{self.row_name(first)} has too."
                )


def shown(text: str) -> str:
    """A cell as a sentence may show it: on one line, and not long."""
    return (text if text.isprintable() else repr(text)[1:-1])[:40]


def decoded(title: str, content: bytes, kind: str, other: str = "", advice: str = "") -> str:
    """The text of a file; `InvalidInput` where it is a file of another kind, or in another encoding.

    Sentences call it text of this `kind`, name the `other` kinds that it may be, and say what to do about an encoding
    (`advice`).
    """
    for magic, found in NOT_TEXT.items():
        if content.startswith(magic):
            raise InvalidInput(f"`{title}` must be {kind} text in UTF-8{other}; found {found}.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InvalidInput(
            f"`{title}`, line {line}: the file must be text in UTF-8; found the byte "
            f"{content[error.start : error.start + 1]!r}.{advice}"
        ) from error


def read_table(
    path: Path | str, *, max_bytes: int = MAX_BYTES, max_cells: int = MAX_CELLS, quotes: bool = True
) -> Table:
    """A parquet file, or CSV in UTF-8 (comma, semicolon or tab) whose first row names the columns.

    Without `quotes`, cells stand between tabs and quotation marks are characters like others, as in the files of GLUE.
    Rows without any value are left out. A file that breaks a rule is an `InvalidInput` naming the line, and so is
    one of more than `max_bytes` or, at reading, of more than `max_cells` rows × columns.
    """
    path = Path(path)
    content = _content(path, max_bytes)
    if content.startswith(PARQUET):
        return _from_parquet(path.name, content, max_cells)
    text = decoded(path.name, content, "CSV", ", or parquet", " Save it as CSV UTF-8.")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InvalidInput(f"`{path.name}`, line {line}: the file must be text; found a null character.")
    return _from_csv(path.name, text, max_cells, quotes)


def table_from_frame(frame: "DataFrame", title: str = "table", max_cells: int = MAX_CELLS) -> Table:
    """A data frame whose columns hold numbers, truth values or text; rows are counted from 1."""
    names = list(frame.columns)
    _check_names(f"`{title}`", names)
    _check_size(title, len(frame), len(names), max_cells)
    columns = {str(name): _column(title, str(name), series) for name, series in frame.items()}
    return Table(title, columns)


def _content(path: Path, max_bytes: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise InvalidInput(
                f"`{path.name}` must have at most {max_bytes:,} bytes; found {size:,}. Give a part of the rows, or "
                "save it as parquet."
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InvalidInput(f"`{path}` must be a file; there is none.") from error
    except (OSError, ValueError) as error:  # a path with a null character is a ValueError
        raise InvalidInput(f"`{path}` must be a readable file; found that {error}.") from error


def _from_csv(title: str, text: str, max_cells: int, quotes: bool) -> Table:
    first = text.lstrip("\r\n").partition("\n")[0]
    marks = Counter(re.findall(r"[,;\t]", re.sub(r'"[^"]*"', "", first)))
    delimiter = (marks.most_common(1)[0][0] if marks else ",") if quotes else "\t"
    quoting = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, quoting=quoting)
    names: list[str] = []
    columns: list[list[str]] = []
    lines = array("q")
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if not names:
                names = cells
                _check_names(f"`{title}`, line {reader.line_num}", names)
                columns = [[] for _ in names]
                continue
            if len(cells) != len(names):
                raise InvalidInput(
                    f"`{title}`, line {reader.line_num}: a row must have as many cells as the first, {len(names)}; "
                    f"found {len(cells)}."
                )
            lines.append(reader.line_num)
            if len(lines) * len(names) > max_cells:
                _check_size(title, len(lines), len(names), max_cells, "more than ")
            for column, cell in zip(columns, cells, strict=True):
                column.append(cell)
    except csv.Error as error:
        if "field limit" in str(error):
            raise InvalidInput(
                f"`{title}`, line {reader.line_num}: a cell must have at most {csv.field_size_limit():,} characters. "
                "Shorten it, or save the table as parquet."
            ) from error
        raise InvalidInput(f"`{title}`, line {reader.line_num}: the CSV is malformed: {error}.") from error
    _check_size(title, len(lines), len(names), max_cells)
    return Table(title, dict(zip(names, columns, strict=True)), lines)


def _from_parquet(title: str, content: bytes, max_cells: int) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            names = file.schema_arrow.names
            _check_names(f"`{title}`", names)
            _check_size(title, file.metadata.num_rows, len(names), max_cells)
            content_read = file.read()
            content_read.validate(full=True)  # a damaged file may hold text that is no UTF-8
            frame = content_read.to_pandas(ignore_metadata=True)
    except InvalidInput:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, MemoryError) as error:
        raise InvalidInput(
            f"`{title}` must be a parquet file that can be read; found that {shown(str(error))}."
        ) from error
    return table_from_frame(frame, title, max_cells)


def _column(title: str, name: str, series: "Series") -> Column:
    from pandas import CategoricalDtype
    from pandas.api import types

    kind = series.dtype
    if (
        types.is_complex_dtype(kind)
        or types.is_datetime64_any_dtype(kind)
        or types.is_timedelta64_dtype(kind)
    ):
        raise InvalidInput(
            f"Column `{name}` of `{title}` must hold numbers or text; found {kind}. Convert it, or leave it out."
        )
    if types.is_numeric_dtype(kind) and not types.is_bool_dtype(kind):  # truth values are text, as in CSV
        return series.astype("Float64").to_numpy(np.float64, na_value=np.nan)
    cells = series.astype(object) if isinstance(kind, CategoricalDtype) else series
    return [_cell(title, name, row, cell) for row, cell in enumerate(cells)]


def _cell(title: str, name: str, row: int, cell: Any) -> str:
    """One cell of a column that is not of one type of number, as CSV would hold it."""
    from pandas import isna
    from pandas.api.types import is_scalar

    if isinstance(cell, str):
        return cell.strip()
    if is_scalar(cell) and isna(cell):
        return ""
    if isinstance(cell, Number | np.bool_):
        return str(cell)
    raise InvalidInput(
        f"`{title}`, row {row + 1}, column `{name}`: a cell must be a number or text; found "
        f"{type(cell).__name__}. Convert it, or leave the column out."
    )


def _check_names(place: str, names: Iterable[Any]) -> None:
    for number, name in enumerate(names, start=1):
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            raise InvalidInput(
                f"{place}: column {number} must have a name of 1 to {MAX_NAME} printable characters; "
                f"found {repr(name)[:40]}."
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InvalidInput(f"{place}: column names must differ; found {quoted(twice)} repeated.")


def _check_size(title: str, n_rows: int, n_columns: int, max_cells: int, more: str = "") -> None:
    if n_rows < 1 or n_columns < 1:
        raise InvalidInput(f"`{title}` must hold the names of columns, and rows below them; found none.")
    if n_rows * n_columns > max_cells:
        raise InvalidInput(
            f"`{title}` must have at most {max_cells:,} cells (rows × columns); found {more}{n_rows * n_columns:,}, "
            f"with {n_columns:,} columns. Give a part of its rows or columns."
        )
