"""The loss of several tasks together, each by its kind: what real training minimises."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gradtag_core.tasks.suite import TaskKind


def task_columns(outputs: Sequence[int]) -> Iterator[slice]:
    """Where the outputs of each of some tasks stand, side by side."""
    start = 0
    for count in outputs:
        yield slice(start, start + count)
        start += count


def entry_losses(
    outputs: Float[Tensor, "rows columns"], labels: Float[Tensor, "rows tasks"], kinds: Sequence[TaskKind],
    counts: Sequence[int],
) -> Float[Tensor, "rows tasks"]:  # fmt: skip
    """The loss of each row and task: log loss, cross-entropy, or the squared error of a regression.

    `counts`: how many outputs each task has; they stand side by side in the order of the tasks.
    """
    if set(kinds) == {"binary"}:
        return nn.functional.binary_cross_entropy_with_logits(outputs, labels, reduction="none")
    losses = []
    for kind, column, label in zip(kinds, task_columns(counts), labels.unbind(1), strict=True):
        own = outputs[:, column]
        if kind == "multiclass":
            losses.append(nn.functional.cross_entropy(own, label.long(), reduction="none"))
        elif kind == "binary":
            losses.append(nn.functional.binary_cross_entropy_with_logits(own[:, 0], label, reduction="none"))
        else:
            losses.append((own[:, 0] - label).square())
    return torch.stack(losses, dim=1)
