"""How fast methods compute here, read from the studies that are finished; and how long another one will take."""

from collections.abc import Mapping
from pathlib import Path

from gradtag_core.cost import Cost
from gradtag_core.runs.rates import newest_rates
from gradtag_core.runs.store import RunStore
from gradtag_core.runs.study_forecast import expected_flops
from gradtag_core.runs.study_plan import StudyPlan
from gradtag_core.runs.study_record import StudyRecord


def measured_method_rates(store: RunStore) -> dict[str, float]:
    """FLOPs per second of each method, as in `newest_rates`, from studies."""
    return newest_rates(store, "study", _costs)


def _costs(folder: Path) -> dict[str, Cost]:
    results = StudyRecord(folder).results
    return {method: sum((result.cost for result in own.values()), Cost()) for method, own in results.items()}


def expected_seconds(plan: StudyPlan, rates: Mapping[str, float]) -> dict[str, float] | None:
    """About how long one seed of each method takes, an unknown one at the median rate; None where no rate is known."""
    if not rates:
        return None
    median = sorted(rates.values())[len(rates) // 2]
    return {name: flops / rates.get(name, median) for name, flops in expected_flops(plan).items()}
