"""A task suite: n tasks over one data set, with their splits."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.tasks.suite_checks import require_simple_graph, require_usable_inputs, require_usable_labels

Split = Literal["train", "validation", "test"]
Modality = Literal["table", "graph", "image", "text"]
TaskKind = Literal["binary", "multiclass", "regression"]
UNLABELLED = -1  # where all tasks are binary; else a label that is not known is NaN


@dataclass(frozen=True)
class SplitRule:
    """Per task and per class, the share of examples for training and validation (test is the rest) and the caps.

    A cap is the largest number of examples of one class of one task that a split keeps (None: all).
    The shares are the paper's (10 % and 20 %, section 5.1).
    """

    train: float = 0.1
    validation: float = 0.2
    cap_train: int | None = None
    cap_validation: int | None = None
    cap_test: int | None = None

    def __post_init__(self) -> None:
        if not (0 < self.train < 1 and 0 < self.validation < 1 and self.train + self.validation < 1):
            raise InvalidInput(
                "`train` and `validation` must be shares above 0 that leave something for the test split; "
                f"found {self.train} and {self.validation}."
            )
        for name in ("cap_train", "cap_validation", "cap_test"):
            cap = getattr(self, name)
            if cap is not None and cap < 1:
                raise InvalidInput(f"`{name}` must be at least 1, or None for no cap; found {cap}.")


@dataclass(frozen=True)
class Rows:
    """(example, task) pairs with their labels, task after task: the unit of gradients and regressions.

    Arrays of one length: `example` (row of the suite's inputs), `task` (index into the suite), `label` (float32: 0 or
    1, the number of a class, or a target).
    """

    example: np.ndarray
    task: np.ndarray
    label: np.ndarray

    def __len__(self) -> int:
        return len(self.example)

    def of_task(self, task: int) -> slice:
        """Where the rows of one task stand; they are contiguous."""
        start, stop = np.searchsorted(self.task, [task, task + 1])
        return slice(int(start), int(stop))


@dataclass(frozen=True)
class SubsetData:
    """The examples of a split that any task of a subset uses, each once.

    `examples` (E,), `labels` (E, s) float32, zero where not labelled, `mask` (E, s): whether the split of that task
    holds the example.
    """

    examples: np.ndarray
    labels: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class TaskSuite:
    """n tasks that share their inputs.

    `inputs`, one row per example: float32 (E, features), (E, hops + 1, features) for a graph whose features were
    propagated or (E, channels, height, width) for images, or texts, (E,) of numpy's `StringDType`. `kinds` of the
    tasks (empty: all binary). `labels` (E, n): where all tasks are binary, int8 1, 0 or -1 for "not labelled"; else
    float32 with 0 or 1, the number of a class from 0, or a target, and NaN for "not labelled". `order`: a permutation
    of the examples, stored with the data, that decides all splits: of each class of each task (of all rows, where a
    task is a regression), the first ones in this order train, the next validate. A shared order makes tasks share
    training examples, and an example that trains one task rarely tests another. `edges`: where the examples are nodes
    of an undirected graph, int64 (edges, 2), pairs of different examples, each pair once (None: no graph). `choices`:
    where each task is an instruction to a language model, its answers by class.
    """

    name: str
    task_names: tuple[str, ...]
    inputs: np.ndarray
    labels: np.ndarray
    order: np.ndarray
    split_rule: SplitRule = field(default_factory=SplitRule)
    edges: np.ndarray | None = None
    kinds: tuple[TaskKind, ...] = ()
    choices: tuple[tuple[str, ...], ...] | None = None

    def __post_init__(self) -> None:
        if self.labels.ndim != 2 or self.order.dtype.kind not in "iu":
            raise InvalidInput(
                f"`labels` must have two axes and `order` be integers; found {self.labels.ndim} axes and "
                f"{self.order.dtype}."
            )
        n_tasks = self.labels.shape[1]
        if len(self.task_names) != n_tasks or len(set(self.task_names)) != n_tasks:
            raise InvalidInput(
                f"`task_names` must be {n_tasks} different names; found {len(self.task_names)}, "
                f"{len(set(self.task_names))} of them different."
            )
        object.__setattr__(self, "kinds", self.kinds or ("binary",) * n_tasks)
        if not np.array_equal(np.sort(self.order), np.arange(self.n_examples)):
            raise InvalidInput(f"`order` must be a permutation of the {self.n_examples} examples.")
        require_usable_inputs(self.inputs, self.n_examples)
        require_usable_labels(self.labels, self.kinds, self.task_names)
        if self.edges is not None:
            require_simple_graph(self.edges, self.n_examples)
        if self.choices is not None and [len(own) for own in self.choices] != [*self.classes]:
            raise InvalidInput(
                f"`choices` must hold one answer per class of each of the {n_tasks} tasks; found {self.choices}."
            )
        self._require_every_class()

    def _require_every_class(self) -> None:
        for task, name in enumerate(self.task_names):
            for label, members in reversed([*enumerate(self._strata(task))]):  # of two, the rarer one first
                found = len(members)
                n_train, n_validation = self._split_sizes(found)
                if found - n_train - n_validation < 1:
                    labelled = "" if self.kinds[task] == "regression" else f" labelled {label}"
                    split = f", of which {n_train} train and {n_validation} validate" if found else ""
                    raise InvalidInput(
                        f"Task `{name}` must have at least one example{labelled} in each split; "
                        f"found {found} examples{split}."
                    )

    def _split_sizes(self, n_of_class: int) -> tuple[int, int]:
        rule = self.split_rule
        return max(1, round(rule.train * n_of_class)), max(1, round(rule.validation * n_of_class))

    @property
    def modality(self) -> Modality:
        """What the examples are."""
        if self.inputs.ndim == 1:
            return "text"
        if self.inputs.ndim == 4:
            return "image"
        return "graph" if self.inputs.ndim == 3 or self.edges is not None else "table"

    @property
    def all_binary(self) -> bool:
        return all(kind == "binary" for kind in self.kinds)

    @cached_property
    def classes(self) -> tuple[int, ...]:
        """How many classes each task has; 0 for a regression."""
        highest = {
            task: np.nanmax(self.labels[:, task])
            for task, kind in enumerate(self.kinds)
            if kind == "multiclass"
        }
        fixed = {"binary": 2, "regression": 0}
        return tuple(
            int(highest[task]) + 1 if task in highest else fixed[kind] for task, kind in enumerate(self.kinds)
        )

    @property
    def outputs(self) -> tuple[int, ...]:
        """How many outputs a model has for each task: one per class of a multiclass task, else one."""
        return tuple(
            count if kind == "multiclass" else 1 for count, kind in zip(self.classes, self.kinds, strict=True)
        )

    @property
    def labelled(self) -> np.ndarray:
        """Which labels are known: (E, n)."""
        return self.labels != UNLABELLED if self.all_binary else ~np.isnan(self.labels)

    @property
    def n_tasks(self) -> int:
        return len(self.task_names)

    @property
    def n_examples(self) -> int:
        return len(self.labels)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of everything that can change a result."""
        # Features over hops follow from the edges, so these are hashed only where a model reads them itself.
        digest = hashlib.sha256()
        facts: list = [self.name, self.task_names, asdict(self.split_rule)]
        if not self.all_binary or self.choices is not None:
            facts += [self.kinds, self.choices]
        digest.update(json.dumps(facts).encode())
        for array in (self.inputs, self.labels, self.order.astype(np.int64)):
            if array.ndim == 1 and array.dtype.kind == "T":
                digest.update(json.dumps(array.tolist()).encode())
                continue
            digest.update(str((array.shape, array.dtype.str)).encode())
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)
        if self.edges is not None and self.inputs.ndim == 2:
            digest.update(np.ascontiguousarray(self.edges).view(np.uint8).data)
        return digest.hexdigest()[:32]

    @property
    def train_sizes(self) -> np.ndarray:
        """How many examples each task trains on: (n,)."""
        return np.array([len(self.indices("train", task)) for task in range(self.n_tasks)])

    def indices(self, split: Split, task: int) -> np.ndarray:
        """The examples of one split of one task, ascending."""
        key = (split, task)
        if key not in self._indices:
            self._indices[key] = np.sort(
                np.concatenate([self._of_stratum(split, members) for members in self._strata(task)])
            )
        return self._indices[key]

    @cached_property
    def _indices(self) -> dict[tuple[Split, int], np.ndarray]:
        return {}

    def _strata(self, task: int) -> list[np.ndarray]:
        """The labelled examples of a task that are split together, in `order`: one list per class, or one of all."""
        labels = self.labels[self.order, task]
        if self.kinds[task] == "regression":
            return [self.order[~np.isnan(labels)]]
        return [self.order[labels == label] for label in range(self.classes[task])]

    def _of_stratum(self, split: Split, ordered: np.ndarray) -> np.ndarray:
        if split not in get_args(Split):
            raise InvalidInput(f"`split` must be one of {quoted(get_args(Split))}; found `{split}`.")
        rule = self.split_rule
        n_train, n_validation = self._split_sizes(len(ordered))
        start, stop, cap = {
            "train": (0, n_train, rule.cap_train),
            "validation": (n_train, n_train + n_validation, rule.cap_validation),
            "test": (n_train + n_validation, len(ordered), rule.cap_test),
        }[split]
        return ordered[start:stop][:cap]

    def rows(self, split: Split, tasks: Sequence[int] | None = None) -> Rows:
        """All (example, task) rows of a split, of all tasks or of some, ordered by task."""
        chosen = sorted(self._checked(tasks)) if tasks is not None else range(self.n_tasks)
        examples = [self.indices(split, task) for task in chosen]
        task = np.repeat(np.asarray(chosen, dtype=np.int64), [len(part) for part in examples])
        example = np.concatenate(examples)
        return Rows(example, task, self.labels[example, task].astype(np.float32))

    def subset(self, split: Split, tasks: Sequence[int]) -> SubsetData:
        """The examples of a split that the tasks use, each once, with one column per task in the given order."""
        parts = [self.indices(split, task) for task in self._checked(tasks)]
        examples = np.unique(np.concatenate(parts))
        mask = np.zeros((len(examples), len(parts)), dtype=bool)
        for column, part in enumerate(parts):
            mask[np.searchsorted(examples, part), column] = True
        labels = np.where(mask, self.labels[examples][:, list(tasks)], 0).astype(np.float32)
        return SubsetData(examples, labels, mask)

    @cached_property
    def by_split(self) -> np.ndarray:
        """Every example once: those that some task trains on, then those of the other splits, then those of no use."""
        tasks = range(self.n_tasks)
        used = [self.indices(split, task) for split in get_args(Split) for task in tasks]
        examples = np.concatenate([*used, np.arange(self.n_examples)])
        return examples[np.sort(np.unique(examples, return_index=True)[1])]

    def _checked(self, tasks: Sequence[int]) -> Sequence[int]:
        if not len(tasks) or len(set(tasks)) < len(tasks) or not 0 <= min(tasks) <= max(tasks) < self.n_tasks:
            raise InvalidInput(
                f"`tasks` must be one or more different indices below {self.n_tasks}; found {list(tasks)}."
            )
        return tasks

    def select(self, tasks: int | Sequence[str]) -> "TaskSuite":
        """The suite with its first `tasks` tasks, or with the named ones; splits stay as they are."""
        if isinstance(tasks, int):
            if not 1 <= tasks <= self.n_tasks:
                raise InvalidInput(
                    f"`n_tasks` must be between 1 and the {self.n_tasks} tasks of `{self.name}`; found {tasks}."
                )
            columns = list(range(tasks))
        else:
            if isinstance(tasks, str) or not len(tasks):
                raise InvalidInput(f"`tasks` must be a list of one or more task names; found {tasks!r}.")
            unknown = [name for name in tasks if name not in self.task_names]
            if unknown:
                raise InvalidInput(f"Suite `{self.name}` has no task {quoted(unknown)}.")
            columns = [self.task_names.index(name) for name in tasks]
        if columns == list(range(self.n_tasks)):
            return self
        kinds = tuple(self.kinds[column] for column in columns)
        labels = np.ascontiguousarray(self.labels[:, columns])
        if not self.all_binary and set(kinds) == {"binary"}:
            labels = np.nan_to_num(labels, nan=UNLABELLED).astype(np.int8)
        return replace(
            self,
            task_names=tuple(self.task_names[column] for column in columns),
            labels=labels,
            kinds=kinds,
            choices=None if self.choices is None else tuple(self.choices[column] for column in columns),
        )
