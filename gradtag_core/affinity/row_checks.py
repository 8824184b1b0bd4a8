"""What the rows of features must be like for a regression on them, and a score of it, to mean something."""

from collections.abc import Sequence

import numpy as np
import torch

from gradtag_core.affinity.subsets import Subset
from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.gradients.features import GradientFeatures

ROWS_AT_ONCE = 2**16


def require_usable_rows(
    train: GradientFeatures,
    validation: GradientFeatures,
    subsets: Sequence[Subset],
    task_names: Sequence[str],
) -> None:
    """Raise `InvalidInput` unless all features are finite and every task of the subsets has both classes in both.

    A subset whose tasks all have positive rows has one too.
    """
    used = require_tasks(subsets, task_names)
    for split, features in (("training", train), ("validation", validation)):
        _require_both_classes(features, used, task_names, split)
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


def _require_both_classes(
    features: GradientFeatures, used: np.ndarray, task_names: Sequence[str], split: str
) -> None:
    rows = features.rows
    positive = np.bincount(rows.task, weights=rows.label > 0.5, minlength=len(task_names))[used]
    total = np.bincount(rows.task, minlength=len(task_names))[used]
    lacking = [task_names[int(task)] for task in used[(positive == 0) | (positive == total)]]
    if lacking:
        raise InvalidInput(
            f"Every task of `subsets` must have positive and negative rows in the {split} split; {quoted(lacking)} "
            "have one class only. Leave them out, or give them more examples."
        )


def require_finite_rows(features: GradientFeatures, task_names: Sequence[str], split: str) -> None:
    """Raise `InvalidInput` that names the tasks whose logits or projected gradients are not finite."""
    for first in range(0, len(features.rows), ROWS_AT_ONCE):
        part = slice(first, first + ROWS_AT_ONCE)
        logits, projected = features.logits[part], features.projected[part]
        bad = ~(torch.isfinite(logits) & torch.isfinite(projected).all(1)).numpy()
        if bad.any():
            names = [task_names[int(task)] for task in np.unique(features.rows.task[part][bad])]
            raise InvalidInput(
                f"Features must be finite numbers; of the {split} rows, {int(bad.sum())} are not, of {quoted(names)}. "
                "The base model's training may have diverged: lower `learning_rate`."
            )
