"""What a study leaves behind: one folder that explains itself, readable on any machine.

study.json           configuration, command, provenance, and of each method and seed its groups, choices and cost
scores.parquet       a row per method, seed, split and task, a column per metric
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from gradtag_core.affinity.scores import defined_metrics
from gradtag_core.config import METRICS, Metric
from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.evaluation.pareto import MethodRecord, summarise
from gradtag_core.methods.protocol import MethodResult
from gradtag_core.runs.files import read_table, write_table
from gradtag_core.runs.work_record import WorkRecord
from gradtag_core.study_config import StudyConfig, make_study_config

if TYPE_CHECKING:
    from pandas import DataFrame

SCORES = "scores.parquet"
SPLITS = ("validation", "test")

Results = dict[str, dict[int, MethodResult]]


@dataclass(frozen=True)
class StudySummary:
    """The content of study.json but for the results.

    `left_out` and `failed` say, by name, why a method does not apply and what went wrong with one; `planned` are the
    methods of the study, in order. `places`: how many results other processes made, by process.
    """

    id: str
    name: str
    suite: str
    command: str
    created: float
    config: dict[str, Any]
    task_names: tuple[str, ...]
    fingerprint: str
    versions: dict[str, str]
    device: str
    planned: tuple[str, ...]
    naive_flops: float
    seconds: float = 0.0
    left_out: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)


class StudyRecord(WorkRecord):
    """A study's folder, read lazily; results may be missing while the study is at work."""

    kind = "study"

    @cached_property
    def summary(self) -> StudySummary:
        fields = self._fields
        try:
            return StudySummary(**{
                **fields, "task_names": tuple(fields["task_names"]), "planned": tuple(fields["planned"])
            })  # fmt: skip
        except (KeyError, TypeError) as error:
            raise StoreError(f"`{self._path}` is not the summary of a study: {error}.") from error

    @cached_property
    def config(self) -> StudyConfig:
        return make_study_config(**self.summary.config)

    @cached_property
    def results(self) -> Results:
        """The result of each method and seed that is done, in the order in which they were planned."""
        if not self._content["results"]:
            return {}
        scores = read_table(self.folder / SCORES)
        parts: dict[Any, DataFrame] = dict(iter(scores.groupby(["method", "seed", "split"], observed=True)))
        found: Results = {name: {} for name in self.summary.planned}
        try:
            for stored in self._content["results"]:
                method, seed = stored["method"], stored["seed"]
                values = {
                    split: parts[(method, seed, split)].sort_values("task")[list(METRICS)].to_numpy()
                    for split in SPLITS
                }
                names = {"task_names": self.summary.task_names}
                found[method][seed] = MethodResult.from_json({**stored, **values, **names})
        except (KeyError, TypeError, InvalidInput) as error:
            raise StoreError(f"The results in `{self.folder}` do not fit together: {error}.") from error
        return {method: dict(sorted(own.items())) for method, own in found.items() if own}

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those in which the methods can be compared: a task with numeric targets has no F1, say."""
        scores = [result.test for own in self.results.values() for result in own.values()]
        return defined_metrics(np.concatenate(scores)) if scores else METRICS

    def records(self, metric: Metric | None = None) -> list[MethodRecord]:
        """A record per method with results, in the study's metric or in another; every metric was scored."""
        listed = {method: list(own.values()) for method, own in self.results.items()}
        return summarise(listed, metric or self.config.metric)

    def groups(self, method: str) -> list[list[str]] | None:
        """The groups of a method at its first seed by the tasks' names; None where it has none."""
        result = next(iter(self.results.get(method, {}).values()), None)
        if result is None:
            raise InvalidInput(f"`method` must have results in the study; found `{method}`.")
        if result.groups is None:
            return None
        return [[self.summary.task_names[task] for task in group] for group in result.groups]

    def write(self, summary: StudySummary, results: Mapping[str, Mapping[int, MethodResult]]) -> None:
        """Replace what the folder holds; the scores come first, since study.json says which there are."""
        done = [(seed, result) for own in results.values() for seed, result in own.items()]
        if done:
            write_table(self.folder / SCORES, _scores(done))
        listed = [
            {"seed": seed, **{name: value for name, value in result.to_json().items() if name not in
                              ("task_names", *SPLITS)}}
            for seed, result in done
        ]  # fmt: skip
        self._replace(asdict(summary), listed)

    def write_seconds(self, seconds: float) -> None:
        """Note how long the study took, over all its sessions."""
        self.write(replace(self.summary, seconds=seconds), self.results)


def _scores(done: Sequence[tuple[int, MethodResult]]) -> DataFrame:
    from pandas import DataFrame, concat

    tables = [
        DataFrame(getattr(result, split), columns=list(METRICS)).assign(
            method=result.method, seed=seed, split=split, task=np.arange(len(result.task_names))
        )
        for (seed, result), split in product(done, SPLITS)
    ]
    return concat(tables, ignore_index=True).reindex(columns=["method", "seed", "split", "task", *METRICS])
