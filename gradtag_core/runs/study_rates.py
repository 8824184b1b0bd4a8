"""How fast methods compute here, read from the studies that are finished; and how long another one will take."""

from collections.abc import Mapping

from gradtag_core.errors import GradTagError
from gradtag_core.runs.store import RunStore
from gradtag_core.runs.study_forecast import expected_flops
from gradtag_core.runs.study_plan import StudyPlan
from gradtag_core.runs.study_record import StudyRecord


def measured_method_rates(store: RunStore) -> dict[str, float]:
    """FLOPs per second of each method, from the newest finished study that has it.

    Sample studies, measured on the machine that made them, come last. A study that cannot be read teaches nothing.
    """
    rates: dict[str, float] = {}
    for row in store.list("study"):
        if row.state != "done":
            continue
        try:
            results = StudyRecord(store.run_folder(row.id)).results
        except GradTagError:
            continue
        for method, own in results.items():
            costs = [result.cost for result in own.values()]
            flops, seconds = sum(cost.flops for cost in costs), sum(cost.seconds for cost in costs)
            if flops > 0 and seconds > 0:
                rates.setdefault(method, flops / seconds)
    return rates


def expected_seconds(plan: StudyPlan, rates: Mapping[str, float]) -> dict[str, float] | None:
    """About how long one seed of each method takes, an unknown one at the median rate; None where no rate is known."""
    if not rates:
        return None
    median = sorted(rates.values())[len(rates) // 2]
    return {name: flops / rates.get(name, median) for name, flops in expected_flops(plan).items()}
