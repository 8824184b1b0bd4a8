"""A shared encoder with one linear head per task."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class MultitaskModel(nn.Module):
    """`encoder` maps inputs (B, ...) to (B, width); `head` maps that to one logit per task."""

    def __init__(self, encoder: nn.Module, width: int, n_tasks: int):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(width, n_tasks)

    def forward(
        self, inputs: Float[Tensor, "batch ..."], tasks: Sequence[int] | None = None
    ) -> Float[Tensor, "batch tasks"]:
        """Logits of all tasks, or of some in the order given (only those heads are computed)."""
        hidden = self.encoder(inputs)
        if tasks is None:
            return self.head(hidden)
        chosen = torch.as_tensor(tasks, device=hidden.device)
        return nn.functional.linear(hidden, self.head.weight[chosen], self.head.bias[chosen])
