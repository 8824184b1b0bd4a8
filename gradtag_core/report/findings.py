"""What a run found, in one metric: the ground on which its story, its report and its bundle stand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.config import METRIC_TITLES, Metric
from gradtag_core.errors import InvalidInput
from gradtag_core.evaluation.comparison import Comparison
from gradtag_core.figures.order import task_order
from gradtag_core.figures.relative import relative_to_task_mean
from gradtag_core.grouping.result import Grouping
from gradtag_core.grouping.stability import Stability
from gradtag_core.runs.record import RunRecord

CLEARLY = 2.0  # standard errors that an effect must exceed to be more than noise


@dataclass(frozen=True)
class Gains:
    """Test scores (n,) of each task by its group's model and by one model for all, and what the groups bring on
    average; `standard_error` is over tasks, None below two."""

    grouped: np.ndarray
    together: np.ndarray

    @property
    def by_task(self) -> np.ndarray:
        return (self.grouped - self.together)[np.isfinite(self.grouped - self.together)]

    @property
    def mean(self) -> float:
        return float(self.by_task.mean())

    @property
    def standard_error(self) -> float | None:
        n_known = len(self.by_task)
        return float(self.by_task.std(ddof=1)) / n_known**0.5 if n_known > 1 else None

    @property
    def is_clear(self) -> bool:
        """Whether the mean is more than the noise between tasks."""
        error = self.standard_error
        return error is not None and abs(self.mean) > CLEARLY * error


@dataclass(frozen=True, eq=False)
class Findings:
    """The results of a run in one metric. `estimated`, `true` are (n, n) with tasks in the order of the suite;
    `comparison`, `gains` and `stability` are None where the run, or the caller, did not compute them."""

    record: RunRecord
    metric: Metric
    metric_title: str
    estimated: AffinityMatrix
    true: AffinityMatrix | None
    comparison: Comparison | None
    grouping: Grouping | None
    gains: Gains | None
    stability: Stability | None = None

    @property
    def task_names(self) -> tuple[str, ...]:
        return self.estimated.task_names

    @property
    def n_tasks(self) -> int:
        return len(self.task_names)

    @cached_property
    def relative(self) -> np.ndarray:
        """(n, n) what each co-task brings against the average co-task of the same task; NaN on the diagonal."""
        return relative_to_task_mean(self.estimated.values)

    @cached_property
    def order(self) -> np.ndarray:
        """(n,) tasks in the order of their groups."""
        labels = self.grouping.labels if self.grouping else None
        return task_order("group", self.estimated.values, self.task_names, labels)


def find(record: RunRecord, metric: Metric | None = None, stability: Stability | None = None) -> Findings:
    """Gather what a run found; `metric` None is the run's own.

    `stability` (seconds to compute, `stability_of`) is left out where it is of other groups than the run's. Raises
    `InvalidInput` for a run without an estimate, or a metric that it does not have.
    """
    if not record.has_summary or record.estimated is None:
        raise InvalidInput(
            "A story needs a run with an estimate; this one has none yet. Wait for it, or resume it."
        )
    metric = metric or record.config.metric
    estimated = record.affinity(metric)
    assert estimated is not None  # there is an estimate
    return gathered(record, estimated, record.true_affinity(metric), record.comparison(metric), stability)


def gathered(
    record: RunRecord, estimated: AffinityMatrix, true: AffinityMatrix | None, comparison: Comparison | None,
    stability: Stability | None = None,
) -> Findings:  # fmt: skip
    """What was found, from parts in one metric that were computed before."""
    metric, grouping = estimated.metric, record.grouping
    if stability is not None and not _same_groups(stability.grouping, grouping):
        stability = None
    return Findings(
        record, metric, metric_title(record, metric), estimated, true, comparison, grouping, _gains(record, metric),
        stability,
    )  # fmt: skip


def stability_of(record: RunRecord) -> Stability | None:
    """How firmly the groups of a run hold when its affinities are drawn anew; None for groups that cannot change, or
    where there is nothing to draw from."""
    grouping, affinity = record.grouping, record.affinity()
    if grouping is None or affinity is None or grouping.n_groups in (1, affinity.n_tasks):
        return None
    source = drawn_from(record, affinity)
    if source is None:
        return None
    from gradtag_core.grouping.stability import bootstrap_stability

    return bootstrap_stability(source, record.config.metric, grouping.n_groups)


def drawn_from(record: RunRecord, affinity: AffinityMatrix) -> SubsetScores | AffinityMatrix | None:
    """What the affinities of a run are drawn anew from: its scores, or the standard errors of its additive model; None
    where a pair of tasks has neither."""
    known = np.isfinite(affinity.values)
    if record.is_joined:
        known &= np.isfinite(affinity.standard_errors) | np.eye(affinity.n_tasks, dtype=bool)
    if not known.all():
        return None
    return affinity if record.is_joined else record.estimated


def metric_title(record: RunRecord, metric: Metric) -> str:
    """What a score measures; a run whose tasks have no accuracy has some with numeric targets."""
    if "accuracy" not in record.metrics:
        return {"loss": "negated loss", "auc": "concordance (share of pairs in the right order)"}.get(
            metric, METRIC_TITLES[metric]
        )
    return METRIC_TITLES[metric]


def _gains(record: RunRecord, metric: Metric) -> Gains | None:
    if record.group_scores is None:
        return None
    gains = Gains(*record.group_scores.of(metric))
    return gains if len(gains.by_task) else None


def _same_groups(first: Grouping, second: Grouping | None) -> bool:
    return second is not None and np.array_equal(first.labels, second.labels)
