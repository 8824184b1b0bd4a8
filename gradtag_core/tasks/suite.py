"""A task suite: n binary tasks over one data set, with their splits."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from gradtag_core.errors import InvalidInput, quoted

Split = Literal["train", "validation", "test"]
UNLABELLED = -1


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

    Arrays of one length: `example` (row of the suite's inputs), `task` (index into the suite), `label` (0 or 1).
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

    `examples` (E,), `labels` (E, s) in {0, 1}, `mask` (E, s): whether the split of that task holds the example.
    """

    examples: np.ndarray
    labels: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class TaskSuite:
    """n binary tasks that share their inputs.

    `inputs`: float32, (examples, features) or (examples, hops + 1, features) for a graph whose features were
    propagated; `labels`: int8, (examples, n), 1, 0 or -1 for "not labelled"; `order`: a permutation of the
    examples, stored with the data, that decides all splits: of each class of each task, the first ones in this
    order train, the next validate. A shared order makes tasks share training examples, and an example
    that trains one task rarely tests another. `edges`: where the examples are nodes of an undirected graph, int64
    (E, 2), pairs of different examples, each pair once (None: no graph).
    """

    name: str
    task_names: tuple[str, ...]
    inputs: np.ndarray
    labels: np.ndarray
    order: np.ndarray
    split_rule: SplitRule = field(default_factory=SplitRule)
    edges: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.labels.ndim != 2 or self.inputs.dtype != np.float32 or self.order.dtype.kind not in "iu":
            raise InvalidInput(
                "`labels` must have two axes, `inputs` be float32 and `order` integers; found "
                f"{self.labels.ndim} axes, {self.inputs.dtype} and {self.order.dtype}."
            )
        examples, n_tasks = self.labels.shape
        if self.inputs.ndim not in (2, 3) or len(self.inputs) != examples:
            raise InvalidInput(
                f"`inputs` must have one row for each of the {examples} rows of `labels` and two or three "
                f"axes; found shape {self.inputs.shape}."
            )
        if len(self.task_names) != n_tasks or len(set(self.task_names)) != n_tasks:
            raise InvalidInput(
                f"`task_names` must be {n_tasks} different names; found {len(self.task_names)}, "
                f"{len(set(self.task_names))} of them different."
            )
        if not np.array_equal(np.sort(self.order), np.arange(examples)):
            raise InvalidInput(f"`order` must be a permutation of the {examples} examples.")
        if not np.isfinite(self.inputs).all():
            row = int(np.argwhere(~np.isfinite(self.inputs))[0][0])
            raise InvalidInput(f"`inputs` must be finite numbers; example {row} holds one that is not.")
        if not np.isin(self.labels, (UNLABELLED, 0, 1)).all():
            raise InvalidInput("`labels` must be 1, 0 or -1 (not labelled).")
        if self.edges is not None:
            _require_simple_graph(self.edges, examples)
        self._require_both_classes()

    def _require_both_classes(self) -> None:
        for task, name in enumerate(self.task_names):
            for label in (1, 0):
                found = int((self.labels[:, task] == label).sum())
                n_train, n_validation = self._split_sizes(found)
                if found - n_train - n_validation < 1:
                    raise InvalidInput(
                        f"Task `{name}` must have at least one example labelled {label} in each split; "
                        f"found {found} examples, of which {n_train} train and {n_validation} validate."
                    )

    def _split_sizes(self, n_of_class: int) -> tuple[int, int]:
        rule = self.split_rule
        return max(1, round(rule.train * n_of_class)), max(1, round(rule.validation * n_of_class))

    @property
    def n_tasks(self) -> int:
        return len(self.task_names)

    @property
    def n_examples(self) -> int:
        return len(self.labels)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of everything that can change a result."""
        # Not of `edges`, which the inputs of a graph follow from: suites of stored runs keep their fingerprints.
        digest = hashlib.sha256()
        digest.update(json.dumps([self.name, self.task_names, asdict(self.split_rule)]).encode())
        for array in (self.inputs, self.labels, self.order.astype(np.int64)):
            digest.update(str((array.shape, array.dtype.str)).encode())
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)
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
                np.concatenate([self._of_class(split, task, label) for label in (1, 0)])
            )
        return self._indices[key]

    @cached_property
    def _indices(self) -> dict[tuple[Split, int], np.ndarray]:
        return {}

    def _of_class(self, split: Split, task: int, label: int) -> np.ndarray:
        if split not in get_args(Split):
            raise InvalidInput(f"`split` must be one of {quoted(get_args(Split))}; found `{split}`.")
        rule = self.split_rule
        ordered = self.order[self.labels[self.order, task] == label]
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
        labels = (self.labels[examples][:, list(tasks)] == 1).astype(np.float32)
        return SubsetData(examples, labels, mask)

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
        names = tuple(self.task_names[column] for column in columns)
        return replace(self, task_names=names, labels=np.ascontiguousarray(self.labels[:, columns]))


def _require_simple_graph(edges: np.ndarray, n_nodes: int) -> None:
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype != np.int64:
        raise InvalidInput(
            f"`edges` must be int64 pairs of examples, shape (edges, 2); found {edges.dtype} of shape {edges.shape}."
        )
    if not len(edges):
        return
    if edges.min() < 0 or edges.max() >= n_nodes:
        raise InvalidInput(
            f"`edges` must name examples from 0 to {n_nodes - 1}; found {edges.min()} to {edges.max()}."
        )
    low, high = edges.min(axis=1), edges.max(axis=1)
    if (low == high).any():
        raise InvalidInput(
            f"`edges` must join different examples; found a self loop at {low[low == high][0]}."
        )
    pairs, counts = np.unique(low * n_nodes + high, return_counts=True)
    if (counts > 1).any():
        first, second = divmod(int(pairs[counts.argmax()]), n_nodes)
        raise InvalidInput(
            f"`edges` must hold each pair of examples once, in one direction; found {first} and {second} "
            f"{counts.max()} times."
        )
