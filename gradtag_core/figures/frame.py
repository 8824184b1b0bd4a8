"""The area in which methods are drawn: error against cost on a log axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtag_core.evaluation.pareto_axis import PricedMethod

PADDING = 0.07  # of the range of an axis, on each side
FAR_OFF = 1.5  # interquartile ranges above the upper quartile (Tukey's fence)
EDGE = 0.04  # of the range of errors


@dataclass(frozen=True)
class Frame:
    """The ranges of both axes, that of the costs, x, in powers of ten.

    A method whose error is far off would squeeze all others together: it is drawn just inside the upper edge, and its
    name says so.
    """

    x: tuple[float, float]
    y: tuple[float, float]

    @classmethod
    def around(cls, methods: Sequence[PricedMethod], budget: float | None) -> Frame:
        """The frame of all methods, their error bars and a budget.

        None on the front counts as far off, but for those worse than naive multitask training: they are there for
        computing next to nothing.
        """
        costs = np.log10([method.cost for method in methods] + ([] if budget is None else [budget]))
        errors = np.array([method.record.error for method in methods])
        spread = np.array([method.record.error_se or 0.0 for method in methods])
        low, high = np.quantile(errors, (0.25, 0.75))
        naive = [method.record.error for method in methods if method.record.method == "naive_mtl"]
        on_front = np.array([method.on_front for method in methods])
        near = (errors <= high + FAR_OFF * (high - low)) | (on_front & (errors <= (naive or [np.inf])[0]))
        lowest, highest = (errors - spread)[near].min(), (errors + spread)[near].max()
        return cls(_padded(costs.min(), costs.max()), _padded(lowest, highest))

    def height(self, method: PricedMethod) -> float:
        """The error at which a method is drawn."""
        return min(method.record.error, self.y[1] - EDGE * (self.y[1] - self.y[0]))

    def spread(self, method: PricedMethod) -> float:
        """Half the length of its error bar, none where it is drawn elsewhere."""
        return (method.record.error_se or 0.0) if self.height(method) == method.record.error else 0.0

    def name(self, method: PricedMethod) -> str:
        if self.height(method) == method.record.error:
            return method.record.title
        return f"{method.record.title} ↑ {method.record.error:.3f}"

    def shares(self, costs: Any, errors: Any) -> np.ndarray:
        """(n, 2) places in shares of the plotting area."""
        x, y = np.log10(np.asarray(costs, dtype=float)), np.asarray(errors, dtype=float)
        return np.stack(
            [(x - self.x[0]) / (self.x[1] - self.x[0]), (y - self.y[0]) / (self.y[1] - self.y[0])], axis=1
        )


def _padded(low: float, high: float) -> tuple[float, float]:
    room = PADDING * (high - low) or 0.1
    return float(low - room), float(high + room)
