"""What a cell of a sweep found, in the measures in which cells are compared, each with its standard error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.evaluation.agreement import spearman_by_row
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.stages import ESTIMATE_STAGES

Measure = Literal[
    "row_spearman", "share_of_ceiling", "gain", "agreement", "adjusted_rand", "gap", "density", "n_groups", "flops",
    "seconds",
]  # fmt: skip
ByTask = tuple[float | None, ...]
CERTAIN = 2.0  # standard errors by which a cell must be worse to be told apart from the best one


@dataclass(frozen=True)
class MeasureFacts:
    """`better`: which end is the best, None where neither is. `signed`: zero means no effect."""

    title: str
    help: str
    better: Literal["high", "low"] | None = None
    signed: bool = False


MEASURES: Mapping[Measure, MeasureFacts] = {
    "row_spearman": MeasureFacts(
        "row Spearman", "How well the estimate ranks the co-tasks of each task, against real training; needs truth.",
        "high",
    ),
    "share_of_ceiling": MeasureFacts(
        "share of the ceiling", "The row Spearman as a share of what the noise of real training lets one reach.",
        "high",
    ),
    "gain": MeasureFacts(
        "mean test gain", "What training each group by itself gains over one model for all tasks, averaged over tasks.",
        "high", signed=True,
    ),
    "agreement": MeasureFacts(
        "agreement with the base cell", "Row Spearman of the affinity with that of the base cell: 1 ranks the same.",
    ),
    "adjusted_rand": MeasureFacts(
        "groups as in the base cell", "Adjusted Rand index of the groups with those of the base cell: 1 is the same "
        "groups, 0 is chance.",
    ),
    "gap": MeasureFacts("gap of the grouping", "The share of the possible lead over random groups that may be missing.",
                        "low"),
    "density": MeasureFacts("density of the grouping", "The average affinity within groups, in units of the metric."),
    "n_groups": MeasureFacts("number of groups", "Groups that were formed."),
    "flops": MeasureFacts("work of the estimate", "FLOPs of the estimate, found in the cache or not.", "low"),
    "seconds": MeasureFacts(
        "seconds of the estimate", "Computing time of the estimate, when its parts were first computed.", "low",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class CellResult:
    """The results of a cell; by task where tasks have a value each (None: a task without one).

    `spearman`: the rank correlation of each task's co-tasks with real training, and the noise `ceiling` of their mean;
    `gains`: test score by its group's model minus that by one model for all; `agreement` with the base cell's affinity
    and `adjusted_rand` with its groups, None where the base cell has neither.
    """

    flops: float
    seconds: float
    n_groups: int
    density: float
    gap: float
    spearman: ByTask | None = None
    ceiling: float | None = None
    gains: ByTask | None = None
    agreement: ByTask | None = None
    adjusted_rand: float | None = None

    def by_task(self, measure: Measure) -> np.ndarray | None:
        """(n,) values, NaN for a task without one; None where the measure has none by task, or none at all."""
        values = {"gain": self.gains, "agreement": self.agreement}.get(measure)
        if measure in ("row_spearman", "share_of_ceiling"):
            values = self.spearman if measure == "row_spearman" or self.ceiling else None
        if values is None:
            return None
        found = np.array([np.nan if value is None else value for value in values])
        return found / self.ceiling if measure == "share_of_ceiling" and self.ceiling else found

    def value(self, measure: Measure) -> tuple[float | None, float | None]:
        """(value, standard error over tasks); None for what there is not."""
        by_task = self.by_task(measure)
        if by_task is not None:
            return _mean_and_error(by_task)
        plain = {
            "adjusted_rand": self.adjusted_rand, "gap": self.gap, "density": self.density, "n_groups": self.n_groups,
            "flops": self.flops, "seconds": self.seconds,
        }.get(measure)  # fmt: skip
        return (None if plain is None else float(plain)), None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> CellResult:
        values: dict[str, Any] = {field.name: stored[field.name] for field in fields(cls)}
        by_task = {name: tuple(found) for name, found in values.items() if isinstance(found, list)}
        return cls(**{**values, **by_task})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def cell_result(record: RunRecord, base: RunRecord | None) -> CellResult:
    """The results of a finished cell; `base` is the record of the base cell (None: it failed).

    A cell with fewer tasks is compared on those it has: they are the first ones.
    """
    affinity, grouping, metric = record.affinity(), record.grouping, record.config.metric
    if affinity is None or grouping is None:
        raise InvalidInput(f"`record` must be a finished run; found none in `{record.folder}`.")
    comparison, gains = record.comparison(), None
    if record.group_scores is not None:
        grouped, together = record.group_scores.of(metric)
        gains = _stored(grouped - together)
    costs = [cost for stage, cost in record.summary.costs.items() if stage in ESTIMATE_STAGES]
    agreement = rand = None
    base_affinity = base.affinity() if base else None
    if base is not None and base_affinity is not None and base.grouping is not None:
        n = min(affinity.n_tasks, base_affinity.n_tasks)
        agreement = _stored(spearman_by_row(affinity.values[:n, :n], base_affinity.values[:n, :n]))
        rand = _adjusted_rand(grouping.labels[:n], base.grouping.labels[:n])
    return CellResult(
        sum(cost.flops for cost in costs), sum(cost.seconds for cost in costs),
        grouping.n_groups, float(grouping.density), float(grouping.gap),
        None if comparison is None else _stored(comparison.by_task),
        None if comparison is None else comparison.ceiling, gains, agreement, rand,
    )  # fmt: skip


@dataclass(frozen=True)
class Surface:
    """One measure over the cells of a grid, row by row: NaN where a cell has no value, and no error known.

    `best`: the position of the best cell, None where the measure has no better end; `alike`: the cells that are less
    than two standard errors of the difference from it, task by task, so that they cannot be told apart.
    """

    values: np.ndarray
    errors: np.ndarray
    best: int | None
    alike: tuple[int, ...]


def surface(results: Mapping[int, CellResult], n_cells: int, measure: Measure) -> Surface:
    """The measure in each of the cells, by position; those without a result are missing."""
    if measure not in MEASURES:
        raise InvalidInput(f"`measure` must be one of {quoted(tuple(MEASURES), 99)}; found `{measure}`.")
    values, errors = np.full(n_cells, np.nan), np.full(n_cells, np.nan)
    for index, result in results.items():
        value, error = result.value(measure)
        values[index] = np.nan if value is None else value
        errors[index] = np.nan if error is None else error
    better = MEASURES[measure].better
    if better is None or not np.isfinite(values).any():
        return Surface(values, errors, None, ())
    best = int(np.nanargmax(values) if better == "high" else np.nanargmin(values))
    alike = tuple(
        index for index in sorted(results)
        if index != best and np.isfinite(values[index]) and _cannot_tell(results[best], results[index], measure)
    )  # fmt: skip
    return Surface(values, errors, best, alike)


def _cannot_tell(best: CellResult, other: CellResult, measure: Measure) -> bool:
    """Whether two cells differ by less than `CERTAIN` standard errors of the mean difference over their tasks."""
    first, second = best.by_task(measure), other.by_task(measure)
    if first is None or second is None:
        return best.value(measure)[0] == other.value(measure)[0]
    n = min(len(first), len(second))
    difference, error = _mean_and_error(first[:n] - second[:n])
    return difference is None or error is None or abs(difference) <= CERTAIN * error


def _mean_and_error(by_task: np.ndarray) -> tuple[float | None, float | None]:
    known = by_task[np.isfinite(by_task)]
    if not len(known):
        return None, None
    return float(known.mean()), float(known.std() / np.sqrt(len(known))) if len(known) > 1 else None


def _adjusted_rand(labels: np.ndarray, others: np.ndarray) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(others, labels))


def _stored(values: Sequence[float] | np.ndarray) -> ByTask:
    return tuple(float(value) if np.isfinite(value) else None for value in values)
