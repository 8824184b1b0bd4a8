"""How commands print: JSON, and tables."""

from __future__ import annotations

import json
from typing import Any


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, allow_nan=False))


def print_table(headings: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """A table of plain texts: rich would read `[red]` in a name as markup, and `:x:` as a picture."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console.width = 120  # a pipe has no width; do not cut cells at 80
    table = Table(*(Column(Text(heading)) for heading in headings), box=None, header_style="bold")
    table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console.print(table)
