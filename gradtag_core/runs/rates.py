"""How fast this machine works, read from the runs and studies it has finished."""

from collections.abc import Callable, Mapping
from pathlib import Path

from gradtag_core.cost import Cost
from gradtag_core.errors import GradTagError
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.row import RunKind
from gradtag_core.runs.store import RunStore


def measured_rates(store: RunStore) -> dict[str, float]:
    """FLOPs per second of each stage, as in `newest_rates`, from runs."""
    return newest_rates(store, "run", lambda folder: RunRecord(folder).summary.costs)


def newest_rates(
    store: RunStore, kind: RunKind, costs_of: Callable[[Path], Mapping[str, Cost]]
) -> dict[str, float]:
    """FLOPs per second by the name of a cost, from the newest finished folder that has it.

    Samples, measured on the machine that made them, come last. A folder that cannot be read teaches nothing.
    """
    rates: dict[str, float] = {}
    for row in store.list(kind):
        if row.state != "done":
            continue
        try:
            costs = costs_of(store.run_folder(row.id))
        except GradTagError:
            continue
        for name, cost in costs.items():
            if cost.seconds > 0 and cost.flops > 0:
                rates.setdefault(name, cost.flops / cost.seconds)
    return rates
