"""A run as `evaluation.run_comparison` compares it."""

from __future__ import annotations

import numpy as np

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.config import Metric
from gradtag_core.errors import StoreError
from gradtag_core.evaluation.comparison import Comparison
from gradtag_core.evaluation.run_comparison import ComparedRun, RunFigures
from gradtag_core.runs.record import RunRecord


def compared_run(
    record: RunRecord, name: str, affinity: AffinityMatrix | None, comparison: Comparison | None
) -> ComparedRun:
    """The run under that name, from its estimated affinity and its comparison with real training, if it has any.

    Raises `StoreError` for a run without an estimate.
    """
    if affinity is None or record.estimated is None:
        raise StoreError(f"The run `{name}` has no estimate yet: wait for it, or resume it.")
    summary = record.summary
    return ComparedRun(
        name, record.config, summary.fingerprint, affinity, record.grouping,
        _figures(record, affinity.metric, comparison),
    )  # fmt: skip


def _figures(record: RunRecord, metric: Metric, comparison: Comparison | None) -> RunFigures:
    estimated, grouping, summary = record.estimated, record.grouping, record.summary
    line = comparison.estimate if comparison else None
    gain, error = _gain(record, metric)
    return RunFigures(
        row_spearman=line.agreement.row_spearman if line else None,
        row_spearman_standard_error=line.agreement.row_spearman_standard_error if line else None,
        ceiling_share=line.row_spearman_fraction if line else None,
        flops=estimated.cost.flops if estimated else None,
        flops_share=estimated.cost.flops / summary.full_training_flops
        if estimated and summary.full_training_flops
        else None,
        seconds=sum(cost.seconds for cost in summary.costs.values()) or summary.seconds,  # kept units too
        n_subsets=len(estimated.subsets) if estimated else None,
        n_groups=grouping.n_groups if grouping else None,
        density=grouping.density if grouping else None,
        gap=grouping.gap if grouping and np.isfinite(grouping.gap) else None,
        gain=gain,
        gain_standard_error=error,
    )


def _gain(record: RunRecord, metric: Metric) -> tuple[float | None, float | None]:
    """The mean over tasks of grouped less together, and its standard error."""
    if record.group_scores is None:
        return None, None
    grouped, together = record.group_scores.of(metric)
    gains = (grouped - together)[np.isfinite(grouped - together)]
    if not len(gains):
        return None, None
    return float(gains.mean()), float(gains.std(ddof=1) / len(gains) ** 0.5) if len(gains) > 1 else None
