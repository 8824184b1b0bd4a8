"""How far to step along the descent directions of many convex functions at once."""

from collections.abc import Callable

import torch
from torch import Tensor

MAX_TRIALS = 30
SLOPE_LEFT = 0.5  # a step is taken when it leaves no more than this share of the slope at its beginning
MOST_STRETCH = 4.0


def step_to_flat(slope_at: Callable[[Tensor], Tensor], slope: Tensor) -> Tensor:
    """Step sizes (m,) at which each slope is nearly zero, the last ones that `slope_at` was asked for.

    `slope` (m,) is that at zero: negative, or zero for a function to be left alone. A convex function's slope never
    falls, so its sign brackets the minimum: no values, whose differences would drown in rounding, are needed.
    Starts from the full step.
    """
    size, low, high = torch.ones_like(slope), torch.zeros_like(slope), torch.full_like(slope, torch.inf)
    slope_low, slope_high = slope, torch.zeros_like(slope)
    for trial in range(MAX_TRIALS):
        found = slope_at(size)
        settled = found.abs() <= SLOPE_LEFT * slope.abs()
        if settled.all() or trial == MAX_TRIALS - 1:
            break
        short = found < 0
        low, slope_low = torch.where(short, size, low), torch.where(short, found, slope_low)
        high, slope_high = torch.where(short, high, size), torch.where(short, slope_high, found)
        secant = low + (high - low) * (slope_low / (slope_low - slope_high)).clamp(0.1, 0.9)
        size = torch.where(settled, size, torch.where(high.isinf(), MOST_STRETCH * size, secant))
    return size
