"""How fast this machine works, read from the runs it has finished."""

from gradtag_core.errors import GradTagError
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.store import RunStore


def measured_rates(store: RunStore) -> dict[str, float]:
    """FLOPs per second of each stage, from the newest finished run that has it.

    Sample runs, measured on the machine that made them, come last. A run that cannot be read teaches nothing.
    """
    rates: dict[str, float] = {}
    for row in store.list("run"):
        if row.state != "done":
            continue
        try:
            costs = RunRecord(store.run_folder(row.id)).summary.costs
        except GradTagError:
            continue
        for stage, cost in costs.items():
            if cost.seconds > 0 and cost.flops > 0:
                rates.setdefault(stage, cost.flops / cost.seconds)
    return rates
