"""What to know of tasks before a run: sizes, balance, labels that occur together, training examples they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from gradtag_core.errors import quoted
from gradtag_core.tasks.overlap import (
    RELIABLE_OVERLAP,
    UNRELIABLE_OVERLAP,
    other_tasks,
    shared_training,
    training_membership,
)
from gradtag_core.tasks.suite import Split, TaskKind, TaskSuite

if TYPE_CHECKING:
    from pandas import DataFrame

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
FEW_EXAMPLES = 10  # of a class: an AUC of 0.8 has a standard error of 0.08 (Hanley and McNeil 1982)
NEAR_DUPLICATE = 0.95  # Jaccard index of the positives
ONE_SIDED = 0.99  # share of the commonest class
ROWS_AT_ONCE = 8192


@dataclass(frozen=True, eq=False)
class TaskFacts:
    """One entry, row or column per task, in the suite's order.

    `sizes` (n, 3): examples that train, validate and test. `rarest` (n,): validation examples of the rarest class (all
    of them, for a regression). `commonest` (n,): share of the commonest class among the validation examples, NaN for a
    regression. `positive` (n,): share of positives among the labelled, NaN for what is not binary. `unlabelled` (n,).
    `cooccurrence` (n, n): the share of the positives of the row's task that are positives of the column's task too,
    among the examples labelled in both; NaN where there are none, or a task is not binary. `overlap` (n, n): shared
    training examples over those of the smaller task. `warnings`: sentences.
    """

    task_names: tuple[str, ...]
    kinds: tuple[TaskKind, ...]
    sizes: Int[np.ndarray, "tasks 3"]
    rarest: np.ndarray
    positive: np.ndarray
    commonest: np.ndarray
    unlabelled: np.ndarray
    cooccurrence: Float[np.ndarray, "tasks tasks"]
    overlap: Float[np.ndarray, "tasks tasks"]
    warnings: tuple[str, ...]

    @property
    def unreliable(self) -> Bool[np.ndarray, "tasks tasks"]:
        """The pairs that share too few training examples for gradients to tell how they relate."""
        return self.overlap < UNRELIABLE_OVERLAP

    def table(self) -> DataFrame:
        """One row per task: task, kind, train, validation, test, positive, unlabelled."""
        from pandas import DataFrame

        sizes = {split: self.sizes[:, column] for column, split in enumerate(SPLITS)}
        return DataFrame(
            {"task": self.task_names, "kind": self.kinds, **sizes, "positive": self.positive,
             "unlabelled": self.unlabelled}
        )  # fmt: skip


def task_facts(suite: TaskSuite) -> TaskFacts:
    """Count what a suite holds; takes a fraction of a second for 130 tasks over 30,000 examples."""
    sizes = np.array([[len(suite.indices(split, task)) for split in SPLITS] for task in range(suite.n_tasks)])
    validation = [_class_counts(suite, task) for task in range(suite.n_tasks)]
    rarest = np.array([counts.min() for counts in validation])
    commonest = np.array(
        [counts.max() / counts.sum() if len(counts) > 1 else np.nan for counts in validation]
    )
    binary = np.array([kind == "binary" for kind in suite.kinds])
    both, comparable = _label_pairs(suite, binary)
    labelled = suite.labelled.sum(axis=0)
    overlap = shared_training(training_membership(suite))
    return TaskFacts(
        task_names=suite.task_names,
        kinds=suite.kinds,
        sizes=sizes,
        rarest=rarest,
        commonest=commonest,
        positive=np.where(binary, both.diagonal() / labelled, np.nan),
        unlabelled=suite.n_examples - labelled,
        cooccurrence=_share(both, comparable),
        overlap=overlap,
        warnings=(
            *_overlap_warnings(suite, overlap),
            *_rarity_warnings(suite, rarest),
            *_duplicate_warnings(suite.task_names, _share(both, comparable + comparable.T - both)),
            *_balance_warnings(suite.task_names, commonest),
        ),
    )


def _class_counts(suite: TaskSuite, task: int) -> np.ndarray:
    """How many validation examples of each class a task has; of a regression, how many at all."""
    labels = suite.labels[suite.indices("validation", task), task]
    if suite.kinds[task] == "regression":
        return np.array([len(labels)])
    return np.bincount(labels.astype(np.int64), minlength=suite.classes[task])


def _label_pairs(suite: TaskSuite, binary: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each pair of binary tasks (n, n): examples positive in both; positives of the row's task that are labelled in
    the column's too."""
    n_tasks = suite.n_tasks
    both, comparable = np.zeros((n_tasks, n_tasks)), np.zeros((n_tasks, n_tasks))
    for start in range(0, suite.n_examples, ROWS_AT_ONCE):
        labels = suite.labels[start : start + ROWS_AT_ONCE]
        positive = ((labels == 1) & binary).astype(np.float32)
        known = (((labels == 0) | (labels == 1)) & binary).astype(np.float32)
        both += positive.T @ positive
        comparable += positive.T @ known
    return both, comparable


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _overlap_warnings(suite: TaskSuite, overlap: np.ndarray) -> list[str]:
    upper = np.argwhere(np.triu(overlap < UNRELIABLE_OVERLAP, 1))
    if not len(upper):
        return []
    if suite.choices is not None:
        return [
            "Each task reads prompts of its own, so that none share an example, but all are made of the same pairs of "
            "texts. The rule that gradients tell little below 30% of shared examples (arXiv 2604.07848) was not found "
            "on such tasks; real training tells."
        ]
    names = suite.task_names
    low = overlap[upper[:, 0], upper[:, 1]]
    first, second = (names[task] for task in upper[low.argmin()])
    pairs = len(other_tasks(overlap)) // 2
    return [
        f"{len(upper):,} of {pairs:,} pairs of tasks share{'s' * (len(upper) == 1)} less than {UNRELIABLE_OVERLAP:.0%} "
        f"of the smaller task's training examples; the least, {low.min():.0%}: `{first}` and `{second}`. There, "
        f"gradients cannot tell a relation from noise; above {RELIABLE_OVERLAP:.0%} they can (arXiv 2604.07848). Judge "
        "such pairs by small models or real training."
    ]


def _rarity_warnings(suite: TaskSuite, rarest: np.ndarray) -> list[str]:
    is_regression = np.array([kind == "regression" for kind in suite.kinds])
    warnings = []
    for chosen, of in ((~is_regression, " of the rarest class"), (is_regression, "")):
        few = np.flatnonzero((rarest < FEW_EXAMPLES) & chosen)
        if len(few):
            warnings.append(
                f"{_named(suite.task_names, few)}: fewer than {FEW_EXAMPLES} validation examples{of} (the least: "
                f"{rarest[few].min()}). {'Its' if len(few) == 1 else 'Their'} scores are mostly noise."
            )
    return warnings


def _duplicate_warnings(names: tuple[str, ...], jaccard: np.ndarray) -> list[str]:
    pairs = np.argwhere(np.triu(np.nan_to_num(jaccard) > NEAR_DUPLICATE, 1))
    if not len(pairs):
        return []
    shown = ", ".join(f"`{names[first]}` and `{names[second]}`" for first, second in pairs[:3])
    more = f", and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    return [
        f"Nearly the same labels: {shown}{more} (Jaccard index of the positives above {NEAR_DUPLICATE}). Their "
        "affinity is no news; consider keeping one of them."
    ]


def _balance_warnings(names: tuple[str, ...], commonest: np.ndarray) -> list[str]:
    lopsided = np.flatnonzero(np.nan_to_num(commonest) > ONE_SIDED)
    if not len(lopsided):
        return []
    return [
        f"{_named(names, lopsided)}: more than {ONE_SIDED:.0%} of the validation examples are of one class, so a "
        "constant answer has nearly full accuracy. Choose a metric that ranks, such as the AUC or average precision."
    ]


def _named(names: tuple[str, ...], tasks: np.ndarray) -> str:
    chosen = quoted([names[task] for task in tasks], 3)
    return chosen if len(tasks) <= 3 else f"{len(tasks)} tasks ({chosen})"
