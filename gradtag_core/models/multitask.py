"""A shared encoder with one linear head per task."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn


class MultitaskModel(nn.Module):
    """`encoder` maps inputs (B, ...) to (B, width); `head` maps that to the `outputs` of each task, side by side."""

    def __init__(self, encoder: nn.Module, width: int, outputs: Sequence[int]):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(width, sum(outputs))
        self._places = [
            list(range(stop - own, stop)) for own, stop in zip(outputs, accumulate(outputs), strict=True)
        ]

    def forward(
        self, inputs: Shaped[Tensor, "batch ..."], tasks: Sequence[int] | None = None
    ) -> Float[Tensor, "batch outputs"]:
        """Outputs of all tasks, or of some in the order given (only those heads are computed)."""
        hidden = self.encoder(inputs)
        if tasks is None:
            return self.head(hidden)
        chosen = torch.as_tensor(
            [place for task in tasks for place in self._places[task]], device=hidden.device
        )
        return nn.functional.linear(hidden, self.head.weight[chosen], self.head.bias[chosen])
