"""How fast this machine works, read from the runs and studies it has finished."""

from collections.abc import Callable, Mapping
from pathlib import Path

from gradtag_core.config import RunConfig
from gradtag_core.cost import Cost
from gradtag_core.errors import GradTagError
from gradtag_core.runs.command import is_call_in_code
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.row import RunKind, RunRow
from gradtag_core.runs.store import RunStore
from gradtag_core.tasks.registry import suite_info


def measured_rates(store: RunStore, config: RunConfig) -> dict[str, float]:
    """FLOPs per second of each stage, as in `newest_rates`, from runs of pretrained transformers for one of those, else
    from the others: products of so different sizes run at different speeds."""
    asked = _is_pretrained(config.model, config.suite)

    def is_alike(row: RunRow) -> bool:
        own = None if is_call_in_code(row.command) else _is_pretrained(row.config.get("model"), row.suite)
        return own == asked

    return newest_rates(store, "run", lambda folder: RunRecord(folder).summary.costs, is_alike)


def _is_pretrained(model: str | None, suite: str) -> bool | None:
    """Whether a run trains a pretrained transformer; None where its data set is gone that would tell."""
    if model is not None:
        return model == "transformer"
    try:
        return suite_info(suite).default_model == "transformer"
    except GradTagError:
        return None


def newest_rates(
    store: RunStore, kind: RunKind, costs_of: Callable[[Path], Mapping[str, Cost]],
    is_alike: Callable[[RunRow], bool] = lambda row: True,
) -> dict[str, float]:  # fmt: skip
    """FLOPs per second by the name of a cost, from the newest finished folder that has it, of those that are alike.

    Samples and what was taken in, measured on the machines that made them, come last. A folder that cannot be read
    teaches nothing.
    """
    rates: dict[str, float] = {}
    for row in sorted(
        store.list(kind), key=lambda row: row.pid is None
    ):  # no process of this store made those
        if row.state != "done" or not is_alike(row):
            continue
        try:
            costs = costs_of(store.run_folder(row.id))
        except GradTagError:
            continue
        for name, cost in costs.items():
            if cost.seconds > 0 and cost.flops > 0:
                rates.setdefault(name, cost.flops / cost.seconds)
    return rates
