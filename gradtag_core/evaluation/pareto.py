"""Error against computation: methods summed up over seeds, the Pareto front, and the best under a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gradtag_core.config import Metric
from gradtag_core.errors import InvalidInput
from gradtag_core.methods.protocol import MethodResult, find_method

ERROR_TITLES: dict[Metric, str] = {
    "loss": "log loss",
    "accuracy": "1 − accuracy",
    "f1": "1 − F1",
    "average_precision": "1 − average precision",
    "auc": "1 − area under the ROC curve",
}


@dataclass(frozen=True)
class MethodRecord:
    """One method of a study: means over its seeds.

    `error`: over tasks on the test split, as `ERROR_TITLES` names it; `error_se`: its standard error over seeds (None
    with one seed). `flops` and `seconds`: everything one seed runs, in full where the search was `estimated` from a
    `sample`. `peak_bytes`: the largest resident set. `on_front`: measured, and no measured method has a smaller error
    for as few FLOPs.
    """

    method: str
    title: str
    error: float
    error_se: float | None
    flops: float
    seconds: float
    peak_bytes: int
    estimated: bool
    sample: str | None
    n_seeds: int
    on_front: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def error_of(result: MethodResult, metric: Metric) -> float:
    """The mean error over tasks on the test split; lower is better."""
    score = result.mean_score(metric)
    return -score if metric == "loss" else 1.0 - score


def summarise(results: Mapping[str, Sequence[MethodResult]], metric: Metric) -> list[MethodRecord]:
    """A record of each method that has results, one per seed; the cheapest comes first."""
    records = [_record(method, found, metric) for method, found in results.items() if found]
    records.sort(key=lambda record: (record.flops, record.error))
    measured = [not record.estimated for record in records]
    flops, errors = (np.array([getattr(record, name) for record in records]) for name in ("flops", "error"))
    on_front = front(np.where(measured, flops, np.inf), np.where(measured, errors, np.inf))
    return [
        replace(record, on_front=bool(own) and not record.estimated)
        for record, own in zip(records, on_front, strict=True)
    ]


def _record(method: str, results: Sequence[MethodResult], metric: Metric) -> MethodRecord:
    errors = np.array([error_of(result, metric) for result in results])
    spread = float(errors.std(ddof=1) / np.sqrt(len(errors))) if len(errors) > 1 else None
    costs = [result.cost for result in results]
    sampled = [result for result in results if result.estimated]
    return MethodRecord(
        method, find_method(method).title, float(errors.mean()), spread,
        float(np.mean([cost.flops for cost in costs])), float(np.mean([cost.seconds for cost in costs])),
        max(cost.peak_bytes for cost in costs), bool(sampled), sampled[0].sample if sampled else None, len(results),
    )  # fmt: skip


def front(costs: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Which points (points,) no other one beats: none is as cheap and as good, and better in one of the two.

    Of equal points the first one counts.
    """
    order = np.lexsort((errors, costs))
    best_before = np.minimum.accumulate(np.concatenate([[np.inf], errors[order]]))[:-1]
    found = np.empty(len(costs), dtype=bool)
    found[order] = errors[order] < best_before
    return found


def best_within(records: Sequence[MethodRecord], budget: float) -> MethodRecord:
    """The measured method with the smallest error among those of at most `budget` FLOPs.

    Raises `InvalidInput` for a budget below the cheapest one, naming it.
    """
    measured = [record for record in records if not record.estimated]
    if not measured:
        raise InvalidInput("`records` must hold a method that was measured; found none.")
    affordable = [record for record in measured if record.flops <= budget]
    if not affordable:
        cheapest = min(measured, key=lambda record: record.flops)
        raise InvalidInput(
            f"`budget` must be at least the FLOPs of the cheapest method, {cheapest.flops:.3g} for "
            f"`{cheapest.method}`; found {budget:.3g}."
        )
    return min(affordable, key=lambda record: (record.error, record.flops))


def paired_difference(
    results: Mapping[str, Sequence[MethodResult]], method: str, other: str, metric: Metric
) -> tuple[float, float | None]:
    """How much smaller the error of `method` is than that of `other`, seed by seed: the mean and its standard error
    (None with fewer than two seeds in common; results are in the order of the seeds)."""
    both = zip(results[method], results[other], strict=False)
    gains = np.array([error_of(theirs, metric) - error_of(own, metric) for own, theirs in both])
    return float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else None
