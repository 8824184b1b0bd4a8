"""Inputs on one scale, the same to the last bit on every machine."""

import numpy as np

from gradtag_core.errors import InvalidInput

GRID = 4096
"""Results are multiples of 1/4096, so that the last bits of sums, which differ between machines, are gone."""


def standardise(values: np.ndarray, limit: float = 8.0) -> np.ndarray:
    """Each column with mean 0 and standard deviation 1, cut at ±`limit` so that no outlier rules a model.

    `values`: (examples, ...), finite; a column is everything but the first axis. A constant column becomes 0.
    Returns float32 of the same shape, rounded to multiples of 1/4096.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) == 0 or not np.isfinite(values).all():
        raise InvalidInput("`values` must be finite numbers of at least one example.")
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    # A constant column keeps rounding noise of its mean, which must not be blown up to unit variance.
    varies = spread > 1e-12 * np.abs(values).max(axis=0)
    np.divide(centred, spread, out=centred, where=varies)
    centred *= varies
    np.clip(centred, -limit, limit, out=centred)
    centred *= GRID
    return (np.rint(centred, out=centred) / GRID).astype(np.float32)
