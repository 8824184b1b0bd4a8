"""A study against seconds or GPU-hours as well as FLOPs: costs, front, and what a budget buys on that axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gradtag_core.errors import InvalidInput
from gradtag_core.evaluation.pareto import MethodRecord, best_within, front

Axis = Literal["flops", "seconds", "gpu_hours"]

TERAFLOPS = 10.0  # per second; an assumption about a GPU, not a measurement
BUDGETS_PER_DECADE = 24


@dataclass(frozen=True)
class PricedMethod:
    """A method with its cost for one seed on an axis, and whether it is on that axis's front."""

    record: MethodRecord
    cost: float
    on_front: bool


def price(records: Sequence[MethodRecord], axis: Axis, teraflops: float = TERAFLOPS) -> list[PricedMethod]:
    """Each method on an axis, the cheapest first; GPU-hours are FLOPs at `teraflops` · 10¹² a second.

    Only measured methods are on a front.
    """
    if not teraflops > 0:
        raise InvalidInput(f"`teraflops` must be above 0; found {teraflops}.")
    costs = np.array([_cost(record, axis, teraflops) for record in records])
    errors = np.array([record.error for record in records])
    measured = np.array([not record.estimated for record in records], dtype=bool)
    on_front = front(np.where(measured, costs, np.inf), np.where(measured, errors, np.inf)) & measured
    priced = map(PricedMethod, records, costs.tolist(), on_front.tolist())
    return sorted(priced, key=lambda method: (method.cost, method.record.error))


def _cost(record: MethodRecord, axis: Axis, teraflops: float) -> float:
    if axis == "seconds":
        return record.seconds
    return record.flops if axis == "flops" else record.flops / (teraflops * 1e12 * 3600)


def best_priced(methods: Sequence[PricedMethod], budget: float) -> PricedMethod:
    """`best_within` on the axis of the costs."""
    best = best_within([replace(method.record, flops=method.cost) for method in methods], budget)
    return next(method for method in methods if method.record.method == best.method)


def cheapest_alike(methods: Sequence[PricedMethod], best: PricedMethod) -> PricedMethod:
    """The cheapest measured method whose error is within one standard error of the best one's, maybe itself."""
    limit = best.record.error + (best.record.error_se or 0.0)
    alike = [method for method in methods if not method.record.estimated and method.record.error <= limit]
    return min(alike, key=lambda method: (method.cost, method.record.error))


def budgets(costs: Iterable[float]) -> list[float]:
    """Budgets to choose from, evenly spaced on a log scale: the first buys the cheapest, the last the dearest.

    They lie on one grid for all studies, so that a budget stays one while methods are added.
    """
    known = list(costs)
    first, last = _grid_index(min(known)), _grid_index(max(known))
    return [_grid_value(index) for index in range(first, last + 1)]


def _grid_value(index: int) -> float:
    return float(f"{10 ** (index / BUDGETS_PER_DECADE):.3g}")


def _grid_index(cost: float) -> int:
    """The index of the smallest grid value that is at least `cost`."""
    if not (cost > 0 and math.isfinite(cost)):
        raise InvalidInput(f"`costs` must be above 0 and finite; found {cost}.")
    index = math.floor(math.log10(cost) * BUDGETS_PER_DECADE) - 1  # the values are rounded: some way below
    while _grid_value(index) < cost:
        index += 1
    return index
