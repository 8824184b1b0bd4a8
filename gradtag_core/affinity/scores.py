"""The scores f(S, t) of subsets of tasks, estimated or really trained, in one type."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import METRICS, Metric
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput

Source = Literal["estimated", "trained"]


@dataclass(frozen=True)
class SubsetScores:
    """One row per (subset, task of it, seed), on the validation split; higher is better for every metric, NaN where a
    metric is not defined for the kind of the task.

    `subsets`: task indices; `subset`, `task`, `seed`: (E,) integers, `subset` indexing `subsets`;
    `values`: (E, metrics) in the order of `config.METRICS`.
    """

    task_names: tuple[str, ...]
    subsets: tuple[Subset, ...]
    subset: np.ndarray
    task: np.ndarray
    seed: np.ndarray
    values: np.ndarray
    source: Source
    cost: Cost

    @classmethod
    def of_seed(
        cls, task_names: tuple[str, ...], subsets: Sequence[Subset], values: np.ndarray,
        seed: int, source: Source, cost: Cost,
    ) -> "SubsetScores":  # fmt: skip
        """From the values of one seed, subset after subset and in each task after task: (sum of sizes, metrics)."""
        sizes = [len(subset) for subset in subsets]
        return cls(
            task_names, tuple(subsets), np.repeat(np.arange(len(subsets)), sizes),
            np.concatenate([np.asarray(subset) for subset in subsets]),
            np.full(sum(sizes), seed), values, source, cost,
        )  # fmt: skip

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(np.unique(self.seed).tolist())

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those that are defined for every task."""
        return defined_metrics(self.values)

    def of(self, metric: Metric) -> np.ndarray:
        """The scores of one metric: (E,)."""
        return self.values[:, METRICS.index(metric)]

    def only(self, keep: np.ndarray) -> "SubsetScores":
        """The rows where `keep` (E,) is true; `subsets` stays whole so that indices keep their meaning."""
        return replace(
            self,
            subset=self.subset[keep],
            task=self.task[keep],
            seed=self.seed[keep],
            values=self.values[keep],
        )

    def of_seed_only(self, seed: int) -> "SubsetScores":
        return self.only(self.seed == seed)

    def of_subsets(self, wanted: Sequence[Subset]) -> "SubsetScores":
        """The rows whose subset is among `wanted`."""
        members = set(wanted)
        keep = np.array([subset in members for subset in self.subsets])
        return self.only(keep[self.subset])

    def mean_over_seeds(self) -> pd.DataFrame:
        """Columns subset, task and one per metric: the mean over seeds (the paper's average over M)."""
        frame = pd.DataFrame(self.values, columns=list(METRICS))
        frame.insert(0, "task", self.task)
        frame.insert(0, "subset", self.subset)
        mean = frame.groupby(["subset", "task"]).mean()
        return pd.DataFrame(mean).reset_index()

    def to_table(self) -> pd.DataFrame:
        """The table that is stored and downloaded: members as task indices joined by spaces."""
        members = np.array([" ".join(map(str, subset)) for subset in self.subsets], dtype=object)
        frame = pd.DataFrame(self.values, columns=list(METRICS))
        frame.insert(0, "seed", self.seed)
        frame.insert(0, "task", np.array(self.task_names, dtype=object)[self.task])
        frame.insert(0, "members", members[self.subset])
        frame.insert(0, "subset", self.subset)
        return frame

    @classmethod
    def from_table(
        cls, table: pd.DataFrame, task_names: tuple[str, ...], source: Source, cost: Cost
    ) -> "SubsetScores":
        """The inverse of `to_table`; raises `InvalidInput` for a table that does not fit the task names."""
        missing = [name for name in ("subset", "members", "task", "seed", *METRICS) if name not in table]
        unknown = sorted(set(table["task"]) - set(task_names)) if "task" in table else []
        if missing or unknown:
            raise InvalidInput(
                f"The table of scores lacks the columns {missing} or names unknown tasks {unknown}."
            )
        first = table.drop_duplicates("subset").sort_values("subset")
        subsets = tuple(tuple(int(part) for part in text.split()) for text in first["members"])
        renumbered = np.searchsorted(first["subset"].to_numpy(), table["subset"].to_numpy())
        number = {name: index for index, name in enumerate(task_names)}
        return cls(
            task_names, subsets, renumbered, np.array([number[name] for name in table["task"]], dtype=np.int64),
            table["seed"].to_numpy(), table[list(METRICS)].to_numpy(dtype=np.float64), source, cost,
        )  # fmt: skip

    def join(self, other: "SubsetScores") -> "SubsetScores":
        """Both tables as one: other seeds of the same subsets, or other subsets of the same suite."""
        if self.task_names != other.task_names or self.source != other.source:
            raise InvalidInput("Only scores of the same tasks and of one source can be joined.")
        position = {subset: index for index, subset in enumerate(self.subsets)}
        new = [subset for subset in other.subsets if subset not in position]
        position.update({subset: len(self.subsets) + index for index, subset in enumerate(new)})
        renumber = np.array([position[subset] for subset in other.subsets], dtype=np.int64)
        return SubsetScores(
            self.task_names, (*self.subsets, *new),
            np.concatenate([self.subset, renumber[other.subset]]), np.concatenate([self.task, other.task]),
            np.concatenate([self.seed, other.seed]), np.concatenate([self.values, other.values]),
            self.source, self.cost + other.cost,
        )  # fmt: skip


def defined_metrics(values: np.ndarray) -> tuple[Metric, ...]:
    """The metrics that all of some scores (E, metrics) have. A training that diverged has no loss either, and hides
    none."""
    undefined = np.isnan(values) & np.isfinite(values[:, [METRICS.index("loss")]])
    return tuple(metric for column, metric in enumerate(METRICS) if not undefined[:, column].any())


def scores_to_json(values: np.ndarray) -> list:
    """Scores (..., metrics) as lists, with None for a metric that a task does not have; JSON knows no NaN.

    `np.array(found, dtype=np.float64)` is the inverse. NaN stays, for JSON to refuse, where the loss is none either.
    """
    undefined = np.isnan(values) & np.isfinite(values[..., [METRICS.index("loss")]])
    listed = values.astype(object)
    listed[undefined] = None
    return listed.tolist()
