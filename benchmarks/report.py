"""What every benchmark prints beside its figures."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any


def machine() -> dict[str, Any]:
    """Where the figures come from: they hold for this machine only."""
    return {
        "python": platform.python_version(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
    }


def publish(records: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print the records as a table, or the whole as JSON."""
    if as_json:
        print(json.dumps({"machine": machine(), "records": list(records)}, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*records[0], box=None, header_style="bold")
    for record in records:
        table.add_row(
            *(f"{value:.4g}" if isinstance(value, float) else str(value) for value in record.values())
        )
    console = Console(width=140)
    console.print(table)
    console.print(", ".join(f"{name}: {value}" for name, value in machine().items()))
