"""What the rows of features must be like for a regression on them, and a score of it, to mean something."""

from collections.abc import Sequence

import numpy as np
import torch

from gradtag_core.affinity.subsets import Subset
from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.gradients.features import GradientFeatures

ROWS_AT_ONCE = 2**16
LEAST_TARGETS = 3  # of a regression


def require_usable_rows(
    train: GradientFeatures,
    validation: GradientFeatures,
    subsets: Sequence[Subset],
    task_names: Sequence[str],
    finite: bool = False,
) -> None:
    """Raise `InvalidInput` unless all features are finite (where they are known to be, `finite`) and every task of the
    subsets has, in both, rows of every class, or `LEAST_TARGETS` different targets."""
    used = require_tasks(subsets, task_names)
    for split, features in (("training", train), ("validation", validation)):
        _require_every_class(features, used, task_names, split)
        if not finite:
            require_finite_rows(features, task_names, split)


def require_tasks(subsets: Sequence[Subset], task_names: Sequence[str]) -> np.ndarray:
    """The tasks that the subsets use; `InvalidInput` when a subset is empty, repeats a task or names an unknown one."""
    if not len(subsets):
        raise InvalidInput("`subsets` must hold at least one subset of tasks; it is empty.")
    for subset in subsets:
        if (
            not subset
            or len(set(subset)) < len(subset)
            or not 0 <= min(subset) <= max(subset) < len(task_names)
        ):
            raise InvalidInput(
                f"Each of `subsets` must be one or more different task indices below {len(task_names)}; found {subset}."
            )
    return np.unique(np.concatenate([np.asarray(subset, dtype=np.int64) for subset in subsets]))


def _require_every_class(
    features: GradientFeatures, used: np.ndarray, task_names: Sequence[str], split: str
) -> None:
    rules = {
        "binary": ("positive and negative rows", "have one class only"),
        "multiclass": ("rows of every class, one for each output of the model,", "do not"),
        "regression": (f"{LEAST_TARGETS} different targets or more", "have fewer"),
    }
    lacking: dict[str, list[str]] = {kind: [] for kind in rules}
    for task in used.tolist():
        kind, labels = features.kind(task), features.rows.label[features.rows.of_task(task)]
        found = np.unique(labels > 0.5 if kind == "binary" else labels)
        least = {"binary": 2, "multiclass": features.n_outputs(task), "regression": LEAST_TARGETS}[kind]
        if len(found) < least or (kind == "multiclass" and not np.array_equal(found, np.arange(least))):
            lacking[kind].append(task_names[int(task)])
    for kind, names in lacking.items():
        if names:
            needed, why = rules[kind]
            raise InvalidInput(
                f"Every {kind} task of `subsets` must have {needed} in the {split} split; {quoted(names)} {why}. "
                "Leave them out, or give them more examples."
            )


def require_finite_rows(features: GradientFeatures, task_names: Sequence[str], split: str) -> None:
    """Raise `InvalidInput` that names the tasks whose logits or projected gradients are not finite."""
    tasks = features.rows.task[features.entry_rows]
    for first in range(0, len(tasks), ROWS_AT_ONCE):
        part = slice(first, first + ROWS_AT_ONCE)
        logits, projected = features.logits[part], features.projected[part]
        bad = ~(torch.isfinite(logits) & torch.isfinite(projected).all(1)).numpy()
        if bad.any():
            names = [task_names[int(task)] for task in np.unique(tasks[part][bad])]
            raise InvalidInput(
                f"Features must be finite numbers; of the {split} rows, {int(bad.sum())} are not, of {quoted(names)}. "
                "The base model's training may have diverged: lower `learning_rate`."
            )
