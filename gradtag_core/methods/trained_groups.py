"""The end that methods share: train one model per group and score each task with the model that serves it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import METRICS
from gradtag_core.cost import Cost, Meter
from gradtag_core.errors import InvalidInput
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.tasks.suite import Split
from gradtag_core.training.stacked import fit_many, score_many


@dataclass(frozen=True, eq=False)
class TrainedGroups:
    """The groups, the one that serves each task (n,), and the scores of all tasks: (n, metrics)."""

    groups: tuple[Subset, ...]
    served_by: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def result(self, setting: Setting, method: str, cost: Cost, sample: str | None = None) -> MethodResult:
        return MethodResult(
            method, setting.suite.task_names, self.validation, self.test, cost, self.groups, self.served_by,
            estimated=sample is not None, sample=sample,
        )  # fmt: skip


def train_groups(
    setting: Setting, groups: Sequence[Subset], meter: Meter, served_by: np.ndarray | None = None
) -> TrainedGroups:
    """Train each group from scratch; the only place where a grouping method reads the test split.

    `served_by` (n,) None: groups are a partition. FLOPs of the trainings go to `meter`; what is counted leaves the
    last scoring out, which judges a method and is no part of it.
    """
    groups = tuple(tuple(sorted(group)) for group in groups)
    served_by = _only_group_of_each(groups, setting.suite.n_tasks) if served_by is None else served_by
    shape = (setting.suite.n_tasks, len(METRICS))
    scores: dict[Split, np.ndarray] = {"validation": np.full(shape, np.nan), "test": np.full(shape, np.nan)}
    work = [(group, setting.seed) for group in groups]
    stacks = fit_many(setting.trainer, work, setting.recipe, setting.reporter)
    for stack in stacks:
        models, members = list(stack.values()), [groups[position] for position in stack]
        meter.flops += sum(model.cost.flops for model in models)
        for split in scores:
            found = score_many(setting.trainer, models, members, split)
            for position, group, values in zip(stack, members, found, strict=True):
                own = [column for column, task in enumerate(group) if served_by[task] == position]
                scores[split][[group[column] for column in own]] = values[own]
    return TrainedGroups(groups, served_by, scores["validation"], scores["test"])


def as_groups(labels: np.ndarray) -> list[Subset]:
    """The tasks of each group of a partition given as labels (n,)."""
    return [tuple(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)]


def _only_group_of_each(groups: Sequence[Subset], n_tasks: int) -> np.ndarray:
    members = [task for group in groups for task in group]
    if sorted(members) != list(range(n_tasks)):
        raise InvalidInput(f"`groups` must hold each of the {n_tasks} tasks once; found {list(groups)}.")
    served_by = np.empty(n_tasks, dtype=np.int64)
    for position, group in enumerate(groups):
        served_by[list(group)] = position
    return served_by
