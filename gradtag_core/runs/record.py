"""What a run leaves behind: one folder that explains itself, readable on any machine.

run.json             configuration, command, provenance and costs; its presence makes the folder a run
estimated.parquet    estimated scores of every subset (affinity.scores.SubsetScores.to_table)
gradients.parquet    the gradient estimates behind them, by base model, where small models were trained too
proxies.parquet      the scores of small models behind them, if any
trained.parquet      scores of the really trained subsets, if any
arrays.safetensors   base_scores (n, metrics), label_similarity (n, n), train_sizes (n,), and of the additive model,
                     if any, standard_errors (metrics, n, n)
grouping.json        the grouping (grouping.result.Grouping.to_json)
groups.json          test scores of one model per group, and of one model for all tasks
linearisation.json   how well the base model's first-order expansion tells fine-tuned models, where that was asked
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gradtag_core.affinity.matrix import AffinityMatrix, average
from gradtag_core.affinity.scores import Source, SubsetScores, scores_to_json
from gradtag_core.config import METRICS, Metric, RunConfig, read_config
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput, StoreError, quoted
from gradtag_core.evaluation.comparison import Comparison, Evidence, compare
from gradtag_core.evaluation.linearisation import LinearisationTable
from gradtag_core.grouping.result import Grouping
from gradtag_core.runs.files import read_arrays, read_json, read_table, write_arrays, write_json, write_table
from gradtag_core.runs.stages import ESTIMATE_STAGES, Stage

RUN, ARRAYS, GROUPING, GROUPS = "run.json", "arrays.safetensors", "grouping.json", "groups.json"
LINEARISATION = "linearisation.json"
Table = Literal["estimated", "gradients", "proxies", "trained"]
SOURCES: dict[Table, Source] = {
    "estimated": "estimated", "gradients": "estimated", "proxies": "trained", "trained": "trained",
}  # fmt: skip
TABLE_STAGES: dict[Table, tuple[Stage, ...]] = {
    "estimated": ESTIMATE_STAGES,
    "gradients": ("train", "featurize", "regress"),
    "proxies": ("proxies",),
    "trained": ("truth",),
}
FORMAT = 2


@dataclass(frozen=True)
class GroupScores:
    """Test scores (n, metrics) of each task by its group's model, and by one model trained on all tasks; NaN for a
    metric that a task does not have."""

    grouped: np.ndarray
    together: np.ndarray
    cost: Cost

    def of(self, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
        """(grouped, together) in one metric: (n,) each."""
        column = METRICS.index(metric)
        return self.grouped[:, column], self.together[:, column]


@dataclass(frozen=True)
class Summary:
    """The content of run.json.

    `costs` by stage; `full_training_flops` of training every subset once; `captured_energy`: the share of the
    gradients' squared length that the projection keeps on validation rows, averaged over the base models. `n_subsets`
    were estimated, and `row_spearman` is against real training in the run's metric: lists of runs need both at once.
    `places`: how many units other processes made, by process; empty where the run's own made all.
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
    full_training_flops: float
    seconds: float = 0.0
    captured_energy: float | None = None
    costs: dict[str, Cost] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    n_subsets: int | None = None
    row_spearman: float | None = None
    places: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], place: Path) -> Summary:
        if values.get("format") != FORMAT:
            raise StoreError(
                f"`{place}` must have `format` {FORMAT}; found {values.get('format')!r}. "
                "It was written by another version."
            )
        try:
            fields = {name: value for name, value in values.items() if name != "format"}
            costs = {stage: Cost(**cost) for stage, cost in fields.pop("costs").items()}
            names, warnings = tuple(fields.pop("task_names")), tuple(fields.pop("warnings"))
            return cls(**fields, costs=costs, task_names=names, warnings=warnings)
        except (KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"`{place}` is not the summary of a run: {error}.") from error


class RunRecord:
    """A run's folder, read lazily; every property that a run has not reached yet is None."""

    def __init__(self, folder: Path):
        self.folder = folder

    @cached_property
    def summary(self) -> Summary:
        path = self.folder / RUN
        return Summary.from_json(read_json(path), path)

    @property
    def has_summary(self) -> bool:
        return (self.folder / RUN).is_file()

    @cached_property
    def config(self) -> RunConfig:
        return read_config(self.summary.config)

    @cached_property
    def estimated(self) -> SubsetScores | None:
        return self._scores("estimated")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those in which the run can be looked at: a task with numeric targets has no F1, say."""
        return self.estimated.metrics if self.estimated else METRICS

    @cached_property
    def gradients(self) -> SubsetScores | None:
        """The gradient estimates of each base model, where the run joined them with small models."""
        return self._scores("gradients")

    @cached_property
    def proxies(self) -> SubsetScores | None:
        """The scores of small models, really trained."""
        return self._scores("proxies")

    @property
    def is_joined(self) -> bool:
        """Whether an additive model joined the estimate, which gives it standard errors of its own."""
        return self._table_path("proxies").is_file()

    @cached_property
    def trained(self) -> SubsetScores | None:
        return self._scores("trained")

    def _scores(self, table: Table) -> SubsetScores | None:
        path = self._table_path(table)
        if not path.is_file():
            return None
        cost = sum((self.summary.costs.get(stage, Cost()) for stage in TABLE_STAGES[table]), Cost())
        return SubsetScores.from_table(read_table(path), self.summary.task_names, SOURCES[table], cost)

    def _table_path(self, table: Table) -> Path:
        return self.folder / f"{table}.parquet"

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        return read_arrays(self.folder / ARRAYS)[0]

    @cached_property
    def grouping(self) -> Grouping | None:
        path = self.folder / GROUPING
        return Grouping.from_json(read_json(path)) if path.is_file() else None

    @cached_property
    def group_scores(self) -> GroupScores | None:
        path = self.folder / GROUPS
        if not path.is_file():
            return None
        values = read_json(path)
        grouped, together = (np.array(values[name], dtype=np.float64) for name in ("grouped", "together"))
        return GroupScores(grouped, together, Cost(**values["cost"]))

    @cached_property
    def linearisation(self) -> LinearisationTable | None:
        path = self.folder / LINEARISATION
        return LinearisationTable.from_json(read_json(path)) if path.is_file() else None

    def affinity(self, metric: Metric | None = None) -> AffinityMatrix | None:
        """The estimated affinity in the run's metric or in another; every metric that all tasks have was scored, and
        one that they have not is an `InvalidInput`.

        The standard errors are the additive model's, where the run has one, else those over subsets.
        """
        if self.estimated is None:
            return None
        chosen = self._chosen(metric)
        affinity = average(self.estimated, chosen)
        errors = self._arrays.get("standard_errors")
        return (
            affinity if errors is None else replace(affinity, standard_errors=errors[METRICS.index(chosen)])
        )

    def true_affinity(self, metric: Metric | None = None) -> AffinityMatrix | None:
        return average(self.trained, self._chosen(metric)) if self.trained else None

    def comparison(self, metric: Metric | None = None) -> Comparison | None:
        """The estimate against the truth, with its reference lines; None without real training."""
        if self.estimated is None or self.trained is None:
            return None
        costs = self.summary.costs
        evidence = Evidence(
            self._arrays["base_scores"], self._arrays["label_similarity"], self.estimated.cost.flops,
            costs["train"].flops if "train" in costs else 0.0, self.summary.full_training_flops,
            self._arrays["train_sizes"], self.gradients, self.proxies,
        )  # fmt: skip
        return compare(self.estimated, self.trained, evidence, self._chosen(metric))

    def _chosen(self, metric: Metric | None) -> Metric:
        chosen = metric or self.config.metric
        if chosen not in self.metrics:
            raise InvalidInput(
                f"`metric` must be one that every task of the run has, {quoted(self.metrics)}; found `{chosen}`."
            )
        return chosen

    def write_summary(self, summary: Summary) -> None:
        write_json(self.folder / RUN, summary.to_json())
        self.__dict__.pop("summary", None)

    def write_scores(self, scores: SubsetScores, table: Table | None = None) -> None:
        """Under the name of their source unless `table` names another."""
        table = table or scores.source
        write_table(self._table_path(table), scores.to_table())
        self.__dict__.pop(table, None)

    def write_arrays(self, **arrays: np.ndarray) -> None:
        """The arrays that the head of this file lists."""
        write_arrays(self.folder / ARRAYS, arrays)
        self.__dict__.pop("_arrays", None)

    def write_grouping(self, grouping: Grouping) -> None:
        write_json(self.folder / GROUPING, grouping.to_json())
        self.__dict__.pop("grouping", None)

    def write_group_scores(self, scores: GroupScores) -> None:
        values = {
            "grouped": scores_to_json(scores.grouped),
            "together": scores_to_json(scores.together),
            "cost": scores.cost.to_json(),
        }
        write_json(self.folder / GROUPS, values)
        self.__dict__.pop("group_scores", None)

    def write_linearisation(self, table: LinearisationTable) -> None:
        write_json(self.folder / LINEARISATION, table.to_json())
        self.__dict__.pop("linearisation", None)
