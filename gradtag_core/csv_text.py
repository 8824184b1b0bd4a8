"""Tables as CSV text that a spreadsheet shows and never runs (OWASP, CSV injection)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame, Index

# What a spreadsheet takes for a formula. A text that looks escaped already counts too: so `unescaped` is exact.
FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


def csv_text(frame: DataFrame, **options: Any) -> str:
    """The CSV text of a table, in which texts that look like formulas begin with an apostrophe; numbers stay.

    Headers and row names are treated as cells are. Lines end as RFC 4180 has them: else a carriage return in a text
    would go unquoted and begin a line. `options` are those of `DataFrame.to_csv` but the path, and come from code: an
    `index_label` is written as it is.
    """
    from pandas.api.types import is_numeric_dtype

    safe = frame.copy(deep=False)
    for position, kind in enumerate(frame.dtypes):
        if not is_numeric_dtype(kind):
            safe.isetitem(position, frame.iloc[:, position].astype(object).map(escaped))
    safe.columns, safe.index = _escaped_labels(frame.columns), _escaped_labels(frame.index)
    return safe.to_csv(**{"lineterminator": "\r\n", **options})


def escaped(value: Any) -> Any:
    """A text that looks like a formula with an apostrophe before it; everything else as it is."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def unescaped(text: str) -> str:
    """The text that `escaped` was given: for reading back what was written here."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def _escaped_labels(axis: Index) -> Index:
    from pandas import Index, MultiIndex

    if isinstance(axis, MultiIndex):
        return MultiIndex.from_tuples(
            [tuple(map(escaped, label)) for label in axis], names=[escaped(name) for name in axis.names]
        )
    return Index(
        [escaped(label) for label in axis], dtype=None if len(axis) else axis.dtype, name=escaped(axis.name)
    )
